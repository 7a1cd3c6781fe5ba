"""gRPC: messages, each with five bytes before it. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

The status of the call is in a header after the answer (a trailer), which is not part of these bytes.
"""

import zlib
from typing import Final

from addon.providers.framing.model import Event, Terminal

# Whether it is compressed (1), and its length.
_PREFIX_BYTES: Final = 5
LONGEST_MESSAGE: Final = 64 * 2**20
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


class GrpcDecoder:
    """One event for each message: its bytes as latin-1, so that they fit the text of an Event."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._is_broken = False

    def feed(self, data: bytes) -> list[Event]:
        self._buffer += data
        found: list[Event] = []
        while not self._is_broken and len(self._buffer) >= _PREFIX_BYTES:
            length = int.from_bytes(self._buffer[1:_PREFIX_BYTES])
            if self._buffer[0] > 1 or length > LONGEST_MESSAGE:
                self._is_broken = True
                break
            end = _PREFIX_BYTES + length
            if len(self._buffer) < end:
                break
            message = bytes(self._buffer[_PREFIX_BYTES:end])
            if self._buffer[0]:
                message = _decompressed(message)
            found.append(Event(event=None, data=message.decode("latin-1")))
            del self._buffer[:end]
        if self._is_broken:
            self._buffer.clear()
        return found

    def end(self) -> list[Event]:
        return []  # a message that was cut cannot be read


class GrpcScanner:
    """No message ends an answer: the end of its bytes does."""

    def __init__(self, terminal: Terminal) -> None:
        del terminal

    def feed(self, data: bytes) -> bool:
        return False


def messages(body: bytes) -> list[bytes]:
    """The messages of a whole request body."""
    return [event.data.encode("latin-1") for event in GrpcDecoder().feed(body)]


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4) + message


def _decompressed(message: bytes) -> bytes:
    """b"" where the coding is unknown."""
    try:
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(message, LONGEST_MESSAGE)
    except zlib.error:
        return b""
