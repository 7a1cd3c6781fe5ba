"""Framings of lines: NDJSON and the messages of a WebSocket, one JSON text a line; and the scanner of all line framings."""

import re
from collections.abc import Iterator
from typing import Final

from addon.providers.framing.model import Event, Terminal

BOM: Final = b"\xef\xbb\xbf"
LINE_END: Final = re.compile(rb"\r\n|\n|\r")
# No marker is longer: of an unfinished line no more is kept.
LONGEST_MARKER: Final = 128


class LineSplitter:
    """Bytes in, whole lines out, without their ends. Linear: a line that comes in many pieces is joined once."""

    def __init__(self) -> None:
        self._tail: list[bytes] = []  # of the unfinished line
        self._began = False  # a byte order mark may only stand before the first line

    def feed(self, data: bytes) -> Iterator[bytes]:
        held = bool(self._tail) and self._tail[-1].endswith(b"\r")  # it may be the first half of "\r\n"
        if not held and LINE_END.search(data) is None:
            if data:
                self._tail.append(data)
            return
        data = b"".join((*self._tail, data))
        end = len(data) - 1 if data.endswith(b"\r") else len(data)
        start = 0
        for match in LINE_END.finditer(data, 0, end):
            yield self._line(data[start : match.start()])
            start = match.end()
        self._tail = [data[start:]] if start < len(data) else []

    def end(self) -> Iterator[bytes]:
        tail, self._tail = b"".join(self._tail), []
        if tail:
            yield self._line(tail.removesuffix(b"\r"))

    def _line(self, line: bytes) -> bytes:
        if not self._began:
            self._began, line = True, line.removeprefix(BOM)
        return line


class LineDecoder:
    """One event a line that is not empty."""

    def __init__(self) -> None:
        self._lines = LineSplitter()

    def feed(self, data: bytes) -> list[Event]:
        return [_event(line) for line in self._lines.feed(data) if line.strip()]

    def end(self) -> list[Event]:
        return [_event(line) for line in self._lines.end() if line.strip()]


class LineScanner:
    """Sees a terminal line go by. Memory: the beginning, or the last bytes, of one line."""

    def __init__(self, terminal: Terminal) -> None:
        self.seen = False
        parts = []
        if terminal.line_start is not None:
            parts.append(rb"^(?:" + terminal.line_start + rb")")
        if terminal.anywhere is not None:
            parts.append(rb"(?<!\\)(?:" + terminal.anywhere + rb")")
        self._pattern = re.compile(rb"|".join(parts), re.MULTILINE) if parts else None
        self._keeps_end = terminal.anywhere is not None
        self._line = b""  # of the line that the next piece goes on with

    def feed(self, data: bytes) -> bool:
        if self.seen or self._pattern is None:
            return self.seen
        text = self._line + data
        self.seen = self._pattern.search(text) is not None
        start = text.rfind(b"\n") + 1
        if len(text) - start <= LONGEST_MARKER:
            self._line = text[start:]
        else:
            # A line that is long already does not begin with a marker; what stands for it must not look like its start.
            self._line = b"." + text[-LONGEST_MARKER:] if self._keeps_end else b"."
        return self.seen


def _event(line: bytes) -> Event:
    return Event(event=None, data=line.decode("utf-8", errors="replace"))


def websocket_line(message: bytes) -> bytes:
    """A WebSocket message as a line of the journal. A line break in JSON text is white space between its tokens."""
    return message.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
