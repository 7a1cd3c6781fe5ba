"""A table on a terminal, as JSON, or as CSV."""

import csv
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, TextIO

import orjson
from rich.cells import cell_len, set_cell_size

from analysis.table import Table, unique

UNKNOWN: Final = "-"  # NULL in a table: not known, never 0
_ENOUGH_TEXT: Final = 12  # characters of a text column that are worth showing; below that, columns are left out
_LEAST_TEXT: Final = 6  # where no column can be left out any more
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


def write_table(table: Table, out: TextIO, width: int | None, keep_numbers: bool) -> list[str]:
    """A table of `width` characters at most, None: as wide as it takes. Returns the columns for which there was no room.

    They go from the right; with `keep_numbers` only names and times do: numbers are what a report is for.
    """
    names = [printable(name) for name in unique(table.columns)]
    cells = [[cell(name, value) for name, value in zip(names, row, strict=True)] for row in table.rows]
    columns = list(zip(*table.rows, strict=True)) or [()] * len(names)
    numeric = [is_number(column) for column in columns]
    whole = [_all_are(column, (int, float, Decimal, date, time)) for column in columns]  # half of it would mislead
    longest = [max((cell_len(row[i]) for row in cells), default=0) for i in range(len(names))]
    layout = _layout(names, longest, whole, [keep_numbers and number for number in numeric], width)
    headings = [(names[i].split("_") if layout.tight else [names[i]]) for i in layout.widths]
    height = max(map(len, headings), default=1)
    stacked = zip(*([""] * (height - len(lines)) + lines for lines in headings), strict=True)  # they stand on the rule
    between = " " * layout.gap

    def line(texts: Iterable[str]) -> str:
        placed = zip(layout.widths.items(), texts, strict=True)
        fitted = (_fit(text, column_width, to_right=numeric[i]) for (i, column_width), text in placed)
        return f"{between.join(fitted).rstrip()}\n"

    out.writelines(map(line, stacked))
    out.write("─" * (sum(layout.widths.values()) + layout.gap * (len(layout.widths) - 1)) + "\n")
    out.writelines(line(row[i] for i in layout.widths) for row in cells)
    return [name for i, name in enumerate(names) if i not in layout.widths]


def _fit(text: str, width: int, *, to_right: bool) -> str:
    """The text in as many cells of a terminal; a wide character takes two."""
    cells = cell_len(text)
    if cells > width:
        return set_cell_size(text, width - 1) + "…"
    blanks = " " * (width - cells)
    return blanks + text if to_right else text + blanks


@dataclass(frozen=True, slots=True)
class _Layout:
    """Columns shown (by index) and their widths; tight: headings in several lines and one blank between columns."""

    widths: dict[int, int]
    tight: bool

    @property
    def gap(self) -> int:
        return 1 if self.tight else 2


def _layout(names: list[str], longest: list[int], whole: list[bool], keep: list[bool], width: int | None) -> _Layout:
    """How to fit columns into `width` characters: `longest` cell of each, whether it is shown whole, and always."""
    natural = {i: max(length, len(names[i])) for i, length in enumerate(longest)}
    if width is None or sum(natural.values()) + 2 * (len(names) - 1) <= width:
        return _Layout(natural, tight=False)
    least = {
        i: max(length if whole[i] else min(length, _ENOUGH_TEXT), *map(len, names[i].split("_")))
        for i, length in enumerate(longest)
    }
    removable = [i for i in least if i >= 2 and not keep[i]]
    while removable and sum(least.values()) + len(least) - 1 > width:
        del least[removable.pop()]
    over = sum(least.values()) + len(least) - 1 - width
    while over > 0 and (texts := [i for i in least if not whole[i] and least[i] > _LEAST_TEXT]):
        least[max(texts, key=lambda i: least[i])] -= 1  # numbers are shown whole, so the longest text gives way
        over -= 1
    room = width - sum(least.values()) - len(least) + 1
    for i, least_width in least.items():  # what is left goes to the first columns that can use it
        more = max(0, min(room, longest[i] - least_width))
        least[i] += more
        room -= more
    return _Layout(least, tight=True)


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
    return _all_are(column, (int, float, Decimal))


def _all_are(column: Sequence[Any], kinds: tuple[type, ...]) -> bool:
    """Whether all that is not NULL is of these kinds, and there is some."""
    values = [value for value in column if value is not None]
    return bool(values) and all(isinstance(value, kinds) and not isinstance(value, bool) for value in values)
