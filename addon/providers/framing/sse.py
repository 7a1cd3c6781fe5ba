"""Server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html

Two differences from a browser: a last event without its blank line counts (providers leave it out, streams are cut),
and `id` and `retry` mean nothing to us.
"""

from addon.providers.framing.lines import LineSplitter
from addon.providers.framing.model import Event


class SseDecoder:
    """Every event that has data. Invalid UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._name: str | None = None
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[Event]:
        found: list[Event] = []
        for line in self._lines.feed(data):
            self._take(line, found)
        return found

    def end(self) -> list[Event]:
        found: list[Event] = []
        for line in self._lines.end():
            self._take(line, found)
        self._take(b"", found)
        return found

    def _take(self, line: bytes, found: list[Event]) -> None:
        if line:
            field, _, value = line.partition(b":")  # a comment starts with ":", so its field is empty
            value = value.removeprefix(b" ")
            if field == b"data":
                self._data.append(value)
            elif field == b"event":
                self._name = value.decode("utf-8", errors="replace")
            return
        if self._data:
            text = b"\n".join(self._data).decode("utf-8", errors="replace")
            found.append(Event(event=self._name, data=text))
        self._name, self._data = None, []


def events(data: bytes) -> list[Event]:
    """The events of a whole body."""
    decoder = SseDecoder()
    return [*decoder.feed(data), *decoder.end()]
