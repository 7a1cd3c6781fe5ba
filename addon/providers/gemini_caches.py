"""Caches that a caller makes of a prompt, of Gemini and of Vertex AI: `cachedContents`. https://ai.google.dev/api/caching

Paths and fields from google-genai 3.4, caches.py and types.CachedContent. Making one costs its tokens at the price of input,
and their storage for as long as it was asked for: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/context-cache/context-cache-overview
and, of AI Studio, https://discuss.ai.google.dev/t/this-is-a-question-about-explicit-caching/114069. One that is deleted
early is charged for that time: https://discuss.ai.google.dev/t/clarification-on-context-cache-storage-billing-ttl-vs-actual-time/81267
"""

import re
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from addon.providers.fields import at, count, error_type, items, parse, string, the_one
from addon.providers.model import Asked, Json, Operation, Reading, Usage

STORAGE: Final = "cache_storage_token_seconds"
# "3.5s": https://protobuf.dev/reference/protobuf/google.protobuf/#duration
_DURATION: Final = re.compile(r"(\d{1,12})(\.\d{1,9})?s")
# Python's datetime has microseconds, Google's times up to nanoseconds.
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
# Models whose sound has a price of its own; how many of a cache's tokens are sound no answer tells.
# https://ai.google.dev/gemini-api/docs/pricing
_SOUND_IS_DEARER: Final = re.compile(r"gemini-(?:2\.0-flash(?!-lite)|2\.5-flash|3-flash|3\.1-flash-lite)")
_WITH_SOUND: Final = ("audio/", "video/")


def operations(parent: str) -> tuple[Operation, ...]:
    """`parent`: a regular expression such as `/v1beta/`. Lists, looks and deletions cost nothing and have no row."""
    return (
        Operation(
            name="create_cache",
            path=f"{parent}cachedContents/?",
            read_json=read_created,
            with_request=stored,
            read_request=plain_model,
        ),
        Operation(name="update_cache", path=f"{parent}cachedContents/[^/:]+", method="PATCH", read_json=read_updated),
    )


def plain_model(body: bytes) -> Json:
    """The request, its model without the resource that it is in: `models/`, or `projects/p/locations/l/publishers/google/models/`."""
    told = parse(body)
    model = string(at(told, "model"))
    return {**told, "model": model.rpartition("/")[2]} if model else told


def read_created(body: Json) -> Reading:
    """`{"name": "cachedContents/...", "model", "createTime", "expireTime", "usageMetadata": {"totalTokenCount"}}`"""
    raw = at(body, "usageMetadata")
    tokens = count(at(raw, "totalTokenCount"))
    seconds = _between(at(body, "createTime"), at(body, "expireTime"))
    usage = None if tokens is None else Usage(input_tokens=tokens, cache_creation_input_tokens=tokens)
    units = {} if tokens is None else {STORAGE: None if seconds is None else tokens * seconds}
    return replace(_named(body), usage=usage, usage_raw=raw, units=units)


def stored(reading: Reading, asked: Asked) -> Reading:
    """The time that was asked for is exact; that of the answer is some milliseconds off."""
    if reading.usage is None:
        return reading
    units = dict(reading.units)
    tokens, seconds = reading.usage.input_tokens, _seconds(at(asked.body, "ttl"))
    if tokens is not None and seconds is not None:
        units[STORAGE] = tokens * seconds
    model = reading.response_model or asked.model or ""
    if _SOUND_IS_DEARER.match(model) and _has_sound(reading.usage_raw, asked.body):
        units["input_audio_tokens"] = None
    return replace(reading, units=units)


def read_updated(body: Json) -> Reading:
    """A cache that is kept longer, or less long: what that costs depends on its old time, which no answer tells."""
    raw = at(body, "usageMetadata")
    return replace(_named(body), usage_raw=raw, units={} if at(body, "name") is None else {STORAGE: None})


def _named(body: Json) -> Reading:
    model = (string(at(body, "model")) or "").rpartition("/")[2]
    return Reading(
        response_model=model or None, response_id=string(at(body, "name")), error_type=error_type(the_one(body))
    )


def _has_sound(raw: Json, request: Json) -> bool:
    """Vertex counts its seconds, AI Studio nothing."""
    if any(count(at(raw, key)) for key in ("audioDurationSeconds", "videoDurationSeconds")):
        return True
    parts = [part for content in items(at(request, "contents")) for part in items(at(content, "parts"))]
    kinds = [
        string(at(part, data, kind)) or ""
        for part in parts
        for data in ("fileData", "inlineData", "file_data", "inline_data")
        for kind in ("mimeType", "mime_type")
    ]
    return any(kind.lower().startswith(_WITH_SOUND) for kind in kinds)


def _seconds(duration: Json) -> Decimal | None:
    found = _DURATION.fullmatch(string(duration) or "")
    return Decimal(found[1] + (found[2] or "")) if found else None


def _between(start: Json, end: Json) -> Decimal | None:
    """Seconds from one time to another, to the nanosecond."""
    one, other = _instant(start), _instant(end)
    return None if one is None or other is None or other < one else other - one


def _instant(value: Json) -> Decimal | None:
    found = _TIME.fullmatch(string(value) or "")
    if found is None:
        return None
    try:
        whole = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00"))
    except ValueError:
        return None
    return int(whole.timestamp()) + Decimal(f"0{found[2] or ''}")
