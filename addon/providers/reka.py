"""Reka. Its own chat: reka/chat/client.py and reka/types of its SDK; OpenAI's shape: https://docs.reka.ai"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from addon.providers import openai_shaped, openai_usage
from addon.providers.fields import at, error_type, items, json_of, stream_failure, string, words
from addon.providers.model import Event, Json, Operation, Provider, Reading, Terminal

CHAT_END: Final = Terminal(anywhere=rb'"finish_reason":\s*"')


def read_json(body: Json) -> Reading:
    """`{"id", "model", "responses": [{"message": {"content"}, "finish_reason"}], "usage": {"input_tokens", ...}}`"""
    answers = items(at(body, "responses"))
    said = "\n".join(words(at(answer, "message", "content")) for answer in answers)
    raw = at(body, "usage")
    return Reading(
        response_model=string(at(body, "model")),
        response_id=string(at(body, "id")),
        finish_reasons=tuple(reason for answer in answers if (reason := string(at(answer, "finish_reason")))),
        usage=openai_usage.usage(raw),
        usage_raw=raw,
        text=said or None,
        error_type=error_type(body),
    )


def read_stream(events: Iterable[Event]) -> Reading:
    """Each event is the whole answer so far."""
    chunks = [found for event in events if isinstance(found := json_of(event), dict)]
    whole = next((chunk for chunk in reversed(chunks) if at(chunk, "responses")), None)
    failure = stream_failure(chunks)
    return replace(read_json(whole), error_type=failure)


PROVIDER: Final = Provider(
    name="reka",
    origin="https://api.reka.ai",
    hosts=("api.reka.ai",),
    operations=(
        Operation(
            name="chat",
            path="/v1/chat/?",
            terminal=CHAT_END,
            read_json=read_json,
            read_stream=read_stream,
            prompt_text=openai_shaped.chat_prompt,
        ),
        *openai_shaped.operations("/v1", "chat"),
    ),
    source="https://docs.reka.ai/api-reference",
)
