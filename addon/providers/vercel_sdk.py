"""How the AI SDK itself calls Vercel's AI Gateway: `/v3/ai/language-model`, `/embedding-model`, `/reranking-model`, `/image-model`.

Shapes as in @ai-sdk/gateway 3.0.232 and @ai-sdk/provider's LanguageModelV3 (`usage`, stream parts). The model is in a header
of the request, `ai-language-model-id`; answers name it in `response-metadata`. Each answer states its cost.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from addon.providers.fields import amount, at, count, error_type, items, parse, prompt_of, string
from addon.providers.model import Event, Json, Operation, Reading, Terminal, Usage

TERMINAL: Final = Terminal(anywhere=rb'"type"\s*:\s*"finish"', line_start=rb"data: ?\[DONE\]")


def usage(raw: Json) -> Usage | None:
    """V3 has objects (`inputTokens: {total, cacheRead, cacheWrite}`), V2 numbers. Cached tokens and reasoning are inside."""
    given, made = at(raw, "inputTokens"), at(raw, "outputTokens")
    stated = Usage(
        input_tokens=_first(given, at(given, "total"), at(raw, "tokens")),
        cache_read_input_tokens=_first(at(given, "cacheRead"), at(raw, "cachedInputTokens")),
        cache_creation_input_tokens=_first(at(given, "cacheWrite")),
        output_tokens=_first(made, at(made, "total")),
        reasoning_output_tokens=_first(at(made, "reasoning"), at(raw, "reasoningTokens")),
    )
    return None if stated.input_tokens is None and stated.output_tokens is None else stated


def read_json(body: Json) -> Reading:
    """`{"content": [...], "finishReason", "usage", "providerMetadata": {"gateway": {"cost": "0.001"}}}`."""
    said = _Said()
    for part in items(at(body, "content")):
        said.add_content(part)
    said.add_end(body)
    said.add_head(at(body, "response"))
    return said.reading(error_type(body))


def read_stream(events: Iterable[Event]) -> Reading:
    """`response-metadata`, `text-delta`, `reasoning-delta`, `tool-call`, at last `finish`."""
    said, failure = _Said(), None
    for event in events:
        part = parse(event.data)
        match string(at(part, "type")):
            case "response-metadata":
                said.add_head(part)
            case "text-delta":
                said.text.append(string(at(part, "delta")) or "")
            case "reasoning-delta":
                said.other.append(string(at(part, "delta")) or "")
            case "tool-call":
                said.add_content(part)
            case "finish":
                said.add_end(part)
            case "error":
                failure = error_type(part) or "error"
    return said.reading(failure)


def prompt(request: Json) -> str:
    parts: list[str] = []
    for message in items(at(request, "prompt")):
        content = at(message, "content")
        parts.append(content if isinstance(content, str) else "")
        parts += [string(at(part, "text")) or "" for part in items(content)]
    return prompt_of(parts, at(request, "tools"))


@dataclass(slots=True)
class _Said:
    text: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    model: str | None = None
    response_id: str | None = None
    end: Json = None

    def add_content(self, part: Json) -> None:
        kind, text = string(at(part, "type")), string(at(part, "text")) or ""
        (self.text if kind == "text" else self.other).append(text)
        given = at(part, "input")
        self.other += [string(at(part, "toolName")) or "", given if isinstance(given, str) else ""]

    def add_head(self, head: Json) -> None:
        self.model, self.response_id = string(at(head, "modelId")) or self.model, string(at(head, "id"))

    def add_end(self, end: Json) -> None:
        self.end = end

    def reading(self, failure: str | None) -> Reading:
        reason = at(self.end, "finishReason")
        word = string(reason) or string(at(reason, "raw")) or string(at(reason, "unified"))
        raw = at(self.end, "usage")
        return Reading(
            response_model=self.model,
            response_id=self.response_id,
            finish_reasons=(word,) if word else (),
            usage=usage(raw),
            usage_raw=raw,
            stated_cost_usd=amount(at(self.end, "providerMetadata", "gateway", "cost")),
            text="".join(self.text) or None,
            other_output="".join(self.other) or None,
            error_type=failure,
        )


def _first(*values: Json) -> int | None:
    return next((number for value in values if (number := count(value)) is not None), None)


def operations() -> tuple[Operation, ...]:
    base = r"/v\d+/ai"
    return (
        Operation(
            name="chat",
            path=f"{base}/language-model/?",
            terminal=TERMINAL,
            read_json=read_json,
            read_stream=read_stream,
            prompt_text=prompt,
        ),
        *(
            Operation(name=name, path=f"{base}/{kind}-model/?", read_json=read_json)
            for name, kind in (
                *(("embeddings", "embedding"), ("image_generation", "image"), ("rerank", "reranking")),
                *(("video_generation", "video"), ("speech", "speech"), ("transcription", "transcription")),
            )
        ),
    )
