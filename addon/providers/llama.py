"""Meta's Llama API: its own shape, and OpenAI's below /compat. Fields: its SDK, llama_api_client/types.

https://llama.developer.meta.com/docs/api/chat
"""

from collections.abc import Iterable
from typing import Final

from addon.providers import openai_shaped
from addon.providers.fields import at, count, error_type, items, json_of, string, words
from addon.providers.model import Event, Json, Operation, Provider, Reading, Terminal, Usage

_METRICS: Final = {"num_prompt_tokens": "input_tokens", "num_completion_tokens": "output_tokens"}
# The metrics come after the event that has the reason to stop.
TERMINAL: Final = Terminal(anywhere=rb'"event_type"\s*:\s*"metrics"')


def usage(metrics: Json) -> Usage | None:
    """`metrics`: [{"metric": "num_prompt_tokens", "value": 25.0, "unit": "tokens"}, ...]"""
    found = {_METRICS.get(str(at(item, "metric")), ""): count(at(item, "value")) for item in items(metrics)}
    stated = Usage(input_tokens=found.get("input_tokens"), output_tokens=found.get("output_tokens"))
    return stated if stated != Usage() else None


def read_json(body: Json) -> Reading:
    message = at(body, "completion_message")
    content = at(message, "content")
    reason = string(at(message, "stop_reason"))
    return Reading(
        response_id=string(at(body, "id")),
        response_model=string(at(body, "model")),
        finish_reasons=(reason,) if reason else (),
        usage=usage(at(body, "metrics")),
        usage_raw=at(body, "metrics"),
        text=words(content) or string(at(content, "text")),
        other_output="".join(_called(call) for call in items(at(message, "tool_calls"))) or None,
        error_type=error_type(body),
    )


def read_stream(events: Iterable[Event]) -> Reading:
    said: list[str] = []
    other: list[str] = []
    identity = reason = failure = None
    metrics: Json = None
    for event in events:
        chunk = json_of(event)
        identity = identity or string(at(chunk, "id"))
        news = at(chunk, "event")
        said.append(string(at(news, "delta", "text")) or "")
        other.append(_called(at(news, "delta")))
        reason = string(at(news, "stop_reason")) or reason
        metrics = at(news, "metrics") or metrics
        failure = error_type(chunk) or failure
    return Reading(
        response_id=identity,
        finish_reasons=(reason,) if reason else (),
        usage=usage(metrics),
        usage_raw=metrics,
        text="".join(said) or None,
        other_output="".join(other) or None,
        error_type=failure,
    )


def _called(call: Json) -> str:
    return "".join(string(at(call, "function", key)) or "" for key in ("name", "arguments"))


PROVIDER: Final = Provider(
    name="llama",
    origin="https://api.llama.com",
    hosts=("api.llama.com",),
    labels=("llama",),
    operations=(
        Operation(
            name="chat",
            path="/v1/chat/completions/?",
            terminal=TERMINAL,
            read_json=read_json,
            read_stream=read_stream,
            prompt_text=openai_shaped.chat_prompt,
        ),
        Operation(name="moderation", path="/v1/moderations/?", is_free=True),
        *openai_shaped.operations("/compat/v1", "chat", "responses"),
    ),
    source="https://llama.developer.meta.com/docs/api/chat",
)
