"""The events of a stream that bring one more piece of text, read without parsing each of them.

Most events of a stream differ from the event before them in one string only, the piece. (OpenAI also pads them, so that their
lengths tell nothing, and Ollama tells the time in each.) Such an event says again what the one before it said. Making an event
of it and parsing that took three quarters of the time of reading a stream.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from addon.providers.fields import parse
from addon.providers.framing.model import BodyEvents, Event

# So many events are compared before their pieces are parsed, then twice as many: after one that does not repeat the others
# comparing begins anew, and must not look at all that follow each time.
_FIRST_COMPARED: Final = 64
_MOST_DIGITS: Final = 12
_DIGITS: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class _Likeness:
    """What events have in common: `head`, the piece, `tail`. With a member beside the piece that differs as well, `between`
    the two."""

    head: bytes
    tail: bytes
    between: bytes = b""
    is_second: bool = False  # the piece comes after the other member
    is_number: bool = False  # that member is a whole number

    def values(self, blocks: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Of the events that are like this, up to the first that is not: the pieces, and the values of the other member."""
        pieces, others = list[bytes](), list[bytes]()
        head, tail, between = self.head, self.tail, self.between
        start, dropped = len(head), -len(tail)
        for block in blocks:
            if not block.startswith(head) or not block.endswith(tail):
                break
            value = block[start:dropped]
            if between:
                value, mark, other = value.partition(between)
                if not mark:
                    break
                others.append(other)
            elif not value and len(block) < start - dropped:
                break
            pieces.append(value)
        return (others, pieces) if self.is_second else (pieces, others)


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
        found: list[str] = []
        most = _FIRST_COMPARED if like else 0
        while like and most:
            values, others = like.values(self._events.blocks[self._next : self._next + most])
            texts = _strings(values)
            same = len(texts)
            if like.is_number:
                numbers = _numbers(others)
                same = min(same, len(numbers))
                self.number = numbers[same - 1] if same else self.number
            elif like.between:
                same = min(same, len(_strings(others)))
            found += texts[:same]
            self._events.repeated.update(range(self._next, self._next + same))
            self._next += same
            most = 0 if same < most else 2 * most
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
        return _Likeness(head, after[digits.end() :].encode(), (before + mark).encode(), is_number=True)
    before, mark, after = tail.partition(f'"{beside}":"')
    if mark:
        return _Likeness(head, after[after.index('"') :].encode(), (before + mark).encode())
    aside = f'"{beside}":"'.encode()
    if aside in head:
        first, _, last = head.partition(aside)
        between = last[last.index(b'"') :]
        return _Likeness(first + aside, tail.encode(), between, is_second=True)
    return _Likeness(head, tail.encode())


def _strings(pieces: list[bytes]) -> list[str]:
    """The strings that are written so in JSON, up to the first that is not one. They are parsed at once."""
    if not pieces:
        return []
    joined = b"\n".join(pieces)
    bare = joined.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in joined else joined
    if (quote := bare.find(b'"')) >= 0:  # the string ends before its piece does
        return _strings(pieces[: bare.count(b"\n", 0, quote)])
    texts: list[str] | None = parse(b'["%b"]' % joined.replace(b"\n", b'","'))
    # One of them has a line break of its own, half of a surrogate pair, or ends in a backslash.
    if texts is None or len(texts) != len(pieces):
        return _strings(pieces[: len(pieces) // 2])
    return texts


def _numbers(values: list[bytes]) -> list[int]:
    """The whole numbers that are written so in JSON, of at most `LARGEST_COUNT`, up to the first that is not one."""
    found: list[int] = []
    for value in values:
        if not value.isdigit() or len(value) > _MOST_DIGITS or (value.startswith(b"0") and value != b"0"):
            break
        found.append(int(value))
    return found
