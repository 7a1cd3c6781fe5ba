"""Which picture answers a report: its columns, its kind, its series. Decided here, drawn by `picture` and `terminal_plot`.

A report with a dimension of time becomes columns over time, stacked by its other dimensions; measures that cannot be added
up, such as percentiles, become lines. Every other report becomes horizontal bars.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, Literal

from analysis.faces.palette import MOST_SERIES
from analysis.faces.render import UNKNOWN, is_number, printable
from analysis.reports.zone import UTC_ZONE, Zone
from analysis.table import Table

Kind = Literal["bars", "columns", "lines"]
type Moment = date | str  # a bucket of time; a month is a str such as 2026-11

MOST_BARS: Final = 15  # more cannot be read at a glance
MOST_MOMENTS: Final = 5_000  # of a time axis; rows beyond are a mistake of the question
OTHERS: Final = "others"

_PREFERRED: Final = ("cost_usd", "calls")
# Names of columns that tell rows apart though they hold numbers.
_NAMES: Final = frozenset({"status", "attempts", "fallback_index"})
_ADDITIVE: Final = frozenset({"calls", "errors", "unpriced", "hits", "retries", "fallbacks", "requests"})
_ADDITIVE_ENDINGS: Final = ("_tokens", "_usd", "_calls")
_NOT_ADDITIVE: Final = re.compile(r"_per_|^(mean|avg|median|p\d+)_|_(mean|avg|median|p\d+)$|^budget_usd$")
_MARK: Final = re.compile(r"(\w+),?\s+-- plot\b.*$", re.MULTILINE)
_MONTH: Final = re.compile(r"\d{4}-\d\d")


@dataclass(frozen=True, slots=True)
class Series:
    """One value for each position of the chart; None: not known, which is drawn as a gap."""

    name: str
    values: tuple[float | None, ...]
    is_others: bool = False

    @property
    def total(self) -> float:
        return sum(value for value in self.values if value is not None)

    @property
    def last(self) -> float | None:
        return next((value for value in reversed(self.values) if value is not None), None)


@dataclass(frozen=True, slots=True)
class Chart:
    """`positions`: the labels of bars, or the moments of a time axis in their order and without holes."""

    kind: Kind
    measure: str  # the column that is drawn
    positions: tuple[Moment, ...]
    series: tuple[Series, ...]  # of bars exactly one; of a time axis the largest first, others last
    left_out: int = 0  # groups that are in no series because their values cannot be added up

    @property
    def is_stacked(self) -> bool:
        return self.kind == "columns" and len(self.series) > 1


def plotted_column(sql: str) -> str | None:
    """The column that a question marks for its picture: the name before `-- plot` at the end of a line."""
    mark = _MARK.search(sql)
    return mark[1] if mark else None


def chart_of(table: Table, measure: str | None = None, zone: Zone = UTC_ZONE) -> Chart:
    """The picture of a report's rows. `measure`: the column to draw; None: cost, else calls, else the first number.

    Times of the rows are UTC; those of the chart are of `zone`. Raises ValueError where there is nothing to draw.
    """
    if not table.rows:
        raise ValueError("there are no rows to plot")
    measure = measure if measure in table.columns else _measure(table)
    number = table.columns.index(measure)
    time, names = _dimensions(table, number)
    if time is not None:
        return _over_time(table, time, names, number, zone)
    return _bars(table, names, number)


def is_additive(measure: str) -> bool:
    """Whether values of groups add up to that of all: calls do, percentiles do not."""
    if _NOT_ADDITIVE.search(measure):
        return False
    return measure in _ADDITIVE or measure.endswith(_ADDITIVE_ENDINGS)


def label(measure: str) -> str:
    """`Cost`, `p95 duration`: a column's name for a person. Its unit stands with the values."""
    known = {
        "cost_usd": "Cost",
        "p50_ms": "Median duration",
        "p95_ms": "Duration, 95th percentile",
        "p99_ms": "Duration, 99th percentile",
        "first_token_p50_ms": "Time to first token, median",
        "first_token_p95_ms": "Time to first token, 95th percentile",
    }
    words = known.get(measure) or re.sub(r"_(usd|ms|(?<!_per_)s)$", "", measure).replace("_", " ")
    return printable(words[:1].upper() + words[1:])


def short(measure: str, value: float | None) -> str:
    """A value with its unit in few characters: `$12.34`, `1.2k`, `850 ms`; a dash where it is not known."""
    if value is None:
        return UNKNOWN
    sign, size = ("-" if value < 0 else ""), abs(value)
    if not size and not measure.endswith("_usd"):
        return "0"
    if measure.endswith("_usd"):
        return f"{sign}${_dollars(size)}"
    if measure.endswith("_ms"):
        return f"{sign}{_three(size / 1000)} s" if size >= 1000 else f"{sign}{_three(size)} ms"
    if measure.endswith("_s") and not measure.endswith("_per_s"):
        return f"{sign}{_three(size)} s"
    if measure.endswith("percent"):
        return f"{sign}{_three(size)}%"
    return f"{sign}{_scaled(size)}"


def title(question: str, by: Sequence[str]) -> str:
    """The question with the dimensions that were chosen in the place of `--by`."""
    words = [_noun(name) for name in by]
    chosen = ", ".join(words[:-1]) + " and " * (len(words) > 1) + words[-1] if words else "all calls"
    return re.sub(r"by \w+ or by what `?--by`? names", lambda _: f"by {chosen}", question)


def _dollars(size: float) -> str:
    if size == 0:
        return "0"
    if size >= 10_000:
        return _scaled(size)
    return f"{size:,.2f}" if size >= 0.1 else format(Decimal(f"{size:.2g}"), "f")


def _scaled(size: float) -> str:
    for limit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            return _three(size / (1e3 if letter == "k" else limit)) + letter
    return f"{size:,.0f}" if size == int(size) else _three(size)


def _three(size: float) -> str:
    """Three digits at least, without empty zeros and exponents."""
    if size >= 100 or size == 0:
        return f"{size:,.0f}"
    return format(Decimal(f"{size:.3g}").normalize(), "f")


def _measure(table: Table) -> str:
    numeric = [name for i, name in enumerate(table.columns) if is_number([row[i] for row in table.rows])]
    for name in _PREFERRED:
        if name in numeric:
            return name
    measures = [name for name in numeric if name not in _NAMES]
    if not measures:
        raise ValueError(f"there is no number to plot among the columns {', '.join(table.columns)}")
    return measures[0]


def _dimensions(table: Table, measure: int) -> tuple[int | None, list[int]]:
    """The column that is a time axis, and the others that tell rows apart: those before the first measure."""
    time: int | None = None
    names: list[int] = []
    for i, column in enumerate(table.columns):
        values = [row[i] for row in table.rows]
        if i == measure or (column not in _NAMES and is_number(values)):
            break
        if time is None and column in _STEPS and all(map(_is_moment, values)):
            time = i
        else:
            names.append(i)
    return time, names


def _is_moment(value: object) -> bool:
    return isinstance(value, date) or (isinstance(value, str) and _MONTH.fullmatch(value) is not None)


def _bars(table: Table, names: Sequence[int], measure: int) -> Chart:
    column = table.columns[measure]
    rows = [(_name(table, row, names), _float(row[measure])) for row in table.rows]
    shown, rest = rows[:MOST_BARS], rows[MOST_BARS:]
    left_out = 0
    if rest and is_additive(column):
        shown.append((f"{OTHERS} ({len(rest):,})", _sum(value for _, value in rest)))
    else:
        left_out = len(rest)
    labels, values = zip(*shown, strict=True)
    return Chart("bars", column, labels, (Series("", values),), left_out)


def _over_time(table: Table, time: int, names: Sequence[int], measure: int, zone: Zone) -> Chart:
    column = table.columns[measure]
    additive = is_additive(column)
    positions = _axis(table.columns[time], {row[time] for row in table.rows})
    place = {moment: i for i, moment in enumerate(positions)}
    # No calls in an hour cost nothing and are none: 0. A price that nobody knows is a gap, as is the speed of no calls.
    empty = 0.0 if additive else None
    found: dict[str, list[float | None]] = {}
    weight: dict[str, float] = {}  # what the largest are chosen by; speeds are chosen by the number of calls
    weighed = measure if additive or "calls" not in table.columns else table.columns.index("calls")
    for row in table.rows:
        name = _name(table, row, names) if names else ""
        values = found.setdefault(name, [empty] * len(positions))
        values[place[row[time]]] = _float(row[measure])
        weight[name] = weight.get(name, 0) + float(row[weighed] or 0)
    ranked = sorted(found.items(), key=lambda item: (-weight[item[0]], item[0]))
    is_crowded = len(ranked) > MOST_SERIES
    kept = MOST_SERIES - 1 if additive and is_crowded else MOST_SERIES
    series = [Series(name, tuple(values)) for name, values in ranked[:kept]]
    rest = [values for _, values in ranked[kept:]]
    if rest and additive:
        sums = tuple(_sum(values) for values in zip(*rest, strict=True))
        series.append(Series(f"{OTHERS} ({len(rest):,})", sums, is_others=True))
    is_signed = any(value < 0 for one in series for value in one.values if value is not None)
    kind: Kind = "columns" if additive and not (is_signed and len(series) > 1) else "lines"
    return Chart(kind, column, zone.local_row(positions), tuple(series), 0 if additive else len(rest))


def _name(table: Table, row: Sequence[Any], names: Sequence[int]) -> str:
    """What a row is called: its values, or what is not known of them."""
    words = [f"(no {_noun(table.columns[i])})" if row[i] is None else _text(row[i]) for i in names]
    return " · ".join(dict.fromkeys(words)) or "all calls"


def _noun(column: str) -> str:
    return printable(re.sub(r"^(property:|client_)|_(id|name|type)$", "", column).replace("_", " "))


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "true" if value else "false"
    return printable(str(value)) or '""'


def _float(value: float | Decimal | None) -> float | None:
    return None if value is None else float(value)


def _sum(values: Iterable[float | None]) -> float | None:
    """None where nothing is known."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _next_month(moment: Any) -> str:
    year, month = int(moment[:4]), int(moment[5:])
    return f"{year + month // 12:04}-{month % 12 + 1:02}"


_STEPS: Final[Mapping[str, Callable[[Any], Moment]]] = {
    "hour": lambda moment: moment + timedelta(hours=1),
    "day": lambda moment: moment + timedelta(days=1),
    "date": lambda moment: moment + timedelta(days=1),
    "week": lambda moment: moment + timedelta(weeks=1),
    "month": _next_month,
}


def _axis(bucket: str, moments: set[Any]) -> tuple[Moment, ...]:
    """All buckets from the first to the last, also those without a call."""
    known = sorted(moments)
    axis: list[Moment] = known[:1]
    for before, after in pairwise(known):
        moment = _STEPS[bucket](before)
        while moment < after and len(axis) < MOST_MOMENTS:
            axis.append(moment)
            moment = _STEPS[bucket](moment)
        axis.append(after)
    return tuple(axis)
