"""AWS event streams, taken apart and put together again: what a frame carries changes, its headers stay."""

import base64
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from zlib import crc32

from addon.providers.framing.aws_event_stream import (
    CHECKSUM,
    INNER,
    PRELUDE,
    PRELUDE_BYTES,
    SIZES,
    SMALLEST_FRAME,
    inner_payload,
)


class Frame(NamedTuple):
    headers: bytes
    payload: bytes

    @property
    def event(self) -> bytes:
        """The JSON that it carries: that of the model, where it is wrapped in base64."""
        inner = inner_payload(self.payload)
        return self.payload if inner is None else inner

    def with_event(self, event: bytes) -> "Frame":
        match = INNER.search(self.payload) if inner_payload(self.payload) is not None else None
        if match is None:
            return self._replace(payload=event)
        start, end = match.span(1)
        return self._replace(payload=self.payload[:start] + base64.b64encode(event) + self.payload[end:])


def frames(body: bytes) -> Iterator[Frame]:
    """The whole frames, up to the first one that is damaged."""
    position = 0
    while len(body) - position >= SMALLEST_FRAME:
        size, headers, _ = PRELUDE.unpack_from(body, position)
        payload, end = position + PRELUDE_BYTES + headers, position + size - CHECKSUM.size
        if not position + PRELUDE_BYTES <= payload <= end or position + size > len(body):
            return
        if crc32(body[position:end]) != CHECKSUM.unpack_from(body, end)[0]:
            return
        yield Frame(body[position + PRELUDE_BYTES : payload], body[payload:end])
        position += size


def encoded(frames: Iterable[Frame]) -> bytes:
    return b"".join(map(_encoded, frames))


def _encoded(frame: Frame) -> bytes:
    sizes = SIZES.pack(SMALLEST_FRAME + len(frame.headers) + len(frame.payload), len(frame.headers))
    message = sizes + CHECKSUM.pack(crc32(sizes)) + frame.headers + frame.payload
    return message + CHECKSUM.pack(crc32(message))
