"""Which content types are streams: answers that come in parts, each of which the caller may use at once."""

from typing import Final

from addon.providers.framing.table import framing_of

EVENT_STREAM: Final = "text/event-stream"  # server-sent events


def media_type(content_type: str | None) -> str:
    """The type without its parameters, in lower case: media types are case-insensitive (RFC 9110, 8.3.1)."""
    return (content_type or "").partition(";")[0].strip().lower()


def is_stream(content_type: str | None) -> bool:
    """Whether the type alone says so; of JSON the operation tells (`terminal.answer_framing`)."""
    return framing_of(content_type).is_stream
