"""DeepInfra: OpenAI's and Anthropic's shape, and an API of its own below /v1/inference/. https://deepinfra.com/docs/inference"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from addon.providers import anthropic_shaped, media, openai_shaped
from addon.providers.fields import amount, at, count, error_type, items, json_of, string, words
from addon.providers.framing.model import BYTES_END
from addon.providers.model import Event, Json, Operation, Provider, Reading, Usage


def complete(reading: Reading, _chunks: Sequence[Json]) -> Reading:
    """`usage.estimated_cost`, in USD, is what it bills."""
    return replace(reading, stated_cost_usd=amount(at(reading.usage_raw, "estimated_cost")))


def read_native(body: Json) -> Reading:
    """{"results": [{"generated_text"}], "inference_status": {"status", "cost", "tokens_input", "tokens_generated"}}"""
    results = items(at(body, "results"))
    text = "".join(string(at(result, "generated_text")) or "" for result in results) or string(at(body, "text"))
    return replace(_native(body, at(body, "inference_status"), text), response_id=string(at(body, "request_id")))


def read_native_stream(events: Iterable[Event]) -> Reading:
    """{"token": {"text"}} until one has `details` or the status."""
    said: list[str] = []
    last: Json = None
    reason: str | None = None
    for event in events:
        chunk = json_of(event)
        said.append(string(at(chunk, "token", "text")) or "")
        reason = string(at(chunk, "details", "finish_reason")) or reason
        if isinstance(chunk, dict) and (
            not chunk.get("token") or chunk.get("inference_status") or "estimated_cost" in chunk
        ):
            last = chunk
    return replace(
        _native(last, at(last, "inference_status") or last, "".join(said)), finish_reasons=(reason,) if reason else ()
    )


def _native(body: Json, status: Json, text: str | None) -> Reading:
    sent = _first(at(status, "tokens_input"), at(body, "num_input_tokens"), at(body, "input_tokens"))
    made = _first(at(status, "tokens_generated"), at(body, "num_tokens"), at(body, "num_output_tokens"))
    cost = amount(at(status, "cost"))
    failure = error_type(body) or ("failed" if at(status, "status") == "failed" else None)
    return Reading(
        usage=None if sent is None and made is None else Usage(input_tokens=sent, output_tokens=made),
        usage_raw=status,
        stated_cost_usd=amount(at(body, "estimated_cost")) if cost is None else cost,
        text=text or None,
        error_type=failure,
    )


def _first(*values: Json) -> int | None:
    return next((number for value in values if (number := count(value)) is not None), None)


def _prompt(request: Json) -> str:
    return words(at(request, "input"))


PROVIDER: Final = Provider(
    name="deepinfra",
    origin="https://api.deepinfra.com",
    hosts=("api.deepinfra.com",),
    labels=("deepinfra",),
    operations=(
        *openai_shaped.operations("/v1(?:/openai)?", "chat", "text_completion", "embeddings", complete=complete),
        *media.operations("/v1(?:/openai)?", "images", "speech", "transcription", "translation", complete=complete),
        anthropic_shaped.messages("/anthropic/v1/messages", complete),
        Operation(
            name="inference",
            path="/v1/inference/(?P<model>.+?)/?",
            read_json=read_native,
            terminal=BYTES_END,
            read_stream=read_native_stream,
            prompt_text=_prompt,
        ),
    ),
    source="https://deepinfra.com/docs",
)
