"""The fields of a request's body: read and documented by the same lines, so that neither can say what the other does not.

A field that is null is as good as not sent. Fields that nobody asks for are left alone: Helicone's clients send more.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from starlette.requests import Request

from analysis.api.bodies import read_object
from analysis.api.envelope import ApiError
from analysis.api.filter_columns import CALL_TABLES, Tables
from analysis.api.filter_schema import filter_schema
from analysis.api.filters import ALL, LAST, Node, parse_moment, read_filter
from analysis.api.openapi import BOOLEAN, NUMBER, TEXT, TIME, Schema, nullable
from analysis.reports.window import Window

EPOCH: Final = datetime.fromtimestamp(0, UTC)
EVER: Final = Window(EPOCH)
LATEST_MS: Final = 253_402_300_799_000  # the end of the year 9999


class Unreadable(ValueError):
    """Says what is wrong with a value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Field[T]:
    """`default` stands in where the field is not sent; a required one has none."""

    name: str
    schema: Schema
    read: Callable[[object], T]  # raises Unreadable
    default: T | None = None
    is_required: bool = False


class Given:
    """What a request gave: `given[FIELD]`."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __getitem__[T](self, field: Field[T]) -> T:
        return cast(T, self._values[field.name])


Fields = Sequence[Field[Any]]


def body_schema(fields: Fields) -> Schema:
    """What OpenAPI says of the body."""
    return {
        "type": "object",
        "properties": {field.name: field.schema if field.is_required else nullable(field.schema) for field in fields},
        "required": [field.name for field in fields if field.is_required],
    }


async def read_given(request: Request, fields: Fields) -> Given:
    """The body's fields. Raises ApiError or FilterError: both become a 400 that names the field."""
    return give(await read_object(request), fields)


def give(body: Mapping[str, object], fields: Fields) -> Given:
    values: dict[str, object] = {}
    for field in fields:
        value = body.get(field.name)
        if value is None and not field.is_required:
            values[field.name] = field.default
            continue
        try:
            if value is None:
                raise Unreadable("is missing")
            values[field.name] = field.read(value)
        except Unreadable as error:
            raise ApiError(400, f"{field.name}: {error}") from error
    return Given(values)


# Kinds of fields


def integer(name: str, default: int, least: int, most: int) -> Field[int]:
    def read(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # 10.0 is 10 in JSON
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Unreadable(f"{value!r} is not a whole number from {least} to {most}")
        return value

    return Field(name, {"type": "integer", "minimum": least, "maximum": most, "default": default}, read, default)


def text(name: str, default: str = "") -> Field[str]:
    return Field(name, TEXT, _text, default)


def required_text(name: str) -> Field[str]:
    return Field(name, TEXT, _text, is_required=True)


def flag(name: str) -> Field[bool | None]:
    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise Unreadable(f"{value!r} is neither true nor false")
        return value

    return Field(name, BOOLEAN, read)


def choice(name: str, allowed: Sequence[str], default: str | None = None) -> Field[str]:
    """One of `allowed`; without a default it must be sent."""

    def read(value: object) -> str:
        if value not in allowed:
            raise Unreadable(f"{value!r} is not allowed; allowed are {', '.join(allowed)}")
        return cast(str, value)

    return Field(name, {"enum": list(allowed)}, read, default, default is None)


def texts(name: str, most: int, is_required: bool = False) -> Field[list[str] | None]:
    def read(value: object) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise Unreadable("is not a list of texts")
        if len(value) > most:
            raise Unreadable(f"has {len(value)} entries; at most {most} are allowed")
        return value

    return Field(name, {"type": "array", "items": TEXT, "maxItems": most}, read, None, is_required)


def filter_field(tables: Tables = CALL_TABLES, component: str = "Filter") -> Field[Node]:
    """`component`: the name under which the document has the schema of these tables."""
    return Field("filter", {"$ref": f"#/components/schemas/{component}"}, lambda tree: read_filter(tree, tables), ALL)


def filter_components(tables: Tables = CALL_TABLES, component: str = "Filter") -> Mapping[str, Schema]:
    return {component: filter_schema(tables, component)}


# Windows of time. Helicone includes both ends.

_TIMES: Final = "an object {start, end} of ISO 8601 times, e.g. 2026-11-01T00:00:00Z"


def required_window() -> Field[Window]:
    """`timeFilter: {start, end}`."""

    def read(value: object) -> Window:
        start, end = _ends(value, "start", "end", _TIMES)
        try:
            since, until = (parse_moment(_text(moment)) for moment in (start, end))
        except ValueError as error:
            raise Unreadable(f"{value!r} is not {_TIMES}") from error
        return _window(since, until)

    return Field("timeFilter", _window_schema("start", "end", TIME), read, is_required=True)


def window_ms() -> Field[Window]:
    """`timeFilter: {startTimeUnixMs, endTimeUnixMs}`; without it, ever."""
    return _epoch_window("startTimeUnixMs", "endTimeUnixMs", per_second=1000)


def window_seconds() -> Field[Window]:
    """`timeFilter: {startTimeUnixSeconds, endTimeUnixSeconds}`; without it, ever."""
    return _epoch_window("startTimeUnixSeconds", "endTimeUnixSeconds", per_second=1)


def _epoch_window(first: str, last: str, per_second: int) -> Field[Window]:
    latest = LATEST_MS // 1000 * per_second
    form = f"an object {{{first}, {last}}} of numbers from 0 to {latest}"

    def moment(value: object) -> datetime:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= latest:
            raise Unreadable(f"{value!r} in it is not a number from 0 to {latest}")
        return EPOCH + timedelta(microseconds=math.floor(value * 1_000_000 / per_second))

    def read(value: object) -> Window:
        start, end = _ends(value, first, last, form)
        return _window(moment(start), moment(end))

    schema = _window_schema(first, last, {**NUMBER, "minimum": 0, "maximum": latest})
    return Field("timeFilter", schema, read, EVER)


def _window_schema(first: str, last: str, end: Schema) -> Schema:
    return {"type": "object", "properties": {first: end, last: end}, "required": [first, last]}


def _ends(value: object, first: str, last: str, form: str) -> tuple[object, object]:
    if not isinstance(value, dict) or first not in value or last not in value:
        raise Unreadable(f"{value!r} is not {form}")
    return value[first], value[last]


def _window(since: datetime, until: datetime) -> Window:
    """Our windows leave their end out; callers send milliseconds, and mean to have the last one.

    No call is as old as 1970, nor as young as the calendar's last day: beyond, times cannot be moved to another zone.
    """
    return Window(max(since, EPOCH), min(until, LAST - timedelta(days=2)) + timedelta(milliseconds=1))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"{value!r} is not a text")
    return value
