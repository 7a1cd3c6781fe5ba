"""What reports can group by: the names that --by takes, each a column of the view `calls`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from addon.config.mistakes import did_you_mean
from addon.storage.lake import duckdb_columns
from analysis.quoting import literal, quoted
from analysis.reports.window import EVER, Window

# The short names are for typing, the others are the row's own. `{local}` is the time in the window's zone. An hour is a
# moment in UTC: two of them have the same local time when clocks are set back. Whole numbers of microseconds: times with
# a zone are ten times slower, since DuckDB leaves them to ICU.
EXPRESSIONS: Final[Mapping[str, str]] = {
    "hour": "make_timestamp(epoch_us(date_trunc('hour', {local})) - ({offset_us}))",
    "day": "cast({local} as date)",
    "week": "cast(date_trunc('week', cast({local} as date)) as date)",
    "month": "strftime(cast({local} as date), '%Y-%m')",
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
}
# An hour where clocks change by half an hour (Lord Howe): it begins no earlier than the offset that it is told in.
_HOUR_OF_HALVES: Final = "greatest({hour}, make_timestamp({begun_us}))"
_HOUR: Final = timedelta(hours=1)
_COLUMNS: Final = (
    "date",
    "status",
    "attempts",
    "fallback_index",
    *(name for name, kind in duckdb_columns("requests").items() if kind in ("VARCHAR", "BOOLEAN")),
)
DIMENSIONS: Final = (*EXPRESSIONS, *_COLUMNS)  # the first are columns of `calls` alone, the others of `requests` too
TIMES: Final = ("hour", "day", "week", "month", "date")  # rows are in the order of these first

PROPERTY: Final = "property:"


def check(names: Iterable[str]) -> None:
    """Raises ValueError that says which name is not a dimension, and what is allowed."""
    for name in names:
        if name == PROPERTY:
            raise ValueError("'property:' is not a dimension without a name; write e.g. property:feature")
        if name not in DIMENSIONS and not name.startswith(PROPERTY):
            near = did_you_mean(name, DIMENSIONS)
            raise ValueError(f"{name!r} is not a dimension{near}; allowed are {', '.join(DIMENSIONS)}, property:NAME")


def properties(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that are properties, as they were written: `property:feature`."""
    return tuple(name for name in names if name.startswith(PROPERTY))


def selected(window: Window, property_names: Iterable[str], names: Collection[str] = EXPRESSIONS) -> str:
    """The columns that `calls` has beside those of `requests`, as SQL: one for each short name and each property. `names`:
    those alone."""
    offsets = window.zone.offsets(window.since, window.end)
    columns = {name: _in_zone(expression, offsets) for name, expression in EXPRESSIONS.items() if name in names}
    columns |= {name: f"properties[{literal(name.removeprefix(PROPERTY).lower())}]" for name in property_names}
    return ",\n        ".join(f"{expression} as {quoted(name)}" for name, expression in columns.items())


def _in_zone(expression: str, offsets: Sequence[tuple[datetime, timedelta]]) -> str:
    """The expression with the offsets of the window's zone in place (`Zone.offsets`)."""
    if "{" not in expression:
        return expression
    if all(not offset for _, offset in offsets):  # the column `date` is cheaper, and says the same
        expression = expression.replace("cast({local} as date)", "date")
    if expression == EXPRESSIONS["hour"] and any(
        (later - earlier) % _HOUR for (_, earlier), (_, later) in pairwise(offsets)
    ):
        expression = _HOUR_OF_HALVES.replace("{hour}", expression)
    offset_us, begun_us = (str(_microseconds(value)) for value in (offsets[-1][1], offsets[-1][0] - EVER.since))
    begins = [datetime.min.replace(tzinfo=UTC), *(changed for changed, _ in offsets[1:])]  # the first holds before, too
    for begun, (_, earlier), (changed, _) in reversed(list(zip(begins, offsets, offsets[1:], strict=False))):
        is_before = f"case when epoch_us(started_at) < {_microseconds(changed - EVER.since)}"
        offset_us = f"{is_before} then {_microseconds(earlier)} else {offset_us} end"
        begun_us = f"{is_before} then {_microseconds(begun - EVER.since)} else {begun_us} end"
    local = f"make_timestamp(epoch_us(started_at) + ({offset_us}))"
    return expression.format(local=local, offset_us=offset_us, begun_us=begun_us)


def _microseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
