"""Server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html

Three differences from a browser: a last event without its blank line counts (providers leave it out, streams are cut),
`id` and `retry` mean nothing to us, and the field `error` of older llama.cpp servers is an event of that name.
"""

from addon.providers.framing.lines import BOM, LineSplitter
from addon.providers.framing.model import BodyEvents, Event


class SseDecoder:
    """Every event that has data. Invalid UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._name: str | None = None
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[Event]:
        return self.take(self._lines.feed(data))

    def end(self) -> list[Event]:
        return self.take([*self._lines.end(), b""])

    def take(self, lines: list[bytes]) -> list[Event]:
        """The events that these lines, without their ends, complete."""
        found: list[Event] = []
        for line in lines:
            if line.startswith(b"data: "):
                self._data.append(line[6:])
            elif line:
                field, _, value = line.partition(b":")  # a comment starts with ":", so its field is empty
                value = value.removeprefix(b" ")
                if field == b"data":
                    self._data.append(value)
                elif field == b"event":
                    self._name = value.decode("utf-8", "replace")
                elif field == b"error":
                    self._name = "error"
                    self._data.append(value)
            else:
                if self._data:
                    found.append(Event(self._name, b"\n".join(self._data).decode("utf-8", "replace")))
                    self._data.clear()
                self._name = None
        return found


def events(data: bytes) -> list[Event]:
    """The events of a whole body."""
    decoder = SseDecoder()
    return [*decoder.feed(data), *decoder.end()]


def body_events(body: bytes) -> BodyEvents:
    """The same, each made when it is asked for."""
    if body.find(b"\r") >= 0 or body.startswith(BOM):
        return BodyEvents.of(events(body))
    blocks = body.split(b"\n\n")

    def event_of(place: int) -> Event | None:
        block = blocks[place]
        if block.startswith(b"data: ") and block.find(b"\n") < 0:
            return Event(None, block[6:].decode("utf-8", "replace"))
        found = SseDecoder().take([*block.split(b"\n"), b""])
        return found[0] if found else None

    return BodyEvents(blocks, event_of)
