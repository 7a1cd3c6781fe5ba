"""Writer. Paths and fields: its SDK, writerai/resources and writerai/types. https://dev.writer.com/api-reference"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from addon.providers import openai_shaped, openai_usage
from addon.providers.fields import at, count, error_type, items, json_of, stream_failure, string
from addon.providers.model import Event, Json, Operation, Provider, Reading, Usage


def usage(raw: Json) -> Usage | None:
    """As OpenAI's, but for the name `prompt_token_details`."""
    stated = openai_usage.usage(raw)
    cached = count(at(raw, "prompt_token_details", "cached_tokens"))
    return replace(stated, cache_read_input_tokens=cached) if stated and cached is not None else stated


def read_completion(body: Json) -> Reading:
    """`{"choices": [{"text"}], "model"}`, without a usage."""
    said = "\n".join(string(at(choice, "text")) or "" for choice in items(at(body, "choices")))
    return Reading(response_model=string(at(body, "model")), text=said or None, error_type=error_type(body))


def read_completion_stream(events: Iterable[Event]) -> Reading:
    """Chunks `{"value": "words"}`."""
    chunks = [json_of(event) for event in events]
    said = "".join(string(at(chunk, "value")) or "" for chunk in chunks)
    return Reading(text=said or None, error_type=stream_failure(chunks))


def read_application(body: Json) -> Reading:
    """`{"title", "suggestion"}`: which model worked, and how much, is nowhere stated."""
    return Reading(text=string(at(body, "suggestion")), error_type=error_type(body))


def read_application_stream(events: Iterable[Event]) -> Reading:
    chunks = [json_of(event) for event in events]
    return Reading(
        text="".join(string(at(chunk, "delta", "content")) or "" for chunk in chunks) or None,
        error_type=stream_failure(chunks),
    )


_CHAT: Final = openai_shaped.operations("/v1", "chat", read_usage=usage, asks_usage=False)[0]

PROVIDER: Final = Provider(
    name="writer",
    origin="https://api.writer.com",
    hosts=("api.writer.com",),
    operations=(
        replace(_CHAT, path="/v1/chat/?"),
        Operation(
            name="text_completion",
            path="/v1/completions/?",
            terminal=openai_shaped.DONE,
            read_json=read_completion,
            read_stream=read_completion_stream,
            prompt_text=openai_shaped.completion_prompt,
        ),
        Operation(
            name="text_completion",
            path="/v1/applications/[^/]+/?",
            terminal=openai_shaped.DONE,
            read_json=read_application,
            read_stream=read_application_stream,
        ),
        _CHAT,
    ),
    source="https://dev.writer.com/api-reference",
)
