"""A report as a table of a page: what its columns are called, how its values look, and which calls are behind a row. Pure."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Self

from analysis.dashboard import formats
from analysis.dashboard.filters import KINDS, exactly
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
    "read_share": "Read",
    "changed": "Changes",
    "changed_at": "First change in",
    "lost_tokens": "Tokens not read",
    "lost_usd": "Extra cost",
    "missed": "Turns expired",
    "missed_usd": "Extra cost, expired",
    "mcp_server": "MCP server",
    "result_chars": "Result chars",
    "longest_result_chars": "Longest result",
    "usd": "USD",
    "p50_tokens_per_s": "Tokens/s p50",
    "p5_tokens_per_s": "Tokens/s p5",
    "p50_stream_tokens_per_s": "Tokens/s after the first",
    "failed_p50_ms": "Lost time p50",
    "saved_p50_ms": "Saved calls p50",
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
    "score": "score",
}
type Tokens = Sequence[tuple[str, str | Sequence[str]]]  # several values of a name are alternatives
_RETRIED: Final = ("attempts", ">1")
_BY_FALLBACK: Final = (("fallback", "yes"),)
# Numbers of some of the calls of a row: those that fit these filters, too. None: no filters tell them apart.
OF_SOME: Final[Mapping[str, Tokens | None]] = {
    "errors": (("error", "*"),),
    "unpriced": (("cost", ""),),
    "hits": (("cache", "hit"),),
    "coalesced": (("cache", "coalesced"),),
    "misses": (("cache", "miss"),),
    "unavailable": (("cache", "unavailable"),),
    "rated": (("feedback", "rated"),),
    "good": (("feedback", "good"),),
    "bad": (("feedback", "bad"),),
    "retried": (_RETRIED,),
    "retried_cost_usd": (_RETRIED,),
    "saved": (_RETRIED, ("error", "")),
    "saved_p50_ms": (_RETRIED, ("error", "")),
    "failed": (_RETRIED, ("error", "*")),
    "failed_p50_ms": (("failed_attempt", "yes"),),
    "by_fallback": _BY_FALLBACK,
    "fallback_cost_usd": _BY_FALLBACK,
}
_REASONS: Final[Mapping[str, str]] = {
    "usd": "no call of the row has a known price",
    "tokens": "no call of the row states tokens",
    "ms": "no call of the row was timed",
}
# Filters that the counted calls of a report fit, beside those of their row; None: no filters say which calls are counted.
type CallsAre = Tokens | None
type CallsOf = Callable[[Mapping[str, Any]], Tokens]
_SHARES: Final = ("_rate", "share", "_share")
_ALL: Final = "all calls"
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
    """`why`: for a value that is not known; `href`: the calls behind it; `repeats`: the row has that link before."""

    text: str
    why: str | None = None
    href: str | None = None
    is_number: bool = False
    moment: datetime | None = None
    is_bad: bool = False
    change: str | None = None  # against the period before
    repeats: bool = False

    def plain(self) -> "Cell":
        return replace(self, href=None)


@dataclass(frozen=True, slots=True)
class Shown:
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    is_cut: bool  # there are more rows


def shown(
    table: Table,
    view: View,
    *,
    by: Sequence[str] = (),
    most: int | None = None,
    without: Collection[str] = (),
    calls_are: CallsAre = (),
    keys: Collection[str] = (),
    of_some: Mapping[str, Tokens | None] = OF_SOME,
    none_is_all: bool = False,
    calls_of: CallsOf | None = None,
) -> Shown:
    """`calls_of`: says of a row, a dict, which calls it counts, where its columns are no filters; `by`: names of the filters that the first columns are, where their names do not say so; `most`: rows at most;
    `without`: columns that are left out; `calls_are`: see CallsAre; `keys`: the columns that tell rows apart, where not all
    that are filters do; `none_is_all`: a row without a value of its first column is of all calls."""
    names = unique(table.columns)
    rows = table.rows if most is None else table.rows[:most]
    changes = {name: i for i, name in enumerate(names) if name.endswith(_CHANGE)}
    compared = {f"{_BEFORE}{name.removesuffix(_CHANGE)}" for name in changes}
    kept = [i for i, name in enumerate(names) if name not in changes and name not in compared and name not in without]
    tokens = [by[i] if i < len(by) else token_of(names[i]) for i in kept]
    columns = [_column(names[i], [row[i] for row in rows]) for i in kept]
    cells = []
    for row in rows:
        values = [row[i] for i in kept]
        told_of = calls_of(dict(zip(names, row, strict=True))) if calls_of else ()
        links = _Links.of_row(columns, tokens, values, view, calls_are, keys, of_some, none_is_all, told_of)
        plain = _once([_cell(*each, links) for each in zip(columns, tokens, values, strict=True)], columns)
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
    return token if token in KINDS and (KINDS[token].column or name in _TOKENS) else None


@dataclass(frozen=True, slots=True)
class _Links:
    """Where the cells of one row lead. `own`: the filters that the row is; `without`: how a name is written that is NULL."""

    view: View
    own: Tokens
    during: Mapping[str, str]  # the day that the row is about, as a window
    calls_are: CallsAre
    of_some: Mapping[str, Tokens | None]
    without: str
    has_calls_of_error: bool  # `calls` are those of the error alone, not all those that it is a share of

    @classmethod
    def of_row(
        cls,
        columns: Sequence[Column],
        tokens: Sequence[str | None],
        values: Sequence[Any],
        view: View,
        calls_are: CallsAre,
        keys: Collection[str],
        of_some: Mapping[str, Tokens | None],
        none_is_all: bool,
        told: Tokens,
    ) -> Self:
        own: list[tuple[str, str | Sequence[str]]] = [
            (token, exactly(value))
            for column, token, value in zip(columns, tokens, values, strict=True)
            if token and (not keys or column.name in keys or token in keys) and not (none_is_all and value is None)
        ]
        is_told = any(token == "error" for token, _ in told)
        own = [*told, *own] if told else own
        days = [value for column, value in zip(columns, values, strict=True) if column.name == "day"]
        during = {"since": f"{days[0]}", "until": f"{days[0] + timedelta(days=1)}"} if days else {}
        return cls(view, own, during, calls_are, of_some, _ALL if none_is_all else formats.label(None), is_told)

    @property
    def row(self) -> str | None:
        if not self.own and not self.during:
            return None
        return self.view.rows(*self.own, *(self.calls_are or ()), **self.during)

    def of_column(self, token: str, value: object) -> str | None:
        """Of a name in the row: the row's calls, or those of the name where it does not tell rows apart."""
        is_own = value is None or any(token == name for name, _ in self.own)
        return self.row if is_own else self.view.rows((token, exactly(value)))

    def of_number(self, name: str) -> str | None:
        """The calls that a number is about, where filters can say which these are."""
        if self.calls_are is None or not (self.own or self.during):
            return None
        is_of_error = any(token == "error" for token, _ in self.own)
        if is_of_error and name == "errors":
            return self.row
        if is_of_error and name == "calls" and not self.has_calls_of_error:  # all those of the group, failed or not
            groups = [each for each in self.own if each[0] not in ("error", "status")]
            return self.view.rows(*groups) if groups else None
        more = self.of_some.get(name, ())
        return None if more is None else self.view.rows(*self.own, *self.calls_are, *more, **self.during)


def _cell(column: Column, token: str | None, value: Any, links: _Links) -> Cell:
    name = column.name
    if name == "request_id" and value is not None:
        return Cell(str(value), href=links.view.url(f"/requests/{value}"))
    if token:
        text = links.without if value is None else formats.label(formatted(name, value))
        return Cell(text, href=links.of_column(token, value), is_number=column.is_number)
    if value is None:
        return Cell(formats.DASH, why=why_unknown(name), is_number=column.is_number)
    if isinstance(value, datetime):
        return Cell("", moment=value if value.tzinfo else value.replace(tzinfo=UTC))
    text = formatted(name, value, column.places)
    href = links.of_number(name) if column.is_number and value else None
    return Cell(text, href=href, is_number=column.is_number, is_bad=name == "errors" and bool(value))


def _once(cells: Sequence[Cell], columns: Sequence[Column]) -> list[Cell]:
    """A link that the row has before is for the mouse alone; counts of calls stay links that are seen."""
    found, seen = [], set[str | None]()
    for cell, column in zip(cells, columns, strict=True):
        is_seen = cell.href is not None and cell.href in seen and column.name not in ("calls", "errors")
        found.append(replace(cell, repeats=True) if is_seen else cell)
        seen.add(cell.href)
    return found


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
    if name == "status":  # a name that is written in digits
        return False
    known = [value for value in values if value is not None]
    if not known:
        return name.endswith(("_usd", "_ms", "_tokens"))
    return all(isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in known)
