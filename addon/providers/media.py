"""Images, speech, transcription and ranking in the shape of OpenAI's API (ranking: Cohere's), as other companies sell them.

Most answers state no usage: what is priced is in the request (characters, size), or is the length of the sound.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from addon.providers import openai_usage
from addon.providers.completed import Complete
from addon.providers.fields import amount, at, count, error_type, items, string
from addon.providers.model import Asked, Json, Operation, Reading, Usage


def operations(base: str, *names: str, complete: Complete | None = None) -> tuple[Operation, ...]:
    """The named operations below `base`, a regular expression."""
    return tuple(_operation(base, name, complete) for name in names)


def _operation(base: str, name: str, complete: Complete | None) -> Operation:
    shape = _SHAPES[name]

    def read_json(body: Json) -> Reading:
        reading = shape.read_json(body)
        return complete(reading, [body]) if complete else reading

    return Operation(
        name=shape.name,
        path=f"{base}{shape.path}/?",
        read_json=read_json,
        with_request=shape.with_request,
    )


def read_images(body: Json) -> Reading:
    made = len(items(at(body, "data")) or items(at(body, "images")))
    return _reading(body, {"images": Decimal(made)} if made else {})


def of_images(reading: Reading, asked: Asked) -> Reading:
    """Size and quality choose the price of an image."""
    if reading.error_type:
        return reading
    given = {key: value for key in ("size", "quality") if (value := string(at(asked.body, key)))}
    return replace(reading, price_factors=given | reading.price_factors)


def of_speech(reading: Reading, asked: Asked) -> Reading:
    """Speech is priced by the characters to speak. An answer that is sound says nothing of itself."""
    text = string(at(asked.body, "input")) or string(at(asked.body, "text"))
    if reading.error_type or reading.units or reading.usage:
        return reading
    return replace(reading, units={"input_characters": Decimal(len(text)) if text else None})


def read_transcript(body: Json) -> Reading:
    """`duration` is in verbose answers only; newer ones state seconds or tokens as their usage."""
    raw = at(body, "usage")
    tokens = openai_usage.usage(raw)
    seconds = next(
        (n for value in (at(raw, "seconds"), at(body, "duration")) if (n := amount(value)) is not None), None
    )
    reading = replace(_reading(body, {}), text=string(at(body, "text")))
    if reading.error_type or tokens:
        return reading
    return replace(reading, units={"audio_seconds": seconds})


def of_transcript(reading: Reading, _asked: Asked) -> Reading:
    """An answer that is plain text, or subtitles, does not say how long the sound was."""
    known = reading.error_type or reading.usage or reading.units
    return reading if known else replace(reading, units={"audio_seconds": None})


def read_ranking(body: Json) -> Reading:
    """Ranking has no output, so all tokens are the input's. SiliconFlow states them as Cohere does, in `meta`:
    https://docs.siliconflow.com/en/api-reference/rerank/create-rerank"""
    raw = at(body, "usage") or at(body, "meta")
    total = count(at(raw, "total_tokens"))
    if total is None:
        total = count(at(raw, "tokens", "input_tokens"))
    reading = replace(_reading(body, {}), usage_raw=raw)
    return reading if total is None else replace(reading, usage=Usage(input_tokens=total))


def read_job(body: Json) -> Reading:
    """A video that will be made: `{id or task_id, model, ...}`. Looking at the job later costs nothing."""
    reading = _reading(body, {})
    return replace(reading, response_id=reading.response_id or string(at(body, "task_id")))


def of_video(reading: Reading, asked: Asked) -> Reading:
    """Only the request says how long the video is to be, and it may leave that to the provider."""
    if reading.error_type:
        return reading
    return replace(reading, units={"video_seconds": amount(at(asked.body, "duration"))})


def _reading(body: Json, units: dict[str, Decimal | None]) -> Reading:
    raw = at(body, "usage")
    return Reading(
        response_model=string(at(body, "model")),
        response_id=string(at(body, "id")),
        usage=openai_usage.usage(raw),
        usage_raw=raw,
        units=openai_usage.token_parts(raw) | units,
        error_type=error_type(body),
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    name: str
    path: str  # below the base
    read_json: Callable[[Json], Reading]
    with_request: Callable[[Reading, Asked], Reading] | None = None


_SHAPES: Final = {
    "images": _Shape("image_generation", "/images(?:/generations|/edits)?", read_images, of_images),
    "speech": _Shape("speech", "/audio/speech", lambda body: _reading(body, {}), of_speech),
    "transcription": _Shape("transcription", "/audio/transcriptions", read_transcript, of_transcript),
    "translation": _Shape("translation", "/audio/translations", read_transcript, of_transcript),
    "rerank": _Shape("rerank", "/(?:reranks?|reranking|ranking)", read_ranking),
    "videos": _Shape("video_generation", "/videos/generations", read_job, of_video),
}
