"""Volcengine's Ark, and BytePlus, its half abroad. https://www.volcengine.com/docs/82379

Paths and fields: the package byteplus-python-sdk-v2, byteplussdkarkruntime/resources and types.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import anthropic_shaped, media, openai_shaped
from addon.providers.fields import at, count, error_type, string
from addon.providers.model import Json, Operation, Provider, Reading, Usage
from addon.providers.polled import charged_by_path, under_way

# With a plan: /api/coding/v3 and /api/plan/v3. Bots and stored contexts are chats.
_BASE: Final = "/api(?:/coding|/plan)?/v3"


def read_images(body: Json) -> Reading:
    """`usage`: `{"generated_images", "output_tokens", "total_tokens"}`. Seedream is priced by the image."""
    reading = media.read_images(body)
    made = count(at(reading.usage_raw, "generated_images"))
    return replace(reading, usage=None, units=reading.units if made is None else {"images": Decimal(made)})


def read_task(body: Json) -> Reading:
    """A video that is being made: `{"id"}` when it is asked for, later `{"id", "model", "status", "usage"}`."""
    made = count(at(body, "usage", "completion_tokens"))
    reading = Reading(
        response_model=string(at(body, "model")),
        response_id=string(at(body, "id")),
        finish_reasons=(status,) if (status := string(at(body, "status"))) else (),
        usage=None if made is None else Usage(input_tokens=0, output_tokens=made),
        usage_raw=at(body, "usage"),
        error_type=error_type(body),
    )
    return under_way(reading) if made is None and not reading.error_type else reading


PROVIDER: Final = Provider(
    name="volcengine",
    origin="https://ark.cn-beijing.volces.com",
    hosts=("ark.*.volces.com", "ark.*.bytepluses.com"),
    aliases=("byteplus",),
    operations=(
        *openai_shaped.operations(f"{_BASE}(?:/bots|/context|/batch)?", "chat"),
        *openai_shaped.operations(_BASE, "text_completion", "embeddings", "responses"),
        anthropic_shaped.messages("/api(?:/coding|/compatible|/plan)?/v1/messages"),
        Operation(
            name="embeddings",
            path=f"{_BASE}(?:/batch/embeddings|/embeddings/multimodal|/batch/embeddings/multimodal)/?",
            read_json=openai_shaped.read_any,
        ),
        Operation(
            name="image_generation",
            path=f"{_BASE}/images/generations/?",
            read_json=read_images,
            with_request=media.of_images,
        ),
        Operation(
            name="video_generation",
            path=f"{_BASE}/contents/generations/tasks/?",
            read_json=read_task,
        ),
        Operation(
            name="retrieve_task",
            method="GET",
            path=f"{_BASE}/contents/generations/tasks/[^/]+",
            read_json=read_task,
            with_request=charged_by_path,
        ),
    ),
    plan_paths=("/api/coding/", "/api/plan/"),
    source="https://www.volcengine.com/docs/82379",
)
