"""Values as people read them, and rows as JSON or CSV."""

import csv
import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TextIO

import orjson

from analysis.table import unique

UNKNOWN: Final = "-"  # NULL in a table: not known, never 0
_FORMULAS: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)  # the last: full width
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")  # of a property: a spreadsheet reads it as a number


def write_json(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """One array of objects, one object a line, as the rows come."""
    separator = "["
    names = unique(columns)
    for row in rows:
        record = dict(zip(names, row, strict=True))
        out.write(f"{separator}\n{json_object(record)}")
        separator = ","
    out.write("[]\n" if separator == "[" else "\n]\n")


def json_object(record: dict[str, Any]) -> str:
    """NULL as null, numbers as numbers, maps as objects, times as ISO 8601 in UTC."""
    return json.dumps(json_value(record), ensure_ascii=False)


def write_json_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """One object a line, as the rows come."""
    names = unique(columns)
    out.writelines(f"{_json_line(dict(zip(names, row, strict=True)))}\n" for row in rows)


def _json_line(record: dict[str, Any]) -> str:
    """As `json_object` has the values, without spaces, in an eighth of the time."""
    try:
        return orjson.dumps(record, default=json_value, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z).decode()
    except orjson.JSONEncodeError:  # whole numbers above 64 bits, half a surrogate pair
        return json_object(record)


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """RFC 4180 with a header, as the rows come; NULL is empty, lists and maps are JSON, numbers never have an exponent.

    Text that a spreadsheet would run as a formula has a ' before it: bodies, users and properties may come from anybody.
    """
    csv.writer(out, lineterminator="\n").writerow(unique(columns))
    write_csv_rows(rows, out)


def write_csv_rows(rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """The same without the header."""
    csv.writer(out, lineterminator="\n").writerows([_csv_value(value) for value in row] for row in rows)


def cell(name: str, value: Any) -> str:
    """A value as a person reads it. `name` tells money from other numbers."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return UNKNOWN
    if isinstance(value, bool):
        return "true" if value else "false"
    if name.endswith("_usd") and isinstance(value, int | float | Decimal):
        return usd(value)
    if isinstance(value, int):
        return f"{value / 1e6:,.1f}M" if name.endswith("_tokens") and value >= 10_000_000 else f"{value:,}"
    if isinstance(value, float | Decimal):
        return _number(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dict):
        return printable(", ".join(f"{key}={item}" for key, item in value.items()))
    if isinstance(value, list | tuple):
        return printable(", ".join(str(item) for item in value))
    return printable(str(value))


def usd(value: float | Decimal) -> str:
    """$0.001234: a token costs about a millionth. Of less all nine places that are kept, of thousands the cents."""
    if not math.isfinite(value):
        return str(value)
    size = abs(float(value))
    places = 9 if 0 < size < 1e-6 else 2 if size >= 1000 else 6
    return f"{'-' if value < 0 else ''}${abs(value):,.{places}f}"


def printable(text: str) -> str:
    """Text of a caller that cannot move the cursor or ring the bell: control characters as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _number(value: float | Decimal) -> str:
    """At most four places, none of them an empty zero; small numbers keep three digits; never an exponent."""
    if not math.isfinite(value):
        return str(value)
    if 0 < abs(float(value)) < 0.001:
        return format(Decimal(f"{value:.3g}"), "f")
    text = f"{value:,.4f}"
    return text.rstrip("0").rstrip(".")


def json_value(value: Any) -> Any:
    """A value of a row as JSON has it; times are UTC."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
        case datetime():
            return value.isoformat() + ("Z" if value.tzinfo is None else "")
        case dict():
            return {str(key): json_value(item) for key, item in value.items()}
        case list() | tuple():
            return [json_value(item) for item in value]
        case timedelta():
            return value.total_seconds()
    return str(value)


def _csv_value(value: Any) -> str | int:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() | Decimal() if math.isfinite(value):
            return format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
        case dict() | list() | tuple():
            return json.dumps(json_value(value), ensure_ascii=False)
        case int():
            return value
    return _harmless(str(json_value(value)))


def _harmless(text: str) -> str:
    """Text that no spreadsheet runs as a formula. Source: OWASP, CSV Injection."""
    return f"'{text}" if text.startswith(_FORMULAS) and not _NUMBER.fullmatch(text) else text


def is_number(column: Sequence[Any]) -> bool:
    """Whether all that is known in a column is a number, and something is."""
    return all_are(column, (int, float, Decimal))


def all_are(column: Sequence[Any], kinds: tuple[type, ...]) -> bool:
    """Whether all that is not NULL is of these kinds, and there is some."""
    values = [value for value in column if value is not None]
    return bool(values) and all(isinstance(value, kinds) and not isinstance(value, bool) for value in values)
