"""`heliograph report weekly`: what a team reads on Monday. The facts and sentences; `weekly_text` and `weekly_page` show them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from analysis.faces.chart import Chart, Series, short
from analysis.faces.render import UNKNOWN, printable
from analysis.reports.window import Window, before
from analysis.table import Table

NAME: Final = "weekly"
TOP: Final = 8  # models, users and repositories that are shown
PARTS: Final = ("model", "user", "repository")

_NEWS: Final = 0.05  # of all that was spent: a change below that is not worth a line
_MUCH: Final = 0.10  # change of a sum of all calls that is worth a line

type Row = dict[str, Any]  # the columns of sql/weekly.sql


@dataclass(frozen=True, slots=True)
class Fact:
    """One number of the week beside that of the week before. `is_good`: whether the change is; None: neither."""

    name: str
    now: str
    before: str
    change: str  # `+12%`; empty where there is nothing to compare with
    is_good: bool | None


@dataclass(frozen=True, slots=True)
class Week:
    """The rows of the report, and whose they are."""

    window: Window
    rows: Sequence[Row]

    @property
    def total(self) -> Row:
        return self.of("total")[0]

    def of(self, part: str) -> list[Row]:
        return [row for row in self.rows if row["part"] == part]


def week_of(table: Table, window: Window) -> Week:
    return Week(window, list(table.records()))


def title(window: Window) -> str:
    """`Week of 9 to 15 November 2026`, or which time it is about where that is not a week."""
    first, after = (window.zone.local(moment) for moment in (window.since, window.end))
    last = date.fromordinal(after.date().toordinal() - 1)
    if (after.date() - first.date()).days != 7 or first.time() != after.time():
        return f"{window.short(window.since)} to {window.short(window.end)}"
    begins = f"{first.day}" if (first.year, first.month) == (last.year, last.month) else f"{first.day} {first:%B}"
    return f"Week of {begins} to {last.day} {last:%B %Y}"


def scope(window: Window) -> str:
    """`against 2026-11-02 to 2026-11-09, Europe/Berlin`"""
    earlier = before(window)
    return f"against {earlier.short(earlier.since)} to {earlier.short(earlier.end)}, {window.zone.name}"


def facts(week: Week) -> list[Fact]:
    """The numbers at the top. More spending is neither good nor bad: it may be more work."""
    total = week.total
    both: list[tuple[str, str, float | None, float | None, bool | None]] = [
        ("Spend", "cost_usd", total["cost_usd"], total["before_cost_usd"], None),
        ("Calls", "calls", total["calls"], total["before_calls"], None),
        ("Errors", "percent", _percent(total, "errors"), _percent(total, "before_errors"), False),
        ("Median answer", "p50_ms", total["p50_ms"], total["before_p50_ms"], False),
        ("Slowest 5% take over", "p95_ms", total["p95_ms"], total["before_p95_ms"], False),
        ("Saved by the cache", "saved_usd", total["saved_usd"], total["before_saved_usd"], True),
    ]
    return [_fact(*each) for each in both]


def _percent(total: Row, column: str) -> float | None:
    calls = total["before_calls" if column.startswith("before_") else "calls"]
    return 100 * total[column] / calls if calls else None


def _fact(name: str, measure: str, now: float | None, earlier: float | None, more_is_good: bool | None) -> Fact:
    shown = short(measure, now), short(measure, earlier)
    difference = 0.0 if now is None or earlier is None or shown[0] == shown[1] else now - earlier
    is_good = None if more_is_good is None or not difference else (difference > 0) == more_is_good
    return Fact(name, *shown, change(now, earlier), is_good)


def change(now: float | None, earlier: float | None) -> str:
    """`+12%`, or `3.4 x` for more than the double; empty where there is nothing to compare with."""
    if now is None or not earlier:
        return ""
    times = now / earlier
    if abs(times - 1) < 0.005:
        return "same"
    return f"{times:.1f} x" if times >= 10 else f"{times - 1:+.0%}"


def news(week: Week) -> list[str]:
    """What changed, the most important first. Empty where nothing did, or there is no week before."""
    total = week.total
    if not total["calls"] or not total["before_calls"]:
        return []
    return [*_spending(total), *_errors(week), *_movers(week), *_newcomers(week), *_caches(total)]


def _spending(total: Row) -> Iterator[str]:
    now, earlier = total["cost_usd"], total["before_cost_usd"]
    if now is None or not earlier:
        return
    if abs(now - earlier) < _MUCH * earlier:
        yield f"Spend is about the same: {short('cost_usd', now)} after {short('cost_usd', earlier)}."
        return
    more = "more" if now > earlier else "less"
    calls = change(total["calls"], total["before_calls"])
    each = change(now / total["calls"], earlier / total["before_calls"])
    size = short("cost_usd", abs(now - earlier))
    yield f"{size} {more} was spent ({change(now, earlier)}): calls {calls}, cost of a call {each}."


def _errors(week: Week) -> Iterator[str]:
    now, earlier = _percent(week.total, "errors"), _percent(week.total, "before_errors")
    if not now or earlier is None or abs(now - earlier) < 0.5:
        return
    worst = max(week.of("error"), key=lambda row: row["calls"], default=None)
    most = f"; most are {printable(worst['name'])} ({worst['calls']:,})" if worst and worst["calls"] else ""
    yield f"{short('percent', now)} of the calls failed, {short('percent', earlier)} the week before{most}."


def _movers(week: Week) -> Iterator[str]:
    """The model, user and repository whose cost changed most."""
    spent = max(week.total["cost_usd"] or 0, week.total["before_cost_usd"] or 0)
    for part in PARTS:
        known = [row for row in week.of(part) if row["before_calls"] and row["calls"] and row["name"] is not None]
        row = max(known, key=lambda row: abs(_difference(row)), default=None)
        if row is None or abs(_difference(row)) < _NEWS * spent:
            continue
        more = "more" if _difference(row) > 0 else "less"
        size = short("cost_usd", abs(_difference(row)))
        share = change(row["cost_usd"], row["before_cost_usd"])
        yield f"{part.capitalize()} {printable(row['name'])} cost {size} {more} ({share})."


def _difference(row: Row) -> float:
    return float((row["cost_usd"] or 0) - (row["before_cost_usd"] or 0))


def _newcomers(week: Week) -> Iterator[str]:
    for part in PARTS:
        new = [row for row in week.of(part) if not row["before_calls"] and row["name"] is not None]
        gone = [row for row in week.of(part) if not row["calls"] and row["name"] is not None]
        for row in new[:2]:
            cost = f", {short('cost_usd', row['cost_usd'])}" if row["cost_usd"] is not None else ""
            calls = f"{row['calls']:,} call{'' if row['calls'] == 1 else 's'}"
            yield f"New {part}: {printable(row['name'])} ({calls}{cost})."
        if gone:
            yield f"No calls any more: {part} {printable(gone[0]['name'])}."


def _caches(total: Row) -> Iterator[str]:
    if total["cache_hits"]:
        saved = f" and saved {short('saved_usd', total['saved_usd'])}" if total["saved_usd"] is not None else ""
        yield f"The cache answered {total['cache_hits']:,} calls{saved}."
    if total["input_tokens"] and total["cache_read_input_tokens"]:
        share = 100 * total["cache_read_input_tokens"] / total["input_tokens"]
        yield f"{share:.0f}% of the input tokens came from the providers' own caches, at their lower price."


def _days(week: Week) -> list[Row]:
    """Every day with calls in either week."""
    return [row for row in week.of("day") if row["calls"] or row["before_calls"]]


def days_chart(week: Week) -> Chart | None:
    """What each day cost, beside the same weekday of the week before."""
    days = _days(week)
    if not days:
        return None
    series = (
        Series("this week", tuple(_cost(row, "") for row in days)),
        Series("the week before", tuple(_cost(row, "before_") for row in days), is_others=True),
    )
    return Chart("lines", "cost_usd", tuple(date.fromisoformat(row["name"]) for row in days), series)


def _cost(row: Row, period: str) -> float | None:
    """0 without calls; None with calls of which none has a price."""
    cost = row[f"{period}cost_usd"] if row[f"{period}calls"] else 0.0
    return None if cost is None else float(cost)


def days_table(week: Week) -> Table:
    """The same as numbers."""
    rows = [
        (
            f"{date.fromisoformat(row['name']):%a %Y-%m-%d}",
            row["cost_usd"],
            row["before_cost_usd"],
            change(row["cost_usd"], row["before_cost_usd"]) or UNKNOWN,
            row["calls"],
            row["before_calls"],
            row["errors"],
        )
        for row in _days(week)
    ]
    return Table(("day", "cost_usd", "before_usd", "change", "calls", "before_calls", "errors"), rows)


def part_table(week: Week, part: str) -> Table | None:
    """Models, users or repositories as a table; None where no call names one."""
    rows = week.of(part)
    if all(row["name"] is None for row in rows):
        return None
    spent = week.total["cost_usd"]
    columns = (part, "cost_usd", "share", "change", "calls", "errors", "p50_ms", "p95_ms")
    return Table(
        columns,
        [
            (
                row["name"] if row["name"] is not None else f"(no {part})",
                row["cost_usd"],
                f"{row['cost_usd'] / spent:.0%}" if spent and row["cost_usd"] is not None else UNKNOWN,
                "new" if not row["before_calls"] else change(row["cost_usd"], row["before_cost_usd"]) or UNKNOWN,
                row["calls"],
                row["errors"],
                row["p50_ms"],
                row["p95_ms"],
            )
            for row in rows
        ],
    )


def left_out(week: Week, part: str) -> int:
    """Models, users or repositories that are not shown."""
    rows = week.of(part)
    return rows[0]["of"] - len(rows) if rows else 0
