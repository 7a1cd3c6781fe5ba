"""The named reports: one file in `sql/` each, run over a window of time, some of them by dimensions of the caller's choice.

A report's file begins with the question it answers; `-- by: ...` names the dimensions it takes when --by is not given.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Final

from addon.config.mistakes import did_you_mean
from addon.storage.lake import duckdb_columns
from analysis.lake import Connection
from analysis.reports.window import EVER, Window
from analysis.table import Table, fetch

REPORTS: Final = (
    "summary",
    "costs",
    "models",
    "users",
    "sessions",
    "properties",
    "latency",
    "feedback",
    "errors",
    "requests",
    "unpriced",
)

# What --by may name, and the column or expression it means. The short names are for typing, the others are the row's own.
# `{local}` is the time of the window's zone. An hour is a moment in UTC: two of them have the same local time when clocks
# are set back. Whole numbers of microseconds: times with a zone are ten times slower, since DuckDB leaves them to ICU.
DIMENSIONS: Final[Mapping[str, str]] = {
    "hour": "make_timestamp(epoch_us(date_trunc('hour', {local})) - ({offset_us}))",
    "day": "cast({local} as date)",
    "week": "cast(date_trunc('week', cast({local} as date)) as date)",
    "month": "strftime(cast({local} as date), '%Y-%m')",
    "date": "date",
    "provider": "provider_name",
    "model": "coalesce(response_model, request_model)",
    "operation": "operation_name",
    "user": "user_id",
    "session": "session_id",
    "prompt": "prompt_id",
    "repository": "client_repository",
    "command": "client_command",
    "cwd": "client_cwd",
    "error": "error_type",
    "status": "status",
    "attempts": "attempts",
    "fallback_index": "fallback_index",
    **{name: name for name, kind in duckdb_columns("requests").items() if kind in ("VARCHAR", "BOOLEAN")},
}
_TIMES: Final = ("hour", "day", "week", "month", "date")  # these are shown in their own order, all others by cost

_PROPERTY: Final = "property:"

DEFAULT_LIMIT: Final = 100
NO_LIMIT: Final = 2**62


@dataclass(frozen=True, slots=True)
class Report:
    """One question: its SQL, and the dimensions it takes by default; None: it takes none."""

    name: str
    question: str
    sql: str
    by: tuple[str, ...] | None


@cache
def load(name: str) -> Report:
    """The report of that name."""
    sql = (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    by = re.search(r"^-- by: (.+)$", sql, re.MULTILINE)
    question = sql.partition("\n")[0].removeprefix("--").strip()
    return Report(name, question, sql, tuple(by[1].split(",")) if by else None)


def parse_by(name: str, text: str | None) -> tuple[str, ...]:
    """The dimensions of a report out of `model, user,property:feature`. Raises ValueError that says what is allowed."""
    report = load(name)
    parts = tuple(part for item in (text or "").split(",") if (part := item.strip()))
    if parts and report.by is None:
        *most, last = (other for other in REPORTS if load(other).by)
        able = f"{', '.join(most)} and {last}"
        raise ValueError(f"report {name} has fixed columns; --by is for {able}")
    if len(set(parts)) < len(parts):
        raise ValueError(f"--by {text!r} names a dimension twice")
    for part in parts:
        if part not in DIMENSIONS and not (part.startswith(_PROPERTY) and len(part) > len(_PROPERTY)):
            if part == _PROPERTY:
                raise ValueError("--by: 'property:' is not a dimension without a name; write e.g. property:feature")
            near = did_you_mean(part, DIMENSIONS)
            raise ValueError(
                f"--by: {part!r} is not a dimension{near}; allowed are {', '.join(DIMENSIONS)}, property:NAME"
            )
    return parts


def run(connection: Connection, name: str, window: Window, by: Sequence[str] = (), limit: int = DEFAULT_LIMIT) -> Table:
    """The answer to a report, `limit` rows of it, 0 for all. `by` is what `parse_by` gave; none: as the report says."""
    report = load(name)
    dimensions = by or report.by or ()
    sql, parameters = _fill(report.sql, dimensions, window)
    most = limit or NO_LIMIT
    table = fetch(connection, sql, {**window.parameters(), **parameters, "limit": most, "top": most})
    return Table((*dimensions, *table.columns[len(dimensions) :]), table.rows)


def _fill(sql: str, dimensions: Sequence[str], window: Window) -> tuple[str, dict[str, object]]:
    """The SQL with its dimensions in place, and the values to bind.

    Only expressions of this file get into the SQL; the name of a property is a value.
    """
    expressions: list[str] = []
    times = ""
    parameters: dict[str, object] = {}
    for i, dimension in enumerate(dimensions):
        if dimension.startswith(_PROPERTY):
            parameters[f"property_{i}"] = dimension.removeprefix(_PROPERTY).lower()
            expression = f"properties[$property_{i}]"
        else:
            expression = _in_zone(DIMENSIONS[dimension], window)
        expressions.append(f"{expression} as dimension_{i}")
        if dimension in _TIMES:
            times += f"dimension_{i}, "
    return sql.replace("{dimensions}", ", ".join(expressions)).replace("{times_first}", times), parameters


def _in_zone(expression: str, window: Window) -> str:
    """The expression with the offsets of the window's zone in place."""
    if "{" not in expression:
        return expression
    offsets = window.zone.offsets(window.since, window.end)
    if all(not offset for _, offset in offsets):  # the column `date` is cheaper, and says the same
        expression = expression.replace("cast({local} as date)", "date")
    offset_us = str(_microseconds(offsets[-1][1]))
    for (_, earlier), (changed, _) in zip(reversed(offsets[:-1]), reversed(offsets[1:]), strict=True):
        changed_us = _microseconds(changed - EVER.since)
        offset_us = f"case when epoch_us(started_at) < {changed_us} then {_microseconds(earlier)} else {offset_us} end"
    return expression.format(local=f"make_timestamp(epoch_us(started_at) + ({offset_us}))", offset_us=offset_us)


def _microseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Totals:
    """All calls of a window, whatever the report shows of them."""

    calls: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None  # of the calls that have a price; None: none has
    unpriced: int
    estimated: int  # calls whose cost rests on tokens that we counted


def totals(connection: Connection, window: Window) -> Totals:
    """One row over the window."""
    (row,) = fetch(connection, load("totals").sql, window.parameters()).rows
    return Totals(*row)
