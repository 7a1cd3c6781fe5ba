"""Cloudflare's Workers AI: its own shape below /ai/run, and OpenAI's below /ai/v1.

https://developers.cloudflare.com/workers-ai/get-started/rest-api
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from addon.providers import anthropic_shaped, openai_responses, openai_shaped, openai_usage
from addon.providers.fields import amount, at, error_type, json_of, string, words
from addon.providers.model import Event, Json, Operation, Provider, Reading

_ACCOUNT: Final = "/client/v4/accounts/[^/]+/ai"


def read_run(body: Json) -> Reading:
    """{"result": {"response", "usage"}, "success", "errors": [{"code"}]}; newer models answer in OpenAI's shapes."""
    result = at(body, "result")
    if failure := error_type(body):
        return Reading(error_type=failure)
    if at(result, "object") == "response":
        reading = openai_responses.read_json(result)
    else:
        reading = openai_shaped.read_json(result)
    raw = reading.usage_raw
    seconds = amount(at(result, "transcription_info", "duration"))
    return replace(
        reading,
        usage=openai_usage.usage(raw),
        units=openai_usage.token_parts(raw) | reading.units | ({} if seconds is None else {"audio_seconds": seconds}),
        text=reading.text or string(at(result, "response")) or string(at(result, "text")),
    )


def read_run_stream(events: Iterable[Event]) -> Reading:
    """{"response": "a few words"} chunks, the last with the usage; then [DONE]."""
    seen = list(events)
    chunks = [json_of(event) for event in seen]
    reading = openai_shaped.read_stream(seen)
    said = "".join(string(at(chunk, "response")) or "" for chunk in chunks)
    raw = reading.usage_raw
    return replace(
        reading, usage=openai_usage.usage(raw), units=openai_usage.token_parts(raw), text=reading.text or said or None
    )


def prompt(request: Json) -> str:
    return words(at(request, "prompt")) or openai_shaped.chat_prompt(request)


RUN: Final = Operation(
    name="inference",
    path=_ACCOUNT + "/run(?:/(?P<model>@?[^/]+/.+?))?/?",
    terminal=openai_shaped.DONE,
    read_json=read_run,
    read_stream=read_run_stream,
    prompt_text=prompt,
)
PROVIDER: Final = Provider(
    name="cloudflare",
    origin="https://api.cloudflare.com",
    hosts=("api.cloudflare.com/client/v4/accounts/",),
    operations=(
        replace(
            RUN,
            name="embeddings",
            path=rf"{_ACCOUNT}/run/(?P<model>@?[^/]+/.*(?:/bge-(?!reranker)|embed).*)",
        ),
        replace(RUN, name="rerank", path=rf"{_ACCOUNT}/run/(?P<model>@?[^/]+/.*/bge-reranker.*)"),
        *openai_shaped.operations(f"{_ACCOUNT}/v1", "chat", "text_completion", "embeddings", "responses"),
        anthropic_shaped.messages(f"{_ACCOUNT}/v1/messages"),
        RUN,
    ),
    prices="cloudflare",
    source="https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility",
)
