"""The events of a stream that bring one more piece of text, read without parsing each of them.

Most events of a stream differ from the event before them in one string only, the piece. (OpenAI also pads them, so that their
lengths tell nothing, and Ollama tells the time in each.) Such an event says again what the one before it said. Making an event
of it and parsing that took three quarters of the time of reading a stream.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from addon.providers.framing.model import BodyEvents, Event

_MOST_DIGITS: Final = 12
_DIGITS: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class _Likeness:
    """What events have in common: `head`, the piece, `tail`. With a member beside the piece that differs as well, `between`
    the two."""

    head: bytes
    tail: bytes
    between: str = ""
    is_second: bool = False  # the piece comes after the other member
    is_number: bool = False  # that member is a whole number


class Pieces:
    """Gives the events that have to be parsed, in their order. Where nothing but the piece of an event matters, its reader asks
    for the pieces of those that repeat it (`repeated`): they are not given any more."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = BodyEvents.of(events)
        self._next = 0
        self.number = 0  # of the last event that was found to repeat another

    def __iter__(self) -> "Pieces":
        return self

    def __next__(self) -> Event:
        while self._next < len(self._events.blocks):
            self._next += 1
            if (event := self._events.at(self._next - 1)) is not None:
                return event
        raise StopIteration

    def repeated(
        self, event: Event, key: str, piece: str, *, beside: str = "obfuscation", number: str = ""
    ) -> list[str]:
        """The pieces of the events that follow and repeat `event`, the last one that was given. In its data `piece` is the value
        of a member `key`. A member `beside` may differ, too, and says nothing, or a `number` behind the piece: the last one
        counts."""
        like = _likeness(self._events.blocks[self._next - 1], event.data, key, piece, beside, number)
        if like is None:
            return []
        found: list[str] = []
        blocks, head, tail = self._events.blocks, like.head, like.tail
        start, dropped = len(head), len(tail)
        last = other = ""
        for place in range(self._next, len(blocks)):
            block = blocks[place]
            end = len(block) - dropped
            if end < start or not block.startswith(head) or not block.endswith(tail):
                break
            try:
                text = block[start:end].decode()
            except UnicodeDecodeError:
                break
            plain = text
            if like.between:
                text, mark, other = text.partition(like.between)
                if like.is_second:
                    text, other = other, text
                plain = text if like.is_number else text + other
                if not mark or (like.is_number and not _is_whole(other)):
                    break
            # What is not printable may be a control character, which JSON does not allow.
            if '"' in plain or "\\" in plain or not plain.isprintable():
                break
            found.append(text)
            last = other
        if found and like.is_number:
            self.number = int(last)
        self._events.repeated.update(range(self._next, self._next + len(found)))
        self._next += len(found)
        return found


def _likeness(block: bytes, data: str, key: str, piece: str, beside: str, number: str) -> _Likeness | None:
    """None where other events cannot be compared with this one."""
    mark = f'"{key}":"'
    before, _, rest = data.partition(mark)
    # Without a backslash every quote begins or ends a string, so this can be no other member.
    if "\\" in data or data.count(f'"{key}"') != 1 or not rest.startswith(piece + '"'):
        return None
    raw = data.encode("utf-8", "surrogatepass")
    if not block.endswith(raw) or block.count(raw) != 1:
        return None
    head, tail = block[: len(block) - len(raw)] + (before + mark).encode(), rest[len(piece) :]
    if number:
        before, mark, after = tail.partition(f'"{number}":')
        if not mark or (digits := _DIGITS.match(after)) is None:
            return None
        return _Likeness(head, after[digits.end() :].encode(), before + mark, is_number=True)
    before, mark, after = tail.partition(f'"{beside}":"')
    if mark:
        return _Likeness(head, after[after.index('"') :].encode(), before + mark)
    aside = f'"{beside}":"'.encode()
    if aside in head:
        first, _, last = head.partition(aside)
        between = last[last.index(b'"') :].decode()
        return _Likeness(first + aside, tail.encode(), between, is_second=True)
    return _Likeness(head, tail.encode())


def _is_whole(text: str) -> bool:
    """Whether it is a number as JSON writes it, of at most `LARGEST_COUNT`."""
    return text.isdigit() and text.isascii() and len(text) <= _MOST_DIGITS and (text[0] != "0" or text == "0")
