"""Images and videos that Azure makes in the background, by APIs of its own.

Images (DALL-E 2): `POST .../images/generations:submit`, whose end is found at `.../operations/images/{id}`.
https://learn.microsoft.com/azure/ai-services/openai/reference-preview (2023-06-01-preview)
Videos (the first Sora): `POST .../video/generations/jobs`, priced by what is to be made.
https://learn.microsoft.com/azure/ai-foundry/openai/concepts/video-generation
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import openai_images
from addon.providers.fields import amount, at, count, error_type, string
from addon.providers.model import Json, Operation, Reading
from addon.providers.openai_shaped import operations
from addon.providers.polled import found_done, under_way

_UNDER_WAY: Final = frozenset({"notRunning", "running"})


def read_submitted(body: Json) -> Reading:
    """`{id, status: "notRunning" | "running"}`, or an error."""
    return _read_images(body, is_look=False)


def read_operation(body: Json) -> Reading:
    """`{id, status, result: {data: [{url}]}}`; one that failed has `error`. Nothing tells the size that was asked for."""
    return _read_images(body, is_look=True)


def _read_images(body: Json, *, is_look: bool) -> Reading:
    name, status = string(at(body, "id")), string(at(body, "status"))
    if status in _UNDER_WAY:
        return under_way(Reading(response_id=name), is_look=is_look)
    if status != "succeeded":
        return Reading(response_id=name, error_type=error_type(body) or status, is_free=status is not None)
    reading = replace(openai_images.read_json(at(body, "result")), response_id=name, finish_reasons=("succeeded",))
    return found_done(reading, f"images {name}")


def read_video_job(body: Json) -> Reading:
    """`{id, status, model, n_seconds, n_variants, width, height}`; a job that fails afterwards no answer to its request tells."""
    seconds, variants = amount(at(body, "n_seconds")), count(at(body, "n_variants"))
    width, height = count(at(body, "width")), count(at(body, "height"))
    return Reading(
        response_model=string(at(body, "model")),
        response_id=string(at(body, "id")),
        units={} if seconds is None else {"video_seconds": seconds * (Decimal(1) if variants is None else variants)},
        price_factors={"size": f"{width}x{height}"} if width and height else {},
        error_type=error_type(body),
    )


(IMAGES,) = operations("", "image_generation")
OPERATIONS: Final = (
    Operation(name="image_generation", path="/openai/images/generations:submit/?", read_json=read_submitted),
    Operation(name="image_generation", method="GET", path="/openai/operations/images/[^/]+", read_json=read_operation),
    Operation(name="video_generation", path="/openai(?:/v1)?/video/generations/jobs/?", read_json=read_video_job),
)
