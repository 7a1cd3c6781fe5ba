"""Bodies of requests: read whole, decoded, parsed. All of it is hostile input, so each step has a bound.

A parsed value takes up to a hundred times the bytes of its text, so long bodies are bounded in what they hold as well.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import anyio
import anyio.to_thread
import orjson
from google.protobuf.descriptor import Descriptor
from starlette.requests import Request

from addon.metering.content_coding import Decoder
from analysis.api.envelope import ApiError

MOST_BYTES: Final = 64 * 1024  # of a request that is not a log
MOST_UNDER_WAY_BYTES: Final = 128 * 2**20  # as they came, of all requests together
PARSED_AT_ONCE: Final = 2  # long bodies; two cores parse no faster with more

# A log of 500 calls with 50 attributes each has 100,000 objects; reading each takes some microseconds.
MOST_CONTAINERS: Final = 200_000
MOST_VALUES: Final = 2_000_000  # one answer with 1,000 embeddings has as many
MOST_DEPTH: Final = 100  # protobuf's own bound

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # https://protobuf.dev/programming-guides/encoding/
# Possessive, and the end of the text ends a string too: so no text is looked at twice.
_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


class LongBodies:
    """Bodies of logs, which may have megabytes: so few at once that the process can hold and parse them."""

    def __init__(self, most_under_way: int = MOST_UNDER_WAY_BYTES) -> None:
        self._most, self._under_way = most_under_way, 0
        self._threads = anyio.CapacityLimiter(PARSED_AT_ONCE)

    async def read[T](self, request: Request, most_bytes: int, parse: Callable[[bytes], T]) -> T:
        """What `parse` makes of the decoded body, in a thread. Raises ApiError 400, 413, 503, and what `parse` raises."""
        body = bytearray()
        try:
            async for piece in request.stream():
                self._under_way += len(piece)
                body += piece
                if len(body) > most_bytes:
                    raise too_long(most_bytes)
                if self._under_way > self._most:
                    raise ApiError(503, "too many long bodies at once; try again in a while")
            coding = request.headers.get("content-encoding")
            return await anyio.to_thread.run_sync(
                lambda: parse(decoded(bytes(body), coding, most_bytes)), limiter=self._threads
            )
        finally:
            self._under_way -= len(body)


async def read_object(request: Request) -> dict[str, Any]:
    """The request's body, which must be a JSON object of at most MOST_BYTES. Raises ApiError."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise too_long(MOST_BYTES)
    try:
        given = orjson.loads(decoded(bytes(body), request.headers.get("content-encoding"), MOST_BYTES))
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the body is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ApiError(400, "the body is not a JSON object")
    return given


def too_long(most_bytes: int) -> ApiError:
    return ApiError(413, f"the body is longer than {most_bytes} bytes, decoded; send less at once")


def decoded(body: bytes, content_encoding: str | None, most_bytes: int) -> bytes:
    """The body as it was before its Content-Encoding. Raises ApiError 400 or 413."""
    decoder = Decoder(content_encoding, most_bytes)
    plain = decoder.feed(body)
    if decoder.overflowed:
        raise too_long(most_bytes)
    if body and not decoder.ended:
        raise ApiError(400, f"Content-Encoding: the body is not {content_encoding!r:.100}, or it was cut short")
    return plain


def check_json(body: bytes) -> None:
    """Raises ApiError 413 for JSON that would take too much memory or time, before it is parsed. In linear time."""
    structure = _STRINGS.sub(b"", body)
    containers = structure.count(b"{") + structure.count(b"[")
    if containers > MOST_CONTAINERS:
        raise ApiError(413, f"the body has more than {MOST_CONTAINERS} objects and lists; send less at once")
    if structure.count(b",") > MOST_VALUES:
        raise ApiError(413, f"the body has more than {MOST_VALUES} values; send less at once")
    depth = 0
    for bracket in structure.translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MOST_DEPTH:
            raise ApiError(413, f"the body is nested more than {MOST_DEPTH} deep; make it flatter")


def check_protobuf(body: bytes, message: Descriptor) -> None:
    """The same for a protobuf message: walks its fields, makes nothing of them. Raises ApiError 400 or 413."""
    messages = fields = 0
    parts = [(memoryview(body), message, 1)]
    while parts:
        data, kind, depth = parts.pop()
        if depth > MOST_DEPTH:
            raise ApiError(413, f"the body is nested more than {MOST_DEPTH} deep; make it flatter")
        at = 0
        while at < len(data):
            fields += 1
            tag, at = _varint(data, at)
            if tag & 7 == _BYTES:
                length, at = _varint(data, at)
                field = kind.fields_by_number.get(tag >> 3)
                if field and field.message_type:
                    messages += 1
                    parts.append((data[at : at + length], field.message_type, depth + 1))
                at += length
            elif tag & 7 == _VARINT:
                _, at = _varint(data, at)
            elif tag & 7 in (_FIXED32, _FIXED64):
                at += 4 if tag & 7 == _FIXED32 else 8
            else:
                raise ApiError(400, "the body is not OTLP protobuf: it has a wire type that OTLP does not use")
            if messages > MOST_CONTAINERS or fields > MOST_VALUES:
                raise ApiError(413, f"the body has more than {MOST_CONTAINERS} messages; send less at once")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """(the number, where the next field begins). Raises ApiError 400."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ApiError(400, "the body is not OTLP protobuf: a number in it is cut short or too long")
