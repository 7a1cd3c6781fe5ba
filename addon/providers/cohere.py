"""Cohere. https://docs.cohere.com/reference/about; fields as in cohere 7.3, types."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from addon.providers import cohere_jobs
from addon.providers.cohere_usage import units, usage
from addon.providers.fields import at, dumped, error_type, items, json_of, string, words
from addon.providers.model import Event, Json, Operation, Provider, Reading, Terminal
from addon.providers.openai_shaped import operations

CHAT_END: Final = Terminal(
    line_start=rb"event: ?(?:message-end|stream-e(?:nd|rror))",
    anywhere=rb'"(?:event_)?type"\s*:\s*"(?:message-end|stream-e(?:nd|rror))"',
)
_FAILED: Final = {"ERROR", "ERROR_TOXIC", "ERROR_LIMIT", "TIMEOUT"}


def read_json(body: Json) -> Reading:
    """Any answer: its usage is in `usage` (v2 chat) or in `meta` (all others)."""
    said = _Said()
    said.take_answer(body)
    for generation in items(at(body, "generations")):
        said.take_answer(generation)
    said.response_id = string(at(body, "id")) or string(at(body, "generation_id")) or said.response_id
    return said.reading(error_type(body))


def read_stream(events: Iterable[Event]) -> Reading:
    """v2: `message-start`, `content-delta`, ..., `message-end`. v1: `stream-start`, `text-generation`, ..., `stream-end`."""
    said = _Said()
    failure: str | None = None
    for event in events:
        data = json_of(event)
        match string(at(data, "type")) or string(at(data, "event_type")) or event.event:
            case "message-end":
                said.take_answer(at(data, "delta"))
                failure = string(at(data, "delta", "error")) and (_failed(said.reasons) or "error")
            case "stream-end":
                if reason := string(at(data, "finish_reason")):
                    said.reasons = [reason]
                said.take_end(at(data, "response"))
            case "stream-error" | "error":
                failure = string(at(data, "finish_reason")) or error_type(data) or "error"
            case _:
                said.take_delta(data)
    return said.reading(failure)


def prompt(request: Json) -> str:
    """v2 has messages; v1 a message, the history before it and a preamble; generate a prompt."""
    parts = [words(at(message, "content")) for message in items(at(request, "messages"))]
    parts += [string(at(turn, "message")) or "" for turn in items(at(request, "chat_history"))]
    parts += [string(at(request, key)) or "" for key in ("preamble", "message", "prompt")]
    parts += [dumped(value) for key in ("tools", "documents") if (value := at(request, key))]
    return "\n".join(part for part in parts if part)


@dataclass(slots=True)
class _Said:
    text: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    response_id: str | None = None
    raw: Json = None

    def take_answer(self, body: Json) -> None:
        message = at(body, "message")
        self.text.append(words(at(message, "content")) or string(at(body, "text")) or "")
        self.other += [string(at(part, "thinking")) or "" for part in items(at(message, "content"))]
        self.other += [dumped(call) for call in items(at(message, "tool_calls")) + items(at(body, "tool_calls"))]
        self.raw = at(body, "usage") or at(body, "meta") or self.raw
        if reason := string(at(body, "finish_reason")):
            self.reasons.append(reason)

    def take_end(self, response: Json) -> None:
        """v1 says the whole answer once more at its end."""
        self.raw = at(response, "meta") or self.raw
        self.response_id = string(at(response, "generation_id")) or string(at(response, "id")) or self.response_id
        if not "".join(self.text):
            self.text.append(string(at(response, "text")) or "")

    def take_delta(self, data: Json) -> None:
        message = at(data, "delta", "message")
        self.response_id = string(at(data, "id")) or string(at(data, "generation_id")) or self.response_id
        self.text += [string(at(message, "content", "text")) or "", string(at(data, "text")) or ""]
        called = at(message, "tool_calls", "function")
        for value in (
            at(message, "content", "thinking"),
            at(message, "tool_plan"),
            at(called, "name"),
            at(called, "arguments"),
            at(data, "tool_call_delta", "parameters"),
        ):
            self.other.append(string(value) or "")

    def reading(self, failure: str | None) -> Reading:
        return Reading(
            response_id=self.response_id,
            finish_reasons=tuple(self.reasons),
            usage=usage(self.raw),
            usage_raw=self.raw,
            units=units(self.raw),
            text="".join(self.text) or None,
            other_output="".join(self.other) or None,
            error_type=failure or _failed(self.reasons),
        )


def _failed(reasons: Iterable[str]) -> str | None:
    return next((reason for reason in reasons if reason in _FAILED), None)


def _operation(
    name: str,
    path: str,
    *,
    streams: bool = False,
    prompt_text: Callable[[Json], str] | None = None,
    is_free: bool = False,
) -> Operation:
    return Operation(
        name=name,
        path=f"{path}/?",
        terminal=CHAT_END if streams else None,
        is_free=is_free,
        read_json=read_json,
        read_stream=read_stream if streams else None,
        prompt_text=prompt_text,
    )


def read_parsed(body: Json) -> Reading:
    """Pages in Markdown or in blocks: cohere 7.3, types/parse_response.py. Priced by page."""
    said: list[str | None] = []
    for page in items(at(body, "pages")):
        blocks = items(at(page, "blocks"))
        said += [string(at(page, "markdown", "content")), *(string(at(block, "text", "content")) for block in blocks)]
    return replace(read_json(body), text="\n".join(filter(None, said)) or None)


RERANK: Final = _operation("rerank", "(?:/v[12])?/rerank")
EMBED: Final = _operation("embeddings", "(?:/v[12])?/embed")

PROVIDER = Provider(
    name="cohere",
    origin="https://api.cohere.com",
    hosts=("api.cohere.com", "api.cohere.ai"),
    operations=(
        *operations("/compatibility/v1", "chat", "embeddings"),
        _operation("chat", "/v[12]/chat", streams=True, prompt_text=prompt),
        _operation("text_completion", "(?:/v1)?/generate", streams=True, prompt_text=prompt),
        EMBED,
        RERANK,
        _operation("classify", "(?:/v1)?/classify"),
        _operation("summarize", "(?:/v1)?/summarize"),
        Operation(name="document_parsing", path="/v2/parse", read_json=read_parsed),
        _operation("transcription", "/v2/audio/transcriptions"),
        _operation("count_tokens", "(?:/v1)?/(?:de)?tokenize", is_free=True),
        *cohere_jobs.OPERATIONS,
    ),
    prices="cohere",
    source="https://docs.cohere.com/reference/about",
)
