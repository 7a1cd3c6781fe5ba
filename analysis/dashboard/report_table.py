"""A report as a table of a page: what its columns are called, how its values look, and which calls are behind a row. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from analysis.dashboard import formats
from analysis.dashboard.filters import KINDS
from analysis.dashboard.view import View
from analysis.reports.dimensions import PROPERTY
from analysis.table import Table, unique

# Where a column's name, made of its words, would not say enough.
_TITLES: Final[Mapping[str, str]] = {
    "cost_usd": "Cost",
    "saved_usd": "Saved",
    "saved_ms": "Time saved",
    "input_tokens": "Input",
    "output_tokens": "Output",
    "cache_read_input_tokens": "Cached input",
    "duration_ms": "Time",
    "unpriced": "No price",
    "p50_ms": "p50",
    "p95_ms": "p95",
    "p99_ms": "p99",
    "first_token_p50_ms": "First token p50",
    "first_token_p95_ms": "First token p95",
    "request_id": "Request",
    "session_id": "Session",
    "user_id": "User",
    "changed": "Turns changed",
    "lost_tokens": "Tokens not read",
    "lost_usd": "Extra cost",
    "missed": "Turns expired",
    "missed_usd": "Extra cost, expired",
    "p50_tokens_per_s": "Tokens/s p50",
    "p5_tokens_per_s": "Tokens/s p5",
    "p50_stream_tokens_per_s": "Tokens/s after the first",
    "failed_p50_ms": "Until the last failure, p50",
    "saved_p50_ms": "Latency of the saved, p50",
    "provider_name": "Provider",
    "error_type": "Error",
    "response_model": "Model",
    "request_model": "Model asked for",
}
# Columns of a report that are filters of another name.
_TOKENS: Final[Mapping[str, str]] = {
    "provider_name": "provider",
    "response_model": "model",
    "error_type": "error",
    "session_id": "session",
    "user_id": "user",
}
_REASONS: Final[Mapping[str, str]] = {
    "usd": "no call of the row has a known price",
    "tokens": "no call of the row states tokens",
    "ms": "no call of the row was timed",
}
_SHARES: Final = ("_rate", "share", "_share")
_WITHOUT: Final = "(none)"
_BEFORE, _CHANGE = "before_", "_change_percent"  # columns of a report beside the period before


@dataclass(frozen=True, slots=True)
class Column:
    """`places`: decimal places of all its numbers without a unit, so that they are aligned."""

    name: str
    title: str
    is_number: bool
    places: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """`why`: for a value that is not known; `href`: the calls behind it."""

    text: str
    why: str | None = None
    href: str | None = None
    is_number: bool = False
    moment: datetime | None = None
    is_bad: bool = False
    change: str | None = None  # against the period before

    def plain(self) -> "Cell":
        return replace(self, href=None)


@dataclass(frozen=True, slots=True)
class Shown:
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    is_cut: bool  # there are more rows


def shown(table: Table, view: View, *, by: Sequence[str] = (), most: int | None = None) -> Shown:
    """`by`: names of the filters that the first columns are, where their names do not say so; `most`: rows at most."""
    names = unique(table.columns)
    rows = table.rows if most is None else table.rows[:most]
    changes = {name: i for i, name in enumerate(names) if name.endswith(_CHANGE)}
    compared = {f"{_BEFORE}{name.removesuffix(_CHANGE)}" for name in changes}
    kept = [i for i, name in enumerate(names) if name not in changes and name not in compared]
    tokens = [by[i] if i < len(by) else token_of(names[i]) for i in kept]
    columns = [_column(names[i], [row[i] for row in rows]) for i in kept]
    cells = []
    for row in rows:
        plain = _row(columns, tokens, [row[i] for i in kept], view)
        told = [
            _change(row[changes[at]]) if (at := f"{column.name}{_CHANGE}") in changes else None for column in columns
        ]
        cells.append(
            [replace(cell, change=change) if change else cell for cell, change in zip(plain, told, strict=True)]
        )
    return Shown(columns, cells, len(rows) < len(table.rows))


def _column(name: str, values: Sequence[Any]) -> Column:
    is_number = _is_number(name, values[:50])
    return Column(name, title(name), is_number, places_of(values) if is_number else 0)


def places_of(values: Sequence[Any]) -> int:
    """Decimal places that show all the numbers of a column well enough; 0: they are whole."""
    known = [abs(float(value)) for value in values if isinstance(value, int | float | Decimal)]
    if all(value == int(value) for value in known if math.isfinite(value)):
        return 0
    largest = max(value for value in known if math.isfinite(value))
    return next((places for places, least in ((1, 10), (2, 1), (3, 0.1)) if largest >= least), 4)


def _change(percent: float | None) -> str | None:
    return None if percent is None or abs(percent) < 0.5 else f"{percent:+,.0f}%"


def title(name: str) -> str:
    """`last_call_at` is Last call."""
    if name in _TITLES:
        return _TITLES[name]
    if name.startswith(PROPERTY):
        return name.removeprefix(PROPERTY)
    words = name.removesuffix("_at").removesuffix("_usd").removesuffix("_ms").replace("_", " ")
    return words[:1].upper() + words[1:]


def token_of(name: str) -> str | None:
    """The filter that a value of this column stands for."""
    if name.startswith(PROPERTY):
        return name
    token = _TOKENS.get(name, name)
    return token if token in KINDS and KINDS[token].column else None


def _row(columns: Sequence[Column], tokens: Sequence[str | None], row: Sequence[Any], view: View) -> list[Cell]:
    behind = [(token, _pattern(token, value)) for token, value in zip(tokens, row, strict=True) if token]
    href = view.rows(*behind) if behind else None
    return [
        _cell(column, value, href, is_first=number == 0, token=token, behind=behind, view=view)
        for number, (column, token, value) in enumerate(zip(columns, tokens, row, strict=True))
    ]


def _pattern(token: str, value: object) -> object:
    """A client of a report is the beginning of a user agent."""
    return f"{value}*" if token == "client" and value is not None else value


def _cell(
    column: Column,
    value: Any,
    href: str | None,
    *,
    is_first: bool,
    token: str | None,
    behind: Sequence[tuple[str, object]],
    view: View,
) -> Cell:
    name = column.name
    if name == "request_id" and value is not None:
        return Cell(str(value), href=view.url(f"/requests/{value}"))
    if token or is_first:
        text = _WITHOUT if value is None else formatted(name, value)
        return Cell(text, href=href, is_number=column.is_number)
    if value is None:
        return Cell(formats.DASH, why=why_unknown(name), is_number=column.is_number)
    if isinstance(value, datetime):
        return Cell("", moment=value if value.tzinfo else value.replace(tzinfo=UTC))
    text = formatted(name, value, column.places)
    if name == "errors" and value and behind:
        return Cell(text, href=view.rows(*behind, ("error", "*")), is_number=True, is_bad=True)
    leads = name == "calls" and not any(
        token == "error" for token, _ in behind
    )  # those are all calls, with errors or not
    return Cell(text, href=href if leads else None, is_number=column.is_number)


def why_unknown(name: str) -> str:
    return next((why for ending, why in _REASONS.items() if name.endswith(ending)), "not known")


def formatted(name: str, value: Any, places: int | None = None) -> str:
    """A value that is known, by its type and the unit in its name. `places`: of a number without a unit; None: as it needs."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float() | Decimal():
            return _number(name, places_of([value]) if places is None else places)(
                value if isinstance(value, int) else float(value)
            )
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case date():
            return value.isoformat()
        case dict():
            return ", ".join(f"{key}={each}" for key, each in value.items())
        case list() | tuple():
            return ", ".join(map(str, value))
    return str(value)


def _number(name: str, places: int) -> Callable[[float], str]:
    if name.endswith("_usd") or name == "usd":
        return formats.usd
    if name.endswith("_ms"):
        return formats.duration
    if name.endswith(_SHARES):
        return formats.percent
    if name.endswith("_bytes"):
        return formats.bytes_
    return lambda value: f"{value:,.{places}f}"


def _is_number(name: str, values: Sequence[Any]) -> bool:
    known = [value for value in values if value is not None]
    if not known:
        return name.endswith(("_usd", "_ms", "_tokens"))
    return all(isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in known)
