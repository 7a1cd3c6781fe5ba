"""Which content types are streams: answers that come in parts, each of which the caller may use at once."""

from typing import Final

EVENT_STREAM: Final = "text/event-stream"  # server-sent events
STREAM_TYPES: Final = frozenset({EVENT_STREAM})


def media_type(content_type: str | None) -> str:
    """The type without its parameters, in lower case: media types are case-insensitive (RFC 9110, 8.3.1)."""
    return (content_type or "").partition(";")[0].strip().lower()


def is_stream(content_type: str | None) -> bool:
    return media_type(content_type) in STREAM_TYPES
