"""Ollama's own API, beside its OpenAI-shaped one. https://docs.ollama.com/api

A stream is JSON lines; the last one, `"done": true`, has the counts. Nothing has a price unless one is configured.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from addon.providers import anthropic_shaped
from addon.providers.fields import at, count, dumped, error_type, items, json_of, members, string, words
from addon.providers.model import Event, Json, Operation, Provider, Reading, Terminal, Usage
from addon.providers.openai_shaped import chat_prompt, operations
from addon.providers.pieces import Pieces

TERMINAL: Final = Terminal(anywhere=rb'"done"\s*:\s*true')
# Of ollama/_types.py in its Python SDK: BaseGenerateResponse.
COUNTS: Final = (
    "prompt_eval_count",
    "eval_count",
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
)


def read_json(body: Json) -> Reading:
    """An answer of chat, generate or embed."""
    return _reading([body], _text(body))


def read_stream(events: Iterable[Event]) -> Reading:
    """Each chunk tells a time of its own, which nothing is read from."""
    chunks, said = list[Json](), list[str]()
    pieces = Pieces(events)
    for event in pieces:
        chunks.append(chunk := json_of(event))
        said.append(text := _text(chunk))
        key = "content" if at(chunk, "response") is None else "response" if at(chunk, "message") is None else None
        if text and key and not _other(chunk):
            said += pieces.repeated(event, key, text, beside="created_at")
    reading = _reading(chunks, "".join(said))
    failed = any(at(chunk, "error") for chunk in chunks)  # in words, without a type
    return replace(reading, error_type=reading.error_type or "error") if failed else reading


def generate_prompt(request: Json) -> str:
    return "\n".join(text for key in ("system", "prompt") if (text := string(at(request, key))))


def embed_prompt(request: Json) -> str:
    return words(at(request, "input")) or words(at(request, "prompt"))


def _text(chunk: Json) -> str:
    return string(at(chunk, "message", "content")) or string(at(chunk, "response")) or ""


def _reading(chunks: list[Json], said: str) -> Reading:
    heads = [model for chunk in chunks if (model := string(at(chunk, "model")))]
    last = next(
        (
            chunk
            for chunk in reversed(chunks)
            if at(chunk, "prompt_eval_count") is not None or at(chunk, "done") is True
        ),
        None,
    )
    raw = members(last, COUNTS)
    return Reading(
        response_model=heads[0] if heads else None,
        finish_reasons=tuple(reason for reason in (string(at(last, "done_reason")),) if reason),
        usage=_usage(raw),
        usage_raw=raw or None,
        text=said or None,
        other_output="".join(map(_other, chunks)) or None,
        error_type=next((kind for chunk in chunks if at(chunk, "error") and (kind := error_type(chunk))), None),
    )


def _usage(raw: Json) -> Usage | None:
    """A prompt that was in its cache may be left out of the counts: nothing is invented for it."""
    inside, out = count(at(raw, "prompt_eval_count")), count(at(raw, "eval_count"))
    return None if inside is None and out is None else Usage(input_tokens=inside, output_tokens=out)


def _other(chunk: Json) -> str:
    """Thinking and tool calls."""
    thought = string(at(chunk, "message", "thinking")) or string(at(chunk, "thinking")) or ""
    return thought + "".join(dumped(at(call, "function")) for call in items(at(chunk, "message", "tool_calls")))


def _operation(name: str, path: str) -> Operation:
    prompts = {"chat": chat_prompt, "text_completion": generate_prompt, "embeddings": embed_prompt}
    return Operation(
        name=name,
        path=f"/api/{path}/?",
        terminal=None if name == "embeddings" else TERMINAL,
        read_json=read_json,
        read_stream=None if name == "embeddings" else read_stream,
        prompt_text=prompts[name],
        source="https://docs.ollama.com/api",
    )


PROVIDER: Final = Provider(
    name="ollama",
    origin="http://127.0.0.1:11434",
    hosts=("ollama.com",),  # its cloud, paid by a subscription
    operations=(
        _operation("chat", "chat"),
        _operation("text_completion", "generate"),
        _operation("embeddings", "embed(?:dings)?"),
        *operations("/v1", "chat", "text_completion", "embeddings", "responses"),
        anthropic_shaped.messages("/v1/messages"),  # https://docs.ollama.com/api/anthropic-compatibility
    ),
    plan_hosts=frozenset({"ollama.com"}),
    source="https://docs.ollama.com/api",
)
