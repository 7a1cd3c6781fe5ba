"""Reading protocol buffers without their library: the fields that a schema names, as JSON would have them. What cannot be read
is left out, and nothing raises. https://protobuf.dev/programming-guides/encoding/
"""

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from addon.providers.fields import Json

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT: Final = 10
_DEEPEST: Final = 32  # a level of JSON in a Struct takes three
_LARGEST_WHOLE: Final = 2**53  # a double holds each whole number up to it


@dataclass(frozen=True, slots=True)
class Field:
    """`of`: the fields of a message inside; None: text. `words`: what JSON has for a number, e.g. the name in an enum."""

    name: str
    is_number: bool = False
    is_list: bool = False
    of: "Schema | None" = None
    words: Mapping[int, Json] = field(default_factory=dict)
    is_double: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """Fields by their number. `zeros`: numbers that count as 0 where they are left out, as proto3 does with each 0. `as_json`:
    makes the message's JSON of its fields by name, where that is not simply an object of them."""

    fields: Mapping[int, Field]
    zeros: tuple[str, ...] = ()
    as_json: Callable[[dict[str, Json]], Json] | None = None


def text(name: str, *, is_list: bool = False) -> Field:
    return Field(name, is_list=is_list)


def number(name: str, words: Mapping[int, Json] | None = None, *, is_list: bool = False) -> Field:
    return Field(name, is_number=True, is_list=is_list, words=words or {})


def inside(name: str, of: Schema, *, is_list: bool = False) -> Field:
    return Field(name, of=of, is_list=is_list)


def double(name: str) -> Field:
    return Field(name, is_double=True)


def read(message: bytes, schema: Schema, depth: int = 0) -> dict[str, Json]:
    """The fields of a message by their names. Of a field that repeats the last counts, unless it is a list."""
    told: dict[str, Json] = dict.fromkeys(schema.zeros, 0)
    for key, value in _fields(message):
        known = schema.fields.get(key)
        if known is None or depth >= _DEEPEST:
            continue
        for one in _values(known, value, depth):
            if known.is_list:
                told.setdefault(known.name, []).append(one)
            else:
                told[known.name] = one
    return told


def _values(known: Field, value: int | float | bytes, depth: int) -> list[Json]:
    if known.is_number:
        numbers = (
            [value] if isinstance(value, int) else _packed(value) if known.is_list and isinstance(value, bytes) else []
        )
        return [known.words.get(one, one) if known.words else one for one in numbers]
    if known.is_double:
        return [_as_in_json(value)] if isinstance(value, float) else []
    if not isinstance(value, bytes):
        return []
    if known.of is None:
        return [value.decode("utf-8", "replace")]
    told = read(value, known.of, depth + 1)
    return [known.of.as_json(told) if known.of.as_json else told]


def _as_in_json(value: float) -> Json:
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) <= _LARGEST_WHOLE else value


def _fields(message: bytes) -> list[tuple[int, int | float | bytes]]:
    """Number and value of each field, up to one that cannot be read. Of 64 fixed bits: as a double."""
    found: list[tuple[int, int | float | bytes]] = []
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            if at > len(message):
                break
            found.append((tag >> 3, value))
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if size is None and kind == _BYTES:
            size, at = _varint(message, at)
        if size is None or at + size > len(message):
            break
        if kind == _BYTES:
            found.append((tag >> 3, message[at : at + size]))
        elif kind == _FIXED64:
            found.append((tag >> 3, struct.unpack_from("<d", message, at)[0]))
        at += size
    return found


def _packed(data: bytes) -> list[int]:
    """Numbers one after the other, in one field."""
    numbers: list[int] = []
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        if at <= len(data):
            numbers.append(value)
    return numbers


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number and where it ends; an end beyond the data means that it is cut."""
    value = 0
    for index in range(_LONGEST_VARINT):
        if at + index >= len(data):
            break
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    return 0, len(data) + 1


def _value() -> Schema:
    """google.protobuf.Value, which may hold a Struct or a list of values: google/protobuf/struct.proto"""
    fields: dict[int, Field] = {}
    value = Schema(fields, as_json=lambda told: next(iter(told.values()), None))
    a_list = Schema({1: inside("values", value, is_list=True)}, as_json=lambda told: told.get("values", []))
    fields |= {
        1: number("null", {0: None}),
        2: double("number"),
        3: text("string"),
        4: number("bool", {0: False, 1: True}),
        5: inside("struct", _struct_of(value)),
        6: inside("list", a_list),
    }
    return value


def _struct_of(value: Schema) -> Schema:
    entry = Schema({1: text("key"), 2: inside("value", value)})
    return Schema(
        {1: inside("fields", entry, is_list=True)},
        as_json=lambda told: {each.get("key", ""): each.get("value") for each in told.get("fields", [])},
    )


STRUCT: Final = _struct_of(_value())  # any object of JSON
