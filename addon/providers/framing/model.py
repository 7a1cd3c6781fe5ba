"""How the bytes of an answer are cut into events: one Framing for each way that providers do it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

UNREAD: Final = object()


@dataclass(slots=True)
class Event:
    """One event of an answer: a server-sent event, a line, an element of an array, a frame, a WebSocket message."""

    event: str | None  # its name, where the framing has names
    data: str
    # `data` parsed, once `fields.json_of` was asked for it: several readers may look at one event.
    json: Any = field(default=UNREAD, init=False, compare=False, repr=False)


class BodyEvents:
    """The events of a whole body, each made when it is asked for. Most repeat the one before them: `pieces.py` reads these as bytes.

    `blocks`: the bytes of each event, which end in its data if that is one line; some blocks are no event.

    `event_of` makes the event of a block, by its place."""

    def __init__(self, blocks: Sequence[bytes], event_of: Callable[[int], Event | None]) -> None:
        self.blocks = blocks
        self._event_of = event_of
        # Places of events that say again what one before them said, but for its piece of text.
        self.repeated: set[int] = set()
        self._made: dict[int, Event | None] = {}

    @classmethod
    def of(cls, events: Iterable[Event]) -> "BodyEvents":
        """Events that are made already, or that are a body's."""
        if isinstance(events, cls):
            return events
        made = list(events)
        return cls(
            [f"{event.event}\n{event.data}".encode("utf-8", "surrogatepass") for event in made], made.__getitem__
        )

    def __iter__(self) -> Iterator[Event]:
        for place in range(len(self.blocks)):
            if (event := self.at(place)) is not None:
                yield event

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None

    def at(self, place: int) -> Event | None:
        if place not in self._made:
            self._made[place] = self._event_of(place)
        return self._made[place]

    def last(self, most: int) -> list[Event]:
        """The last events, in their order."""
        found: list[Event] = []
        for place in range(len(self.blocks) - 1, -1, -1):
            if len(found) == most:
                break
            if (event := self.at(place)) is not None:
                found.append(event)
        return found[::-1]

    def distinct(self) -> list[Event]:
        """All but those that were found to repeat one before them."""
        places = (place for place in range(len(self.blocks)) if place not in self.repeated)
        return [event for place in places if (event := self.at(place)) is not None]


class Decoder(Protocol):
    """Gives the same events however the bytes are split. Never raises: what cannot be read is left out."""

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole with this piece."""
        ...

    def end(self) -> list[Event]:
        """The event that the end of the bytes completes, if there is one."""
        ...


class Scanner(Protocol):
    """Looks for an event that ends the answer, on the proxy's event loop: linear, bounded memory, no JSON parsed."""

    def feed(self, data: bytes) -> bool:
        """Whether such an event has gone by, with this piece or before it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """What marks an event that ends the answer: the call is finished, whichever side closes the connection afterwards.

    An error event ends every stream, and no Terminal needs to name it (`lines.ERROR_START`, exceptions of AWS)."""

    # At the start of a line. In JSON a line break is escaped, so no text of an answer can look like it.
    line_start: bytes | None = None
    # Anywhere in a line or element, e.g. rb'"finishReason"\s*:\s*"'. In a JSON string the quotes would be escaped; a
    # match in a nested object only writes the closing line early, and what follows amends it. At most 128 bytes.
    anywhere: bytes | None = None
    # Names of AWS events (`:event-type`); `anywhere` is searched in their payloads as well.
    events: frozenset[str] = frozenset()
    # The stream has no event of its own that ends it: the end of its bytes does, or an error.
    ends_with_bytes: bool = False


BYTES_END: Final = Terminal(ends_with_bytes=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    name: str
    content_types: tuple[str, ...]  # without parameters, lower case; none: only where an operation says so
    decoder: Callable[[], Decoder] | None = None  # None: the body is one piece
    scanner: Callable[[Terminal], Scanner] | None = None
    whole: Callable[[bytes], BodyEvents] | None = None  # the events of a whole body; None: the decoder gives them
    is_file: bool = False  # finished before it was asked for: it has events, yet nobody waits for each

    @property
    def is_live(self) -> bool:
        """Whether the answer comes in parts while it is made."""
        return self.is_stream and not self.is_file

    @property
    def is_stream(self) -> bool:
        return self.decoder is not None
