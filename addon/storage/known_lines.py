"""Reads the lines of starts and ends whose like was read before.

The calls of one program say the same of themselves, but for what their records name first: ids, times, sizes, headers.
So a line is read up to there; what follows is looked up by its text.
"""

import re
from dataclasses import dataclass, fields
from typing import Any, Final

import orjson

from addon.storage.journal_lines import CallEnd, CallStart, Line, call_of, check_start
from addon.storage.record import made_of

MOST_KNOWN: Final = 512
LONGEST_BYTES: Final = 4096  # of a text that is kept: callers may choose what is in it
_ID: Final = rb'"([^"\\\x00-\x1f]*)"'


@dataclass(frozen=True, slots=True)
class _Form:
    """How the lines of one kind are written. `behind`: how the member begins that is the same for many calls."""

    record: type[CallStart | CallEnd]
    head: re.Pattern[bytes]
    behind: bytes
    differ: frozenset[str]  # the members before it


def _form(record: type[CallStart | CallEnd], head: bytes, first_alike: str) -> _Form:
    names = [item.name for item in fields(record)]
    return _Form(
        record, re.compile(head), b',"%b":' % first_alike.encode(), frozenset(names[: names.index(first_alike)])
    )


_START: Final = _form(CallStart, rb'\{"t":"start","id":%b,"call":\{' % _ID, "provider_name")
_END: Final = _form(CallEnd, rb'\{"t":"end","id":%b,"final":(true|false),"call":\{' % _ID, "status")


class KnownLines:
    """What was read lately. Records that it gives share what they have alike: nobody changes it."""

    def __init__(self) -> None:
        self._known: dict[bytes, dict[str, Any]] = {}

    def read(self, raw: bytes) -> Line | None:
        """The same as `parse_line`; None for a line that has to be parsed as a whole, which may be one that is not ours."""
        form = _START if raw.startswith(b'{"t":"s') else _END
        head = form.head.match(raw)
        at = raw.find(form.behind, head.end()) if head else -1
        if head is None or at < 0:
            return None
        alike = raw[at:]
        try:
            told = orjson.loads(raw[head.end() - 1 : at] + b"}")
            if told.keys() != form.differ:  # written by another version, or cut in the middle of a member
                return None
            known = self._known.get(alike) or self._learn(form, alike, told)
            call = made_of(form.record, known | told)
            if isinstance(call, CallStart):
                check_start(call)
                return Line("start", head[1].decode(), call)
            return Line("end", head[1].decode(), call, head[2] == b"true")
        except ValueError:
            return None

    def _learn(self, form: _Form, alike: bytes, told: dict[str, Any]) -> dict[str, Any]:
        """Raises ValueError."""
        given = orjson.loads(b"{" + alike[1:-1])
        if not form.differ.isdisjoint(given):
            raise ValueError("a member that is there twice")
        call = call_of(CallStart, told | given) if form is _START else call_of(CallEnd, told | given)
        known = vars(call)
        if len(alike) <= LONGEST_BYTES:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[alike] = known
        return known
