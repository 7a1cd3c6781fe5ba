"""Writer. Paths and fields: its SDK, writerai/resources and writerai/types. https://dev.writer.com/api-reference"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from addon.providers import openai_shaped, openai_usage
from addon.providers.fields import at, error_type, items, json_of, one_request, stream_failure, string
from addon.providers.model import Event, Json, Operation, Provider, Reading


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


def said_in(body: Json) -> str:
    """Of a question and a search `answer`, of a picture and a translation `data`, of a file `content`."""
    return next((words for key in ("answer", "data", "content") if (words := string(at(body, key)))), "")


def said_in_stream(chunks: Iterable[Json]) -> str:
    """Of a question: each chunk has a piece of the `answer`, at its top or in `data`."""
    return "".join(string(at(chunk, "answer")) or string(at(chunk, "data", "answer")) or "" for chunk in chunks)


def read_tool(body: Json) -> Reading:
    """What a tool gave: https://dev.writer.com/api-reference/tool-api and .../translation-api. It has a fee by its use, which no
    answer states."""
    failure = error_type(body)
    return Reading(units=one_request(failure), text=said_in(body) or None, error_type=failure)


def read_question_stream(events: Iterable[Event]) -> Reading:
    chunks = [json_of(event) for event in events]
    said = said_in_stream(chunks)
    failure = stream_failure(chunks)
    return Reading(units=one_request(None if said else failure), text=said or None, error_type=failure)


_CHAT: Final = openai_shaped.operations("/v1", "chat", read_usage=openai_usage.usage, asks_usage=False)[0]

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
        # writer-sdk 3.0, resources: graphs, translation, vision, tools
        Operation(
            name="retrieve_and_generate",
            path="/v1/graphs/question/?",
            terminal=openai_shaped.DONE,
            read_json=read_tool,
            read_stream=read_question_stream,
        ),
        Operation(name="translation", path="/v1/translation/?", read_json=read_tool),
        Operation(name="text_completion", path="/v1/vision/?", read_json=read_tool),
        Operation(name="web_search", path="/v1/tools/web-search/?", read_json=read_tool),
        Operation(name="document_parsing", path="/v1/tools/pdf-parser/[^/]+/?", read_json=read_tool),
    ),
    source="https://dev.writer.com/api-reference",
)
