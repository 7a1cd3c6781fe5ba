"""Sees the terminal event of an answer go by (`data: [DONE]`, `event: message_stop`), without parsing what it says.

SDKs stop reading at that event and may close at once, so the call must be in the journal before it leaves.
"""

from typing import Final

from addon.metering.content_coding import Decoder
from addon.providers.framing.model import Framing, Scanner, Terminal
from addon.providers.framing.table import BINARY, JSON_LINES, NDJSON, framing_of
from addon.providers.model import Operation

# This runs on the event loop, for each piece. An honest stream compresses tenfold, hardly ever a hundredfold. One that
# expands more is passed on unread: its call is in the journal when its body ends instead of at its terminal event.
MOST_PER_PIECE_BYTES: Final = 2 * 2**20
FREE_BYTES: Final = 2**20
MOST_EXPANSION: Final = 100


class TerminalScanner:
    """Feed it the pieces as they come, compressed or not. It stops looking where the coding is unknown or broken, or
    where the stream expands too much."""

    def __init__(self, framing: Framing, terminal: Terminal, content_encoding: str | None) -> None:
        self.seen = False
        self._scanner: Scanner | None = framing.scanner(terminal) if framing.scanner else None
        decoder = Decoder(content_encoding, at_most=2**63)
        self._decoder: Decoder | None = decoder
        self._allowed = FREE_BYTES  # bytes that may still be decoded

    def feed(self, piece: bytes) -> bool:
        """Whether the terminal event has gone by, with this piece or before it."""
        if self.seen or self._decoder is None or self._scanner is None:
            return self.seen
        self._allowed += MOST_EXPANSION * len(piece)
        decoded = self._decoder.feed(piece, at_most=min(self._allowed, MOST_PER_PIECE_BYTES))
        self._allowed -= len(decoded)
        if self._decoder.failed or self._decoder.overflowed:
            self._decoder = None
        self.seen = self._scanner.feed(decoded)
        return self.seen


def answer_framing(operation: Operation | None, content_type: str | None) -> Framing:
    """How the answer to a call is cut into events. An answer of sound, an image or bytes has none."""
    framing = framing_of(content_type, otherwise=operation.json_framing) if operation else framing_of(content_type)
    if operation and operation.json_framing is JSON_LINES and framing is NDJSON:
        return JSON_LINES
    kind = (content_type or "").partition("/")[0].lower()
    return BINARY if kind in ("audio", "image", "video") and not framing.is_stream else framing


def terminal_scanner(operation: Operation, content_type: str | None, content_encoding: str | None) -> Scanner | None:
    """The scanner for an answer with these headers; None where it is not a stream, or its stream has no terminal event."""
    framing = answer_framing(operation, content_type)
    if operation.terminal is None or framing.scanner is None:
        return None
    if not content_encoding:
        return framing.scanner(operation.terminal)
    return TerminalScanner(framing, operation.terminal, content_encoding)


def is_finished(operation: Operation, framing: Framing, stream: bytes) -> bool:
    """Whether the terminal event is in a whole stream (decoded); True where the operation has none."""
    if operation.terminal is None or operation.terminal.ends_with_bytes or framing.scanner is None:
        return True
    return framing.scanner(operation.terminal).feed(stream)
