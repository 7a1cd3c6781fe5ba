"""Sees a stream's terminal event go by (`data: [DONE]`, `event: message_stop`), without decoding what the stream says.

SDKs stop reading at that event and may close at once, so the call must be in the journal before it leaves. The pattern
is matched at the start of a line; in JSON a line break is escaped, so no text of an answer can look like it.
"""

import re
import zlib
from collections.abc import Callable
from typing import Final

import brotli
import zstandard

# No marker is longer: of an unfinished line no more is kept.
_LONGEST_MARKER: Final = 128
_DECODERS: Final[dict[str, Callable[[], Callable[[bytes], bytes]]]] = {
    "": lambda: bytes,
    "identity": lambda: bytes,
    "gzip": lambda: zlib.decompressobj(47).decompress,  # 47: gzip or zlib, by their own headers
    "deflate": lambda: zlib.decompressobj(47).decompress,
    "br": lambda: brotli.Decompressor().process,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
}


class TerminalScanner:
    """Feed it the pieces as they come, compressed or not. Where the compression is unknown or broken it sees nothing."""

    def __init__(self, pattern: re.Pattern[bytes], content_encoding: str | None) -> None:
        self.seen = False
        self._pattern = re.compile(rb"^(?:" + pattern.pattern + rb")", pattern.flags | re.MULTILINE)
        make_decoder = _DECODERS.get((content_encoding or "").strip().lower())
        self._decode = make_decoder() if make_decoder else None
        self._line = b""  # the beginning of the line that the next piece goes on with

    def feed(self, piece: bytes) -> bool:
        """Whether the terminal event has gone by, with this piece or before it."""
        if self.seen or self._decode is None:
            return self.seen
        try:
            text = self._line + self._decode(piece)
        except (zlib.error, brotli.error, zstandard.ZstdError):
            self._decode = None
            return False
        self.seen = self._pattern.search(text) is not None
        start = text.rfind(b"\n") + 1
        # A line that is long already is no marker; what stands for it must not look like a line's start.
        self._line = text[start:] if len(text) - start <= _LONGEST_MARKER else b"."
        return self.seen
