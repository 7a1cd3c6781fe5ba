"""The OpenAI-shaped half of Gemini's and Vertex's API. https://ai.google.dev/gemini-api/docs/openai"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import openai_usage
from addon.providers.fields import at, count, error_type, items, string, the_one
from addon.providers.gemini_usage import is_provisioned, price_factors
from addon.providers.model import Json, Operation, Reading, Usage
from addon.providers.openai_shaped import operations

_EXTRA: Final = ("extra_properties", "google")


def usage(raw: Json) -> Usage | None:
    """The total may be more than prompt and completion: the rest are thoughts, which are output.

    https://github.com/mozilla-ai/any-llm/pull/1291 has a recorded example: 20 + 151 of 553.
    """
    stated = openai_usage.usage(raw)
    total = count(at(raw, "total_tokens"))
    if stated is None or stated.input_tokens is None or total is None:
        return stated
    output = total - stated.input_tokens
    hidden = output - (stated.output_tokens or 0)
    if hidden <= 0:
        return stated
    reasoning = hidden if stated.reasoning_output_tokens is None else stated.reasoning_output_tokens
    return replace(stated, output_tokens=output, reasoning_output_tokens=reasoning)


def openai_half(base: str) -> tuple[Operation, ...]:
    """Chat, embeddings and images below `base`."""
    shaped = tuple(_google(operation) for operation in operations(base, "chat", "embeddings", read_usage=usage))
    return (
        *shaped,
        Operation(name="image_generation", path=f"{base}/images/generations/?", read_json=read_images),
    )


def read_images(body: Json) -> Reading:
    """`{"data": [{"b64_json": ...}]}`: priced by image."""
    made = sum(1 for image in items(at(body, "data")) if at(image, "b64_json") or at(image, "url"))
    return Reading(
        response_model=string(at(body, "model")),
        units={"images": Decimal(made)} if made else {},
        error_type=error_type(the_one(body)),
    )


def _google(operation: Operation) -> Operation:
    """Errors may stand in a list; Vertex says beside the usage what kind of traffic it was."""
    read_json, read_stream = operation.read_json, operation.read_stream
    return replace(
        operation,
        read_json=read_json and (lambda body: _traffic(read_json(the_one(body)))),
        read_stream=read_stream and (lambda events: _traffic(read_stream(events))),
    )


def _traffic(reading: Reading) -> Reading:
    traffic = {"trafficType": at(reading.usage_raw, *_EXTRA, "traffic_type")}
    return replace(
        reading, price_factors=reading.price_factors | price_factors(traffic), paid_by_plan=is_provisioned(traffic)
    )
