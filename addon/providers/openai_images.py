"""OpenAI's images: made, edited and varied, JSON and stream. https://developers.openai.com/api/reference/resources/images

GPT Image models state their tokens; older ones are priced by the image, whose size and quality the request tells.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import openai_usage
from addon.providers.fields import added, at, count, error_type, items, json_of, string
from addon.providers.model import Asked, Event, Json, Reading, Terminal, Usage
from addon.providers.shares import by_model, share_units

# The SDK's types/image_gen_stream_event.py and types/image_edit_stream_event.py.
COMPLETED: Final = frozenset({"image_generation.completed", "image_edit.completed"})
TERMINAL: Final = Terminal(
    line_start=rb"event: ?image_(?:generation|edit)\.completed",
    anywhere=rb'"type"\s*:\s*"image_(?:generation|edit)\.completed"',
)


def read_json(body: Json) -> Reading:
    """`{created, data: [{b64_json | url}], usage?}`, or an error body."""
    reading = _counted(at(body, "usage"))
    if made := len(items(at(body, "data"))) if not reading.usage_raw else 0:
        reading = replace(reading, units={"images": Decimal(made)})
    reading = with_authors(reading, [at(body, "svg_usage")])
    return replace(reading, response_model=string(at(body, "model")), error_type=error_type(body))


def with_authors(reading: Reading, stated: Iterable[Json]) -> Reading:
    """An SVG is written by a model of its own, whose tokens are not in the usage: types/images_response.py and
    types/responses/response_output_item.py of the SDK, openai 3.54"""
    authors = [usage for usage in stated if string(at(usage, "model"))]
    if not authors:
        return reading
    shares = by_model((string(at(usage, "model")) or "", openai_usage.usage(usage) or Usage()) for usage in authors)
    raw = reading.usage_raw if isinstance(reading.usage_raw, dict) else {}
    return replace(reading, usage_raw=raw | {"svg_usage": authors}, units=reading.units | share_units(shares))


def read_stream(events: Iterable[Event]) -> Reading:
    """Partial images, then one completed event an image, each with its own usage."""
    total: Json = None
    failure: str | None = None
    for event in events:
        data = json_of(event)
        kind = string(at(data, "type")) or event.event
        if kind in COMPLETED:
            total = added(total, at(data, "usage"))
        elif kind == "error" or at(data, "error"):
            failure = error_type(data) or string(at(data, "code")) or "error"
    return replace(_counted(total), error_type=failure)


def with_request(reading: Reading, asked: Asked) -> Reading:
    """Size and quality of images that are priced by the piece."""
    if "images" not in reading.units:
        return reading
    # What DALL-E makes unless the request says otherwise.
    defaults = {"size": "1024x1024", "quality": "standard"} if "dall-e" in (asked.model or "") else {}
    wished = {name: value for name in ("size", "quality") if (value := string(at(asked.body, name)))}
    return replace(reading, price_factors=reading.price_factors | defaults | wished)


def _counted(raw: Json) -> Reading:
    """Where the output is not split into words and images, it is all images."""
    made = count(at(raw, "output_tokens"))
    all_images = made is not None and not at(raw, "output_tokens_details")
    return Reading(usage_raw=raw or None, units={"output_image_tokens": Decimal(made or 0)} if all_images else {})
