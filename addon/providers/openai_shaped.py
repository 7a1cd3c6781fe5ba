"""OpenAI's chat completions, legacy completions and embeddings, which half the industry speaks as well.

https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from addon.providers import openai_audio, openai_batches, openai_images, openai_responses, openai_usage, openai_videos
from addon.providers.completed import Complete, completed
from addon.providers.fields import at, count, dumped, error_type, items, json_of, string, words
from addon.providers.framing.model import Framing
from addon.providers.framing.table import JSON
from addon.providers.model import Asked, Event, Json, Operation, Reading, Terminal, Usage
from addon.providers.pieces import Pieces

DONE: Final = Terminal(line_start=rb"data: ?\[DONE\]")


def read_json(body: Json) -> Reading:
    """A `chat.completion`, a `text_completion`, a list of embeddings, or an error body."""
    choices = _Choices()
    for choice in items(at(body, "choices")):
        choices.add(choice, at(choice, "message"))
    return _reading(body, choices, at(body, "usage"), at(body, "service_tier"), error_type(body))


def read_embeddings(body: Json) -> Reading:
    """Voyage and others state a total only; all of it is the input's."""
    reading = read_json(body)
    total = count(at(reading.usage_raw, "total_tokens"))
    if openai_usage.usage(reading.usage_raw) is not None or total is None:
        return reading
    return replace(reading, usage=Usage(input_tokens=total))


def read_stream(events: Iterable[Event]) -> Reading:
    """Chunks up to `[DONE]`. The last usage that is not null counts; some providers repeat it, growing, in every chunk."""
    choices, head, raw, tier, failure = _Choices(), None, None, None, None
    pieces = Pieces(events)
    for event in pieces:
        chunk = json_of(event)
        if not isinstance(chunk, dict):
            continue
        if head is None and (string(chunk.get("id")) or string(chunk.get("model"))):
            head = chunk
        raw = openai_usage.later(raw, _usage_of(chunk))
        tier = chunk.get("service_tier") or tier
        if not (chunk.keys() <= _ORDINARY and chunk.get("object") != "error"):
            failure = _failure(chunk) or failure
        for choice in items(chunk.get("choices")):
            choices.add(choice, choice.get("delta") if isinstance(choice, dict) else None)
        if (said := _only_text(chunk)) is not None:
            index, text = said
            choices.say(index, "".join(pieces.repeated(event, "content", text)))
    return _reading(head, choices, raw, tier, failure)


def _only_text(chunk: dict[str, Json]) -> tuple[int, str] | None:
    """The index and the text of a chunk that has one choice, which says nothing else."""
    choice = at(chunk, "choices", 0)
    delta, text = at(choice, "delta"), at(choice, "delta", "content")
    if len(items(chunk.get("choices"))) != 1 or not isinstance(text, str) or "text" in choice:
        return None
    return (count(choice.get("index")) or 0, text) if delta.keys() <= _PLAIN else None


def _usage_of(chunk: dict[str, Json]) -> Json:
    """Groq has it in `x_groq` as well, Moonshot in the last choice; llama.cpp has `timings` where it was not asked for."""
    if raw := chunk.get("usage"):
        return raw
    if timings := chunk.get("timings"):
        return timings
    groqs = at(chunk, "x_groq", "usage") if "x_groq" in chunk else None
    if groqs and at(groqs, "prompt_tokens") is not None:
        return groqs
    for choice in items(chunk.get("choices")):
        if isinstance(choice, dict) and (raw := choice.get("usage")):
            return raw
    return None


# Of chunks that tell of no failure.
_ORDINARY: Final = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "obfuscation"}
)


def _failure(chunk: dict[str, Json]) -> str | None:
    if chunk.get("error"):
        return error_type(chunk) or "error"
    # "Why a stream was stopped early": groq/types/chat/chat_completion_chunk.py of its SDK.
    return error_type(chunk) or string(at(chunk, "x_groq", "error"))


def chat_prompt(request: Json) -> str:
    """The words of all messages, and the tools' schemas, which are tokens too. Images and audio are left out."""
    parts = [words(at(message, "content")) for message in items(at(request, "messages"))]
    parts += [dumped(calls) for message in items(at(request, "messages")) if (calls := at(message, "tool_calls"))]
    parts += [dumped(tools) for key in ("tools", "functions") if (tools := at(request, key))]
    return "\n".join(part for part in parts if part)


def completion_prompt(request: Json) -> str:
    return words(at(request, "prompt"))


def operations(
    base: str,
    *names: str,
    read_usage: Callable[[Json], Usage | None] = openai_usage.usage,
    asks_usage: bool = True,
    complete: Complete | None = None,
) -> tuple[Operation, ...]:
    """The named operations (all, if none is named) below `base`, a regular expression such as `/openai/v1`.

    `read_usage`: for a provider that counts otherwise than OpenAI. `asks_usage=False`: it refuses a request that has
    `include_usage`. `complete`: adds what only this provider says.
    """
    return tuple(
        _operation(base, name, read_usage, asks_usage, complete) for name in names or (*_SHAPES, "batch_results")
    )


def _operation(
    base: str,
    name: str,
    read_usage: Callable[[Json], Usage | None],
    asks_usage: bool,
    complete: Complete | None,
) -> Operation:
    if name == "batch_results":
        return openai_batches.results(f"{base}/files/[^/]+/content", lambda body: read_any(body, read_usage))
    shape = _SHAPES[name]
    read_stream = shape.read_stream

    def json_reading(body: Json) -> Reading:
        return _counted(shape.read_json(body), read_usage)

    def stream_reading(events: Iterable[Event]) -> Reading:
        return _counted(read_stream(events), read_usage) if read_stream else Reading()

    operation = Operation(
        name=name,
        path=f"{base}{shape.path}/?",
        terminal=shape.terminal,
        asks_usage=shape.asks_usage and asks_usage,
        read_json=json_reading,
        read_stream=stream_reading if read_stream else None,
        prompt_text=shape.prompt_text,
        with_request=shape.with_request,
        is_free=shape.is_free,
        method=shape.method,
        json_framing=shape.json_framing,
    )
    return completed(operation, complete) if complete else operation


def _counted(reading: Reading, read_usage: Callable[[Json], Usage | None]) -> Reading:
    """Completes a reading that was made just now."""
    reading.usage = read_usage(reading.usage_raw) or reading.usage
    if parts := openai_usage.token_parts(reading.usage_raw):
        reading.units = parts | reading.units
    return reading


_PLAIN: Final = frozenset({"role", "content"})
_OTHER: Final = frozenset({"reasoning_content", "reasoning", "function_call", "tool_calls"})


@dataclass(slots=True)
class _Choices:
    """Gathers the choices of an answer (`n` may ask for several), by their index."""

    said: dict[int, list[str]] = field(default_factory=dict)
    other: list[str] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, choice: Json, message: Json) -> None:
        """`message` is the choice's message, or its delta; legacy completions have `text` instead."""
        choice = choice if isinstance(choice, dict) else {}
        message = message if isinstance(message, dict) else {}
        index = count(choice.get("index")) or 0
        if reason := string(choice.get("finish_reason")):
            self.reasons[index] = reason
        spoken = words(message.get("content"))
        self.say(index, spoken)
        if message.keys() <= _PLAIN and "text" not in choice:  # nearly every piece
            return
        self.say(index, string(message.get("refusal")))
        self.say(index, string(at(message, "audio", "transcript")))
        self.say(index, None if spoken else string(choice.get("text")))  # Together says a completion's words both ways
        self._add_other(message)

    def say(self, index: int, text: str | None) -> None:
        if text:
            self.said.setdefault(index, []).append(text)

    def _add_other(self, message: dict[str, Json]) -> None:
        if _OTHER.isdisjoint(message):
            return
        self.other += [
            text
            for text in (
                string(at(message, "reasoning_content")) or string(at(message, "reasoning")),
                string(at(message, "function_call", "name")),
                string(at(message, "function_call", "arguments")),
            )
            if text
        ]
        for call in items(at(message, "tool_calls")):
            called = at(call, "function") or at(call, "custom")
            self.other += [
                text for key in ("name", "arguments", "input") if (text := string(at(called, key))) is not None
            ]

    def text(self) -> str | None:
        return "\n".join("".join(self.said[index]) for index in sorted(self.said)) if self.said else None


def _reading(head: Json, choices: _Choices, raw: Json, tier: Json, failure: str | None) -> Reading:
    return Reading(
        response_model=string(at(head, "model")),
        response_id=string(at(head, "id")),
        finish_reasons=tuple(choices.reasons[index] for index in sorted(choices.reasons)),
        usage_raw=raw,
        price_factors={"service_tier": tier} if string(tier) else {},
        text=choices.text(),
        other_output="".join(choices.other) or None,
        error_type=failure,
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    path: str  # below the base
    read_json: Callable[[Json], Reading]
    read_stream: Callable[[Iterable[Event]], Reading] | None = None
    terminal: Terminal | None = None
    prompt_text: Callable[[Json], str] | None = None
    with_request: Callable[[Reading, Asked], Reading] | None = None
    asks_usage: bool = False
    is_free: bool = False
    method: str = "POST"
    json_framing: Framing = JSON


def _read_nothing(body: Json) -> Reading:
    """Of a free operation: its name and its error."""
    return Reading(
        response_model=string(at(body, "model")), response_id=string(at(body, "id")), error_type=error_type(body)
    )


def _read_decisions(body: Json) -> Reading:
    """`{"model", "answers": [...], "usage"}`"""
    return replace(_read_nothing(body), usage_raw=at(body, "usage"), price_factors={"endpoint": "decisions"})


def read_any(body: Json, read_usage: Callable[[Json], Usage | None] = openai_usage.usage) -> Reading:
    """An answer in a batch: of responses, or of chat completions, completions and embeddings."""
    shaped = openai_responses.read_json(body) if at(body, "object") == "response" else read_embeddings(body)
    return _counted(shaped, read_usage)


def _image_shape(path: str) -> _Shape:
    return _Shape(
        path,
        openai_images.read_json,
        openai_images.read_stream,
        openai_images.TERMINAL,
        with_request=openai_images.with_request,
    )


def _audio_shape(path: str) -> _Shape:
    return _Shape(
        path, openai_audio.read_transcript, openai_audio.read_transcript_stream, openai_audio.TRANSCRIPT_TERMINAL
    )


_SHAPES: Final = {
    "chat": _Shape("/chat/completions", read_json, read_stream, DONE, chat_prompt, asks_usage=True),
    "text_completion": _Shape("/completions", read_json, read_stream, DONE, completion_prompt, asks_usage=True),
    "embeddings": _Shape("/embeddings", read_embeddings),
    "responses": _Shape(
        "/responses",
        openai_responses.read_json,
        openai_responses.read_stream,
        openai_responses.TERMINAL,
        openai_responses.prompt,
        openai_responses.with_request,
    ),
    # Names no model; the request's is charged.
    "compact": _Shape("/responses/compact", openai_responses.read_json, prompt_text=openai_responses.prompt),
    "count_tokens": _Shape("/responses/input_tokens", _read_nothing, is_free=True),
    "retrieve_response": _Shape(
        "/responses/[^/]+",
        openai_responses.read_retrieved,
        openai_responses.read_retrieved_stream,
        openai_responses.TERMINAL,
        method="GET",
    ),
    "cancel_response": _Shape("/responses/[^/]+/cancel", openai_responses.read_retrieved),
    # https://developers.openai.com/api/docs/guides/decisions: answers cost nothing, and have a price list of their own.
    # OpenRouter and vLLM have them by another name as well.
    "decisions": _Shape("/(?:decisions|systemone)", _read_decisions),
    "image_generation": _image_shape("/images/generations"),
    "image_edit": _image_shape("/images/edits"),
    "image_variation": _image_shape("/images/variations"),
    "speech": _Shape(
        "/audio/speech",
        openai_audio.read_speech_json,
        openai_audio.read_speech_stream,
        openai_audio.SPEECH_TERMINAL,
        with_request=openai_audio.with_spoken_text,
    ),
    "transcription": _audio_shape("/audio/transcriptions"),
    "translation": _audio_shape("/audio/translations"),
    "moderation": _Shape("/moderations", _read_nothing, is_free=True),
    "video_generation": _Shape(
        "/videos(?:/edits|/extensions|/[^/]+/remix)?", openai_videos.read_json, with_request=openai_videos.with_request
    ),
}
