"""A member of a JSON object set in its text, so that every other byte of a request stays as the caller wrote it.

Parsing and writing again would change numbers (`0.10`, integers beyond 64 bits), escapes, white space and repeated keys.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_VALUE: Final = json.JSONDecoder(parse_int=float)  # an integer of any length can be skipped
_SPACE: Final = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class Member:
    """One `"key": value` of an object; `start` and `end` bound the value's text."""

    key: str
    value: Any
    start: int
    end: int


def members(text: str) -> list[Member]:
    """The members of the object that `text` is, repeated keys included. Raises ValueError where it is not a JSON object."""
    try:
        found, end = _scan(text)
    except (IndexError, RecursionError) as error:  # cut short, or nested too deep
        raise ValueError("not a JSON object") from error
    if end != len(text):
        raise ValueError("not a JSON object: something follows it")
    return found


def repeats_member(body: bytes, key: str) -> bool:
    """Whether the JSON object in `body` has the member more than once: two parsers may then take different ones."""
    try:
        return sum(member.key == key for member in members(body.decode(json.detect_encoding(body)))) > 1
    except ValueError:  # not an object
        return False


def with_members(text: str, values: Mapping[str, str]) -> str:
    """The object `text` with each key of `values` set to that JSON text. New keys come first, in the given
    order. Raises ValueError where `text` is not a JSON object."""
    there = members(text)
    pieces: list[str] = []
    at = text.index("{") + 1
    pieces.append(text[:at])
    known = {member.key for member in there}
    fresh = [f"{json.dumps(key)}:{value}" for key, value in values.items() if key not in known]
    pieces.append(",".join(fresh) + ("," if fresh and there else ""))
    for member in there:
        if member.key in values:
            pieces += [text[at : member.start], values[member.key]]
            at = member.end
    pieces.append(text[at:])
    return "".join(pieces)


def _scan(text: str) -> tuple[list[Member], int]:
    at = _expect(text, _skip(text, 0), "{")
    found: list[Member] = []
    if text[at] == "}":
        return found, _skip(text, at + 1)
    while True:
        if text[at] != '"':
            raise ValueError("not a JSON object: a key is missing")
        key, at = _VALUE.raw_decode(text, at)
        start = _expect(text, _skip(text, at), ":")
        value, end = _VALUE.raw_decode(text, start)
        found.append(Member(key, value, start, end))
        at = _skip(text, end)
        if text[at] == "}":
            return found, _skip(text, at + 1)
        at = _expect(text, at, ",")


def _expect(text: str, at: int, sign: str) -> int:
    """The place after `sign` and the white space that follows."""
    if text[at] != sign:
        raise ValueError(f"not a JSON object: no {sign!r}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it always matches, also no characters
