"""The events of a whole body, each made when it is asked for. Most repeat the one before them: `pieces.py` reads these as bytes."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from addon.providers.framing.model import Event


class BodyEvents:
    """`blocks`: the bytes of each event, which end in its data if that is one line; some blocks are no event.

    `event_of` makes the event of a block, by its place."""

    def __init__(self, blocks: Sequence[bytes], event_of: Callable[[int], Event | None]) -> None:
        self.blocks = blocks
        self._event_of = event_of
        self.repeated: set[int] = (
            set()
        )  # places of events that say again what one before them said, but for its piece of text
        self._made: dict[int, Event | None] = {}

    @classmethod
    def of(cls, events: Iterable[Event]) -> "BodyEvents":
        """Events that are made already."""
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
