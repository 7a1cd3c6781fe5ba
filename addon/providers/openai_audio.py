"""OpenAI's speech, transcription and translation. https://developers.openai.com/api/reference/resources/audio

Newer models are priced by tokens, which JSON and streams state; `tts-1` by the characters that were sent, `whisper-1` by the
seconds that were heard.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers.fields import amount, at, error_type, items, json_of, string
from addon.providers.model import Asked, Event, Json, Reading, Terminal

SPEECH_TERMINAL: Final = Terminal(
    line_start=rb"event: ?speech\.audio\.done", anywhere=rb'"type"\s*:\s*"speech\.audio\.done"'
)
TRANSCRIPT_TERMINAL: Final = Terminal(
    line_start=rb"(?:event: ?transcript\.text\.done|data: ?\[DONE\])",
    anywhere=rb'"type"\s*:\s*"transcript\.text\.done"',
)


def read_speech_json(body: Json) -> Reading:
    """Speech is bytes; only an error is JSON."""
    return Reading(error_type=error_type(body))


def read_speech_stream(events: Iterable[Event]) -> Reading:
    """`speech.audio.delta` with the sound, then `speech.audio.done` with the usage."""
    raw, failure = None, None
    for event in events:
        data = json_of(event)
        raw = at(data, "usage") or raw
        failure = _failure(event, data) or failure
    return Reading(usage_raw=raw, error_type=failure)


def with_spoken_text(reading: Reading, asked: Asked) -> Reading:
    """The characters to speak, where no tokens are stated."""
    spoken = string(at(asked.body, "input"))
    if reading.usage_raw or reading.error_type or spoken is None:
        return reading
    return replace(reading, units={"input_characters": Decimal(len(spoken))})


def read_transcript(body: Json) -> Reading:
    """`{text, usage?}`, of verbose and diarized answers with `duration`; a text or subtitle answer says nothing of itself."""
    return Reading(
        usage_raw=at(body, "usage"),
        units=_seconds(body),
        text=string(at(body, "text")),
        error_type=error_type(body),
    )


def read_transcript_stream(events: Iterable[Event]) -> Reading:
    """`transcript.text.delta`, then `transcript.text.done` with the whole text and the usage. vLLM and SGLang send chunks as of
    a chat: vllm/entrypoints/speech_to_text/transcription/protocol.py of 0.33.0"""
    last: Json = None
    reasons: list[str] = []
    said: list[str] = []
    failure: str | None = None
    for event in events:
        data = json_of(event)
        if string(at(data, "type")) == "transcript.text.done":
            last = data
        elif delta := string(at(data, "delta")):
            said.append(delta)
        elif at(data, "object") == "transcription.chunk":
            last = data if at(data, "usage") or last is None else last
            for choice in items(at(data, "choices")):
                said.append(string(at(choice, "delta", "content")) or "")
                reasons.append(string(at(choice, "finish_reason")) or "")
        failure = _failure(event, data) or failure
    reading = read_transcript(last)
    return replace(
        reading,
        finish_reasons=tuple(reason for reason in reasons if reason),
        text=reading.text or "".join(said) or None,
        error_type=failure,
    )


def _seconds(body: Json) -> dict[str, Decimal | None]:
    """The seconds heard, where they are what is charged. The usage counts whole ones: 9 beside a duration of 8.47, in the
    example of https://developers.openai.com/api/reference/resources/audio/subresources/transcriptions"""
    usage = at(body, "usage")
    seconds = amount(at(usage, "seconds"))
    if seconds is None and not usage and (duration := amount(at(body, "duration"))) is not None:
        seconds = Decimal(math.ceil(duration))
    return {} if seconds is None else {"audio_seconds": seconds}


def _failure(event: Event, data: Json) -> str | None:
    if at(data, "error") or event.event == "error" or at(data, "type") == "error":
        return error_type(data) or string(at(data, "code")) or "error"
    return None
