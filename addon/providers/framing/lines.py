"""Framings of lines: NDJSON and the messages of a WebSocket, one JSON text a line; and the scanner of all line framings."""

import re
from functools import cache
from typing import Final

from addon.providers.framing.model import BodyEvents, Event, Terminal

BOM: Final = b"\xef\xbb\xbf"
LINE_END: Final = re.compile(rb"\r\n|\n|\r")
# No marker is longer: of an unfinished line no more is kept.
LONGEST_MARKER: Final = 128
# How a line with an error begins, in all APIs that we know: `event: error`, `data: {"error": {...}}`, `data: {"type":
# "error"`, vLLM's `{"object": "error"`, Cloudflare's `{"errors": [{`; the same without `data:` in NDJSON and in Google's JSON
# arrays, which come with two spaces before each member. llama.cpp had a field of its own, `error: {...}`. An error ends a
# stream, and SDKs close at once. `"error": null` is not one.
ERROR_START: Final = (
    rb"event: ?error\s|error: ?\{|"
    rb'(?:(?:data: ?|[\[,\s]{0,3})\{\s*| {1,2})"'
    rb'(?:error"\s*:\s*(?:\{|"[^"])|errors"\s*:\s*\[\s*\{|(?:object|(?:event_)?type)"\s*:\s*"error")'
)


class LineSplitter:
    """Bytes in, whole lines out, without their ends. Linear: a line that comes in many pieces is joined once."""

    def __init__(self) -> None:
        self._tail: list[bytes] = []  # of the unfinished line
        self._began = False  # a byte order mark may only stand before the first line

    def feed(self, data: bytes) -> list[bytes]:
        held = bool(self._tail) and self._tail[-1].endswith(b"\r")  # it may be the first half of "\r\n"
        if not held and LINE_END.search(data) is None:
            if data:
                self._tail.append(data)
            return []
        data = b"".join((*self._tail, data))
        if b"\r" in data:
            end = len(data) - 1 if data.endswith(b"\r") else len(data)
            lines = LINE_END.split(data[:end])
            lines[-1] += data[end:]
        else:
            lines = data.split(b"\n")
        tail = lines.pop()
        self._tail = [tail] if tail else []
        return self._without_mark(lines)

    def end(self) -> list[bytes]:
        tail, self._tail = b"".join(self._tail), []
        return self._without_mark([tail.removesuffix(b"\r")]) if tail else []

    def _without_mark(self, lines: list[bytes]) -> list[bytes]:
        if lines and not self._began:
            self._began, lines[0] = True, lines[0].removeprefix(BOM)
        return lines


class LineDecoder:
    """One event a line that is not empty."""

    def __init__(self) -> None:
        self._lines = LineSplitter()

    def feed(self, data: bytes) -> list[Event]:
        return [_event(line) for line in self._lines.feed(data) if line.strip()]

    def end(self) -> list[Event]:
        return [_event(line) for line in self._lines.end() if line.strip()]


def body_events(body: bytes) -> BodyEvents:
    """The events of a whole body, each made when it is asked for."""
    if body.find(b"\r") >= 0 or body.startswith(BOM):
        decoder = LineDecoder()
        return BodyEvents.of([*decoder.feed(body), *decoder.end()])
    lines = [line for line in body.split(b"\n") if line.strip()]
    return BodyEvents(lines, lambda place: _event(lines[place]))


class LineScanner:
    """Sees a terminal line go by. Memory: the beginning, or the last bytes, of one line."""

    def __init__(self, terminal: Terminal) -> None:
        self.seen = False
        self._start, self._anywhere = _line_start(terminal.line_start), _anywhere(terminal.anywhere)
        self._word = _word(terminal.anywhere)
        self._line = b"\n"  # of the line that the next piece goes on with; a line end stands before it
        self._harmless: bytes | None = None  # the beginning of a piece whose lines did not end the stream

    def feed(self, data: bytes) -> bool:
        if self.seen:
            return True
        # Nearly every piece is a whole line that begins as the one before it.
        if self._harmless is not None and self._line == b"\n" and data.startswith(self._harmless):
            is_one_line = _ends_there(data, len(self._harmless))
            if is_one_line and not self._may_end(data):
                return False
        text = self._line + data
        if self._start.search(text):
            self.seen = True
        elif self._anywhere is not None:
            self.seen = _has_unescaped(self._anywhere, text)
        if self._line == b"\n":
            self._harmless = _beginning(data)
        start = text.rfind(b"\n")
        if len(text) - start <= LONGEST_MARKER + 1:
            self._line = text[start:]
        else:
            # A line that is long already does not begin with a marker; what stands for it must not look like its start.
            self._line = b"." + text[-LONGEST_MARKER:] if self._anywhere is not None else b"."
        return self.seen

    def _may_end(self, data: bytes) -> bool:
        """Whether `anywhere` has to be searched for."""
        return self._anywhere is not None and (self._word is None or data.find(self._word) >= 0)


def _beginning(data: bytes) -> bytes | None:
    """The beginning of a piece, up to the end of its first string that a comma follows. No pattern of a line's start can match
    across these two characters: where it was not found in a piece, it is not in what begins alike."""
    end = data.find(b'",', 0, LONGEST_MARKER)
    return data[: end + 2] if end > 0 else None


def _ends_there(data: bytes, start: int) -> bool:
    """Whether no other line begins behind that place: empty lines may follow."""
    end = data.find(b"\n", start)
    return end >= 0 and (end == len(data) - 1 or (end == len(data) - 2 and data.endswith(b"\n")))


_BACKSLASH: Final = ord("\\")


def _has_unescaped(pattern: re.Pattern[bytes], text: bytes) -> bool:
    """Whether the pattern is found behind anything but a backslash. `text` does not begin with it."""
    match = pattern.search(text)
    while match and text[match.start() - 1] == _BACKSLASH:
        match = pattern.search(text, match.start() + 1)
    return match is not None


# Patterns that begin with plain bytes: `re` then looks for these, many times faster than for a `^` or a look-behind.
@cache
def _line_start(marker: bytes | None) -> re.Pattern[bytes]:
    return re.compile(rb"\n(?:" + ERROR_START + (b"" if marker is None else rb"|" + marker) + rb")")


@cache
def _word(marker: bytes | None) -> bytes | None:
    """Plain text that each match of `anywhere` holds, the last with a letter; None where the pattern does not tell."""
    parts = [part.replace(b"\\", b"") for part in (marker or b"").split(rb"\s*")]
    if marker != rb"\s*".join(map(_escaped, parts)):
        return None
    return next((part for part in reversed(parts) if any(map(str.isalpha, part.decode("latin-1")))), None)


def _escaped(text: bytes) -> bytes:
    """Text as these patterns have it: a hyphen stays as it is."""
    return re.escape(text).replace(rb"\-", b"-")


@cache
def _anywhere(marker: bytes | None) -> re.Pattern[bytes] | None:
    return None if marker is None else re.compile(marker)


def _event(line: bytes) -> Event:
    return Event(None, line.decode("utf-8", "replace"))


def websocket_line(message: bytes) -> bytes:
    """A WebSocket message as a line of the journal. A line break in JSON text is white space between its tokens."""
    return message.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
