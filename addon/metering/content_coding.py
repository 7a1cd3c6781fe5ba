"""Bodies as they were before `Content-Encoding`: gzip, deflate, br, zstd, or several of them stacked. RFC 9110, 8.4."""

import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import brotli
import zstandard

# A body on the wire is kept up to 16 MiB, JSON shrinks some tenfold; what grows beyond this is a bomb.
MAX_DECODED_BYTES: Final = 64 * 2**20
# In steps, so that a bomb is seen in time: gzip grows a step at most a thousandfold, a zstd block of 4 bytes may stand
# for 128 KiB, brotli knows no bound but takes one.
STEP_BYTES: Final = 16 * 2**10
ZSTD_STEP_BYTES: Final = 512
BROTLI_PIECE_BYTES: Final = 2**20


class _CutShort(Exception):
    """The body ends before its encoding does."""


def decode(body: bytes, content_encoding: str | None) -> tuple[bytes, bool]:
    """The decoded body, and whether it is whole.

    Of a body that was cut, what can be had of it. One that is not what the header says, or in an encoding we do not
    know, comes back as it is. At most MAX_DECODED_BYTES.
    """
    whole = True
    for name in reversed((content_encoding or "").lower().split(",")):  # the last one applied is named last
        name = name.strip()
        if name in ("", "identity"):
            continue
        if name not in _DECODERS:
            return body, False
        decoded, ended = _decode_one(body, _DECODERS[name])
        if decoded is None:
            return body, False
        body, whole = decoded, whole and ended
    return body, whole


def _decode_one(body: bytes, decoder: Callable[[bytes], Iterator[bytes]]) -> tuple[bytes | None, bool]:
    if not body:
        return b"", True
    decoded = bytearray()
    try:
        for piece in decoder(body):
            decoded += piece
            if len(decoded) > MAX_DECODED_BYTES:
                return bytes(decoded[:MAX_DECODED_BYTES]), False
    except _CutShort:
        return bytes(decoded), False
    except (zlib.error, brotli.error, zstandard.ZstdError):
        return None, False  # br and bare deflate have no checksum: what came before may be noise
    return bytes(decoded), True


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _gzip(body: bytes) -> Iterator[bytes]:
    return _frames(body, lambda: zlib.decompressobj(wbits=31), STEP_BYTES, b"\x1f\x8b")


def _deflate(body: bytes) -> Iterator[bytes]:
    """RFC 9110 means zlib's format, some servers send the bare one: zlib's two-byte header tells."""
    has_header = len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0
    try:
        yield from _frames(body, lambda: zlib.decompressobj(wbits=15 if has_header else -15), STEP_BYTES, None)
    except _CutShort:
        if has_header:
            raise
        # Nearly any bytes are the beginning of something bare; only its end shows that it was meant.
        raise zlib.error("neither zlib nor whole") from None


def _zstd(body: bytes) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor()
    return _frames(body, decompressor.decompressobj, ZSTD_STEP_BYTES, b"\x28\xb5\x2f\xfd")


def _frames(body: bytes, new: Callable[[], _Decoder], step: int, magic: bytes | None) -> Iterator[bytes]:
    """One compressed frame after the other, while `magic` begins one. Bytes after the last are ignored."""
    position = 0
    while True:
        decoder = new()
        while not decoder.eof:
            if position >= len(body):
                raise _CutShort
            yield decoder.decompress(body[position : position + step])
            position += step
        position = min(position, len(body)) - len(decoder.unused_data)
        if magic is None or not body.startswith(magic, position):
            return


def _brotli(body: bytes) -> Iterator[bytes]:
    decoder = brotli.Decompressor()
    for start in range(0, len(body), STEP_BYTES):
        piece = decoder.process(body[start : start + STEP_BYTES], output_buffer_limit=BROTLI_PIECE_BYTES)
        while piece and not decoder.is_finished():  # it may hold back more than it gave
            yield piece
            piece = decoder.process(b"", output_buffer_limit=BROTLI_PIECE_BYTES)
        yield piece
        if decoder.is_finished():
            return
    raise _CutShort


_DECODERS: Final[dict[str, Callable[[bytes], Iterator[bytes]]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
