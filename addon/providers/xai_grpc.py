"""xAI over gRPC, as its SDK `xai-sdk` calls it. Services and field numbers: xai_sdk/proto of version 1.21.

Answers become those of the REST API, whose readers they then have: the cost is stated here as well.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from addon.providers import media
from addon.providers.completed import Complete
from addon.providers.fields import at, dumped, items, json_of, string
from addon.providers.grpc_calls import call, stream
from addon.providers.model import Asked, Event, Json, Operation, Reading
from addon.providers.polled import found_done, under_way
from addon.providers.protobuf import Schema, inside, number, text

_REASONS: Final = {
    1: "REASON_MAX_LEN",
    2: "REASON_MAX_CONTEXT",
    3: "REASON_STOP",
    4: "REASON_TOOL_CALLS",
    5: "REASON_TIME_LIMIT",
}
_TIERS: Final = {1: "default", 2: "priority"}
# Of the tools that have a fee, by the names that REST has for their number.
_TOOLS: Final = {
    1: "web_search_calls",
    2: "x_search_calls",
    3: "code_interpreter_calls",
    6: "file_search_calls",
    8: "document_search_calls",
}
_USAGE: Final = Schema(
    {
        1: number("completion_tokens"),
        2: number("prompt_tokens"),
        3: number("total_tokens"),
        5: number("prompt_image_tokens"),
        6: number("reasoning_tokens"),
        7: number("cached_prompt_text_tokens"),
        8: number("num_sources_used"),
        9: number("server_side_tools_used", _TOOLS, is_list=True),
        11: number("cost_in_usd_ticks"),
    },
    zeros=("completion_tokens", "prompt_tokens", "total_tokens", "reasoning_tokens", "cached_prompt_text_tokens"),
)
_FUNCTION: Final = Schema({1: text("name"), 2: text("arguments")})
_SAID: Final = Schema(
    {
        1: text("content"),
        3: inside("tool_calls", Schema({1: text("id"), 10: inside("function", _FUNCTION)}), is_list=True),
        4: text("reasoning_content"),
    }
)
_ANSWER: Final = Schema(
    {
        1: text("id"),
        2: inside(
            "choices",
            Schema({1: number("finish_reason", _REASONS), 2: number("index"), 3: inside("message", _SAID)}),
            is_list=True,
        ),
        6: text("model"),
        9: inside("usage", _USAGE),
        15: number("service_tier", _TIERS),
    }
)
_CHUNK: Final = Schema(
    {
        1: text("id"),
        2: inside(
            "choices",
            Schema({1: inside("delta", _SAID), 3: number("finish_reason", _REASONS), 4: number("index")}),
            is_list=True,
        ),
        4: text("model"),
        6: inside("usage", _USAGE),
        12: number("service_tier", _TIERS),
    }
)
_SAMPLE: Final = Schema(
    {
        1: text("id"),
        2: inside(
            "choices",
            Schema({1: number("finish_reason", _REASONS), 2: number("index"), 3: text("text")}),
            is_list=True,
        ),
        6: text("model"),
        9: inside("usage", _USAGE),
    }
)
_MADE: Final = Schema(
    {1: inside("data", Schema({3: text("url")}), is_list=True), 2: text("model"), 3: inside("usage", _USAGE)}
)
_VECTORS: Final = Schema(
    {
        1: text("id"),
        3: inside("usage", Schema({1: number("num_text_embeddings"), 2: number("num_image_embeddings")})),
        4: text("model"),
    }
)
_ROLES: Final = {1: "user", 2: "assistant", 3: "system", 4: "function", 5: "tool", 6: "developer"}
_MESSAGE: Final = Schema(
    {
        1: inside("content", Schema({1: text("text")}), is_list=True),
        2: number("role", _ROLES),
        4: inside("tool_calls", Schema({1: text("id"), 10: inside("function", _FUNCTION)}), is_list=True),
        7: text("tool_call_id"),
    }
)
_CHAT_REQUEST: Final = Schema(
    {
        1: inside("messages", _MESSAGE, is_list=True),
        2: text("model"),
        7: number("max_tokens"),
        16: text("user"),
        22: text("previous_response_id"),
        34: text("safety_identifier"),
    }
)
_SAMPLE_REQUEST: Final = Schema(
    {1: text("prompt", is_list=True), 3: text("model"), 7: number("max_tokens"), 17: text("user")}
)
_PROMPT: Final = Schema({1: text("prompt"), 2: text("model"), 3: number("n"), 4: text("user")})
_VIDEO: Final = Schema({1: text("prompt"), 3: text("model"), 4: number("duration")})
_BY_MODEL: Final = Schema({2: text("model"), 4: text("user")})
_COMPACTED: Final = Schema({1: text("id"), 4: inside("usage", _USAGE)})
_BY_ID: Final = Schema({1: text("request_id")})


def as_rest(told: Json) -> Json:
    """The answer as the REST API says it: details of the usage, and how often each tool was used."""
    raw = at(told, "usage")
    if not isinstance(raw, dict):
        return told
    stated = dict(raw)
    tools = [tool for tool in items(stated.pop("server_side_tools_used", None)) if isinstance(tool, str)]
    details = {tool: tools.count(tool) for tool in tools}
    inside_prompt = {
        "cached_tokens": stated.pop("cached_prompt_text_tokens", 0),
        **({"image_tokens": count} if (count := stated.pop("prompt_image_tokens", 0)) else {}),
    }
    stated["prompt_tokens_details"] = inside_prompt
    stated["completion_tokens_details"] = {"reasoning_tokens": stated.pop("reasoning_tokens", 0)}
    return told | {"usage": stated | ({"server_side_tool_usage_details": details} if details else {})}


def _as_rest_request(told: Json) -> Json:
    """Parts of messages name their kind."""
    messages = [
        {**one, "content": [{"type": "text", **part} for part in items(at(one, "content"))]}
        for one in items(at(told, "messages"))
        if isinstance(one, dict)
    ]
    return {**told, "messages": messages} if messages else told


def _in_words_of_rest(operation: Operation) -> Operation:
    """Its conversation is shown from requests and answers as the REST API has them."""
    read_request, read_event = operation.read_request, operation.read_event
    assert read_request and read_event
    return replace(
        operation,
        read_request=lambda body: _as_rest_request(read_request(body)),
        read_event=lambda event: as_rest(_inner(read_event(event))),
    )


def _inner(told: Json) -> Json:
    """Of a deferred completion what was waited for."""
    return at(told, "response") or told


def _charged_once(reading: Reading, asked: Asked) -> Reading:
    """A result that is fetched twice is charged once; one that is not there yet is free."""
    if reading.usage_raw is None:
        return reading if reading.error_type else under_way(reading)
    name = string(at(asked.body, "request_id"))
    return found_done(reading, f"result {name}") if name else reading


def operations(chat: Operation, completion: Operation, complete: Complete) -> tuple[Operation, ...]:
    """`chat`, `completion`: the operations of the REST API, whose readers these have. `complete`: adds the stated cost."""

    def of_rest(reader: Callable[[Json], Reading] | None) -> Callable[[Json], Reading]:
        assert reader
        return lambda told: reader(as_rest(told))

    def chunks_of(operation: Operation) -> Callable[[Iterable[Event]], Reading]:
        read_stream = operation.read_stream
        assert read_stream
        return lambda events: read_stream([_rest_event(event) for event in events])

    def images(told: Json) -> Reading:
        body = as_rest(told)
        return complete(media.read_images(body), [body])

    def deferred(told: Json) -> Reading:
        return read_chat(at(told, "response") or {})

    read_chat = of_rest(chat.read_json)
    fetched = Schema({1: inside("response", _ANSWER), 2: number("status")})
    video = Schema({1: number("status"), 2: inside("response", Schema({2: text("model"), 3: inside("usage", _USAGE)}))})
    calls = (
        call("chat", "xai_api[.]Chat/GetCompletion", _CHAT_REQUEST, _ANSWER, read_chat),
        stream("chat", "xai_api[.]Chat/GetCompletionChunk", _CHAT_REQUEST, _CHUNK, chunks_of(chat), chat.prompt_text),
        call("chat", "xai_api[.]Chat/StartDeferredCompletion", _CHAT_REQUEST, _BY_ID, _started),
        call("chat", "xai_api[.]Chat/GetDeferredCompletion", _BY_ID, fetched, deferred, _charged_once),
        call("compact", "xai_api[.]Chat/CompactContext", Schema({1: text("model")}), _COMPACTED, read_chat),
        call("text_completion", "xai_api[.]Sample/SampleText", _SAMPLE_REQUEST, _SAMPLE, of_rest(completion.read_json)),
        stream(
            "text_completion",
            "xai_api[.]Sample/SampleTextStreaming",
            _SAMPLE_REQUEST,
            _SAMPLE,
            chunks_of(completion),
            completion.prompt_text,
        ),
        call("embeddings", "xai_api[.]Embedder/Embed", _BY_MODEL, _VECTORS, _vectors),
        call("image_generation", "xai_api[.]Image/GenerateImage", _PROMPT, _MADE, images),
        call("video_generation", "xai_api[.]Video/GenerateVideo", _VIDEO, _BY_ID, _started),
        call("video_generation", "xai_api[.]Video/ExtendVideo", _VIDEO, _BY_ID, _started),
        call(
            "video_generation",
            "xai_api[.]Video/GetDeferredVideo",
            _BY_ID,
            video,
            lambda told: images(at(told, "response") or {}),
            _charged_once,
        ),
        call("count_tokens", "xai_api[.]Tokenize/TokenizeText", _BY_MODEL, Schema({}), _vectors, is_free=True),
    )
    return tuple(map(_in_words_of_rest, calls))


def _started(told: Json) -> Reading:
    """Work that is done later, and charged where its result is fetched."""
    return under_way(Reading(response_id=string(at(told, "request_id"))))


def _vectors(told: Json) -> Reading:
    """No tokens are stated."""
    return Reading(
        response_model=string(at(told, "model")), response_id=string(at(told, "id")), usage_raw=at(told, "usage")
    )


def _rest_event(event: Event) -> Event:
    return Event(event=None, data=dumped(as_rest(json_of(event))))
