"""A JSON array that is sent element by element: Gemini's and Vertex's `streamGenerateContent` without `alt=sse`.

https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

import re
from typing import Final

from addon.providers.framing.model import Event

STRUCTURE: Final = re.compile(rb'["{}\[\]]')
IN_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


class JsonArrayDecoder:
    """One event for each object of the outermost array. Linear: each byte is looked at once, whatever the splits."""

    def __init__(self) -> None:
        self._buffer = bytearray()  # from the start of the unfinished element
        self._position = 0  # how far the buffer has been looked at
        self._depth = 0  # of brackets; the outermost array is 1
        self._start: int | None = None  # of the element, in the buffer
        self._in_string = False

    def feed(self, data: bytes) -> list[Event]:
        self._buffer += data
        found: list[Event] = []
        while self._step(found):
            pass
        kept = self._position if self._start is None else self._start
        del self._buffer[:kept]
        self._position -= kept
        self._start = None if self._start is None else 0
        return found

    def end(self) -> list[Event]:
        return []  # an element that was cut is not JSON

    def _step(self, found: list[Event]) -> bool:
        """One token further; False where more bytes are needed."""
        if self._in_string:
            self._position = _string_end(self._buffer, self._position)
            if self._buffer[self._position : self._position + 1] != b'"':
                return False
            self._position += 1
            self._in_string = False
            return True
        match = STRUCTURE.search(self._buffer, self._position)
        if match is None:
            self._position = len(self._buffer)
            return False
        self._position = match.end()
        match match[0]:
            case b'"':
                self._in_string = True
            case b"{" | b"[":
                self._depth += 1
                if self._depth == 2:
                    self._start = match.start()
            case _:
                self._depth = max(0, self._depth - 1)
                if self._depth == 1 and self._start is not None:
                    element = bytes(self._buffer[self._start : self._position])
                    found.append(Event(event=None, data=element.decode("utf-8", errors="replace")))
                    self._start = None
        return True


def _string_end(buffer: bytearray, position: int) -> int:
    """The index of the quote that ends the string, or of the byte from which to go on when more has come."""
    match = IN_STRING.match(buffer, position)
    return match.end() if match else position
