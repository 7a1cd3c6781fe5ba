"""Bodies as they were before `Content-Encoding`: gzip, deflate, br, zstd, or several of them stacked. RFC 9110, 8.4.

A compressed body is hostile input: 300 bytes may stand for gigabytes. So every decoder works in steps of bounded size
and stops at a bound on what comes out. Whoever decodes names that bound and learns whether the body is complete.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import brotli
import zstandard

# Providers take requests of up to about 32 MB.
MAX_DECODED_BYTES: Final = 32 * 2**20
# One coding is the rule, two happen; each more is another chance to expand.
MAX_CODINGS: Final = 4
# What goes into a decoder and comes out of it at a time. zlib and brotli take a bound on the output. zstandard takes
# none: a block of 4 bytes may stand for 128 KiB, so 64 bytes give at most 2 MiB.
STEP_BYTES: Final = 16 * 2**10
ZSTD_STEP_BYTES: Final = 64
PART_BYTES: Final = 2**20
# Each frame costs some microseconds, however little is in it. Encoders that split a body do so at 64 KiB or more.
MAX_FRAMES: Final = 1024
# RFC 9659: what every decoder of the zstd coding must offer and no encoder may exceed.
ZSTD_WINDOW_BYTES: Final = 8 * 2**20

_ERRORS: Final = (zlib.error, brotli.error, zstandard.ZstdError)


def decode(body: bytes, content_encoding: str | None, at_most: int = MAX_DECODED_BYTES) -> tuple[bytes, bool]:
    """The decoded body, and whether it is complete. Never raises.

    A body that was cut gives what could be decoded. A body that expands beyond `at_most` bytes gives that many. A body
    that is not what the header says, or in a coding that we do not know, comes back as it is. A body without a coding
    cannot expand and comes back whole, whatever its size.
    """
    if not content_encoding or not body:
        return body, True
    decoder = Decoder(content_encoding, at_most)
    if decoder.is_identity:
        return body, True
    decoded = decoder.feed(body)
    if decoder.failed or (decoder.is_doubtful and not decoder.overflowed):
        return body, False
    return decoded, decoder.ended and not decoder.overflowed


def is_small(body: bytes, content_encoding: str | None, most_bytes: int) -> bool:
    """Whether the body, decoded, has at most so many bytes. Never decodes more than that."""
    return len(body) <= most_bytes and decode(body, content_encoding, most_bytes)[1]


class Decoder:
    """Undoes the codings of one body piece by piece. After `failed` or `overflowed` it gives nothing more."""

    def __init__(self, content_encoding: str | None, at_most: int = MAX_DECODED_BYTES) -> None:
        """`content_encoding`: the header's value; `at_most`: bytes that may come out in all."""
        names = [name.strip() for name in (content_encoding or "").lower().split(",", MAX_CODINGS + 1)]
        names = [name for name in reversed(names) if name not in ("", "identity")]  # the last one applied stands last
        self.failed = len(names) > MAX_CODINGS or not all(name in _CODINGS for name in names)
        self.overflowed = False
        self._codings: list[_Coding] = [] if self.failed else [_CODINGS[name]() for name in names]
        self._room = at_most
        self._work = at_most * len(self._codings)

    @property
    def is_identity(self) -> bool:
        """Whether the body was not encoded at all."""
        return not self._codings and not self.failed

    @property
    def ended(self) -> bool:
        """Whether every coding has come to its end, so that nothing is missing."""
        return not self.failed and all(coding.ended for coding in self._codings)

    @property
    def is_doubtful(self) -> bool:
        """Whether what came out may be noise: nearly any bytes are the beginning of bare deflate; only its end shows
        that it was meant."""
        return any(isinstance(coding, _Deflate) and coding.is_bare and not coding.ended for coding in self._codings)

    def feed(self, piece: bytes, at_most: int | None = None) -> bytes:
        """What the next piece stands for. Never raises. `at_most` bounds this piece beside the bound on all of them; one
        that expands beyond a bound gives that many bytes and sets `overflowed`."""
        if self.failed or self.overflowed:
            return b""
        if not self._codings:
            return piece
        room = self._room if at_most is None else min(self._room, at_most)
        decoded = bytearray()
        try:
            for part in self._through(self._codings, piece):
                decoded += part
                if len(decoded) > room or self._work < 0:
                    self.overflowed = True
                    del decoded[room:]
                    break
        except _ERRORS:
            self.failed = True  # br and bare deflate have no checksum: what came before may be noise
            return b""
        self._room -= len(decoded)
        return bytes(decoded)

    def _through(self, codings: Sequence["_Coding"], piece: bytes) -> Iterator[bytes]:
        """A piece through all codings, the outermost first. Parts without output count as work, too."""
        first, *others = codings
        for part in first.feed(piece):
            self._work -= len(part)
            if others and part:
                yield from self._through(others, part)
            else:
                yield b"" if others else part


class _Coding(Protocol):
    @property
    def ended(self) -> bool: ...
    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` stands for, in parts of bounded size. Raises one of _ERRORS."""
        ...


class _Frame(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Frames[F: _Frame]:
    """One compressed frame after the other, while `magic` begins one. Bytes after the last are ignored."""

    def __init__(
        self, new: Callable[[], F], step: int, magic: bytes, decompress: Callable[[F, bytes], Iterator[bytes]]
    ) -> None:
        self._new, self._step, self._magic, self._decompress = new, step, magic, decompress
        self._frame = new()
        self._frames_left = MAX_FRAMES
        self._held = b""  # the beginning of a magic, after a frame's end
        self._over = False

    @property
    def ended(self) -> bool:
        return self._frame.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._held:
            data, self._held = self._held + data, b""
        position = 0
        while position < len(data) and not self._over:
            if self._frame.eof:
                start = data[position : position + len(self._magic)]
                if start != self._magic:
                    self._over = not self._magic.startswith(start)
                    self._held = start
                    return
                self._frames_left -= 1
                if not self._frames_left:
                    raise zlib.error("too many frames")
                self._frame = self._new()
            step = data[position : position + self._step]
            position += len(step)
            yield from self._decompress(self._frame, step)
            position -= len(self._frame.unused_data)


class _Zlib(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def _inflate(frame: _Zlib, data: bytes) -> Iterator[bytes]:
    while True:
        part = frame.decompress(data, PART_BYTES)
        yield part
        data = frame.unconsumed_tail
        if not data and len(part) < PART_BYTES:
            return


def _gzip() -> _Coding:
    return _Frames(lambda: zlib.decompressobj(wbits=31), STEP_BYTES, b"\x1f\x8b", _inflate)


def _zstd() -> _Coding:
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    return _Frames(
        decompressor.decompressobj,
        ZSTD_STEP_BYTES,
        b"\x28\xb5\x2f\xfd",
        lambda frame, data: iter((frame.decompress(data),)),
    )


class _Deflate:
    """RFC 9110 means zlib's format, some servers send the bare one: zlib's two-byte header tells."""

    def __init__(self) -> None:
        self.is_bare = False
        self._held = b""
        self._frame: _Zlib | None = None

    @property
    def ended(self) -> bool:
        return self._frame is not None and self._frame.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._frame is None:
            self._held += data
            if len(self._held) < 2:
                return
            data, self._held = self._held, b""
            self.is_bare = data[0] & 0x0F != 8 or int.from_bytes(data[:2]) % 31 != 0
            self._frame = zlib.decompressobj(wbits=-15 if self.is_bare else 15)
        for start in range(0, len(data), STEP_BYTES):
            if self._frame.eof:
                return
            yield from _inflate(self._frame, data[start : start + STEP_BYTES])


class _Brotli:
    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()

    @property
    def ended(self) -> bool:
        return bool(self._decompressor.is_finished())

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), STEP_BYTES):
            if self.ended:
                return
            yield self._decompressor.process(data[start : start + STEP_BYTES], output_buffer_limit=PART_BYTES)
            while not self.ended and not self._decompressor.can_accept_more_data():
                yield self._decompressor.process(b"", output_buffer_limit=PART_BYTES)


_CODINGS: Final[dict[str, Callable[[], _Coding]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _zstd,
}
