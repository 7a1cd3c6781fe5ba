"""Sees a stream's terminal event go by (`data: [DONE]`, `event: message_stop`), without reading what the stream says.

SDKs stop reading at that event and may close at once, so the call must be in the journal before it leaves. The pattern
is matched at the start of a line; in JSON a line break is escaped, so no text of an answer can look like it.
"""

import re
from typing import Final

from addon.metering.content_coding import Decoder

# No marker is longer: of an unfinished line no more is kept.
_LONGEST_MARKER: Final = 128
# This runs on the event loop, for each piece. An honest stream compresses tenfold, hardly ever a hundredfold. One that
# expands more is passed on unread: its call is in the journal when its body ends instead of at its terminal event.
MOST_PER_PIECE_BYTES: Final = 2 * 2**20
FREE_BYTES: Final = 2**20
MOST_EXPANSION: Final = 100


class TerminalScanner:
    """Feed it the pieces as they come, compressed or not. It stops looking where the coding is unknown or broken, or
    where the stream expands too much."""

    def __init__(self, pattern: re.Pattern[bytes], content_encoding: str | None) -> None:
        self.seen = False
        self._pattern = re.compile(rb"^(?:" + pattern.pattern + rb")", pattern.flags | re.MULTILINE)
        self._decoder: Decoder | None = Decoder(content_encoding, at_most=2**63)
        self._allowed = FREE_BYTES  # bytes that may still be decoded
        self._line = b""  # the beginning of the line that the next piece goes on with

    def feed(self, piece: bytes) -> bool:
        """Whether the terminal event has gone by, with this piece or before it."""
        if self.seen or self._decoder is None:
            return self.seen
        self._allowed += MOST_EXPANSION * len(piece)
        decoded = self._decoder.feed(piece, at_most=min(self._allowed, MOST_PER_PIECE_BYTES))
        self._allowed -= len(decoded)
        if self._decoder.failed or self._decoder.overflowed:
            self._decoder = None
        text = self._line + decoded
        self.seen = self._pattern.search(text) is not None
        start = text.rfind(b"\n") + 1
        # A line that is long already is not a marker; what stands for it must not look like a line's start.
        self._line = text[start:] if len(text) - start <= _LONGEST_MARKER else b"."
        return self.seen
