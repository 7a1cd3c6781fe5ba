"""The forms in which loggers gather an answer, as the provider would have sent it. Pure."""

from itertools import islice
from typing import Final

import orjson

from addon.metering.reading import begins_stream
from addon.providers.fields import at, parse, string
from addon.providers.framing.sse import events
from addon.providers.model import Json

JSON_TYPE: Final = "application/json"
STREAM_TYPE: Final = "text/event-stream"
TEXT_TYPE: Final = "text/plain"
FIRST_EVENTS: Final = 20  # of a stream: one of them shows its shape


def text_answer(text: str) -> tuple[bytes, str]:
    """An answer that was gathered as text, and its content type: JSON, a stream as it came, or its chunks as JSON, one a
    line, which become a stream again. A stack trace before them is kept as its comment."""
    body = text.encode("utf-8", "replace")
    whole = parse(body) if text.lstrip()[:1] in ("{", "[") else None
    if whole is not None and not _is_chunk(whole):
        return body, JSON_TYPE
    if whole is None and begins_stream(body):
        return body, STREAM_TYPE
    lines = [(line, line[:1] == "{" and isinstance(parse(line), dict)) for line in text.splitlines() if line.strip()]
    if any(is_json for _, is_json in lines):
        return "".join(
            f"data: {line}\n\n" if is_json else f": {line}\n" for line, is_json in lines
        ).encode(), STREAM_TYPE
    return body, TEXT_TYPE


def streamed_answer(pieces: list[Json]) -> bytes:
    """`streamed_data`: each element is an event, as JSON or as the text of its `data:` line."""
    lines = (piece if isinstance(piece, str) else orjson.dumps(piece).decode() for piece in pieces)
    return "".join(
        f"{line.strip()}\n\n" if line.startswith(("data:", "event:")) else f"data: {line.strip()}\n\n"
        for line in lines
        if line.strip()
    ).encode()


def _is_chunk(body: Json) -> bool:
    kind = string(at(body, "type")) or ""
    is_event = kind.startswith(("response.", "content_block_", "message_"))
    return is_event or (string(at(body, "object")) or "").endswith(".chunk")


def bodies(answer: bytes, content_type: str) -> list[Json]:
    """The answer parsed: one body, or the first events of a stream."""
    if content_type == STREAM_TYPE:
        return [parse(event.data) for event in islice(events(answer), FIRST_EVENTS)]
    return [parse(answer)] if content_type == JSON_TYPE else []
