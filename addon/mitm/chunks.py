"""Bodies in chunks (RFC 9112, 7.1), read in as few steps as their parts allow.

Relies on what h11's `ChunkedReader` keeps of where it is (`internals.py` checks it).
"""

import re
from typing import Final

from h11 import Data, EndOfMessage
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer

_CHUNK_HEADER: Final = re.compile(rb"([0-9A-Fa-f]{1,6})\r\n")  # without extensions, up to 16 MiB


class BodyReader(ChunkedReader):
    """Reads a chunked body. Chunks that came together are one piece: a piece costs much the same however long it is.
    Trailers, which may be left out (RFC 9112, 7.1.2), are: mitmproxy crashes on them, and both sides wait for ever."""

    def __call__(self, buffer: ReceiveBuffer) -> Data | EndOfMessage | None:
        if data := self._whole_chunks(buffer):
            return Data(data=data)
        event = super().__call__(buffer)  # part of a chunk, an odd header, the end
        return EndOfMessage() if isinstance(event, EndOfMessage) else event

    @property
    def is_between_chunks(self) -> bool:
        return not (self._bytes_in_chunk or self._bytes_to_discard or self._reading_trailer)

    def _whole_chunks(self, buffer: ReceiveBuffer) -> bytes:
        """Takes the plain chunks that are there up to their end."""
        if self._bytes_in_chunk or self._reading_trailer:
            return b""
        received, ends_before = bytes(buffer), self._bytes_to_discard  # these end the chunk before
        if not received.startswith(ends_before):
            return b""
        found, at = plain_chunks(received, len(ends_before))
        if found:
            buffer.maybe_extract_at_most(at)
            self._bytes_to_discard = b""
        return found


def plain_chunks(received: bytes, at: int = 0) -> tuple[bytes, int]:
    """What the whole chunks without extensions from there on hold, and where they end."""
    found = []
    while header := _CHUNK_HEADER.match(received, at):
        begin = header.end()
        end = begin + int(header[1], base=16)
        if begin == end or received[end : end + 2] != b"\r\n":
            break
        found.append(received[begin:end])
        at = end + 2
    return found[0] if len(found) == 1 else b"".join(found), at


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)
