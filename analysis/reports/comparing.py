"""A report beside the same report of the period before: rows are matched by what they are about, times by their place."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from analysis.lake import Connection
from analysis.quoting import quoted
from analysis.reports.dimensions import TIMES
from analysis.reports.grouping import own_columns
from analysis.reports.question import Question
from analysis.reports.report import Report
from analysis.reports.scope import NO_LIMIT
from analysis.reports.window import Window, before
from analysis.table import fetch

_FIRST: Final = ("cost_usd", "calls")  # a terminal has no room for all
_NUMBER: Final = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL\(.*\)")  # the names of the types


# Makes a table of all rows of an answer, numbered in their order in the column `place`; the scope of the question is open afterwards.
Keep = Callable[[Connection, str, Question], None]


class CannotCompare(ValueError):
    """A report whose columns do not tell its rows apart. The message says what to do."""


def compared(connection: Connection, question: Question, keep: Keep) -> str:
    """SQL of each row of the scope with `before_...` and the change in percent for each number; then the rows of before alone.

    Raises CannotCompare where the columns of the report do not tell its rows apart. The scope is open afterwards.
    """
    window, keys = question.window, _keys(question)
    keep(connection, "answer_before", replace(question, window=before(window)))
    keep(connection, "answer_now", question)
    _check_keys(connection, question.report, keys)
    kinds = {column: str(kind) for column, kind in _columns(connection)}
    times = [key for key in keys if key in TIMES]
    selected = [*_selected_keys(keys, window), *_selected_values(kinds, keys)]
    matched = " and ".join(f"n.{quoted(key)} is not distinct from {_moved(key, window)}" for key in keys)
    places = ["place_now nulls last", "place_before"]
    newest_first = ", ".join([*(f"{quoted(name)} desc" for name in times), *places])
    newest_last = ", ".join([*map(quoted, times), *places])
    return (
        "select * exclude (place_now, place_before) from ("
        f"select {', '.join(selected)}, n.place as place_now, b.place as place_before"
        f" from answer_now n full join answer_before b on {matched}"
        f" order by {newest_first} limit {question.limit or NO_LIMIT}"
        f") order by {newest_last}"
    )


def _keys(question: Question) -> list[str]:
    """The columns that a row is about."""
    every = [question.every] if question.every else []
    groups = question.by or [name for name in own_columns(question.report.sql) if not (every and name in TIMES)]
    return list(dict.fromkeys([*every, *groups, *question.report.keys]))


def _check_keys(connection: Connection, report: Report, keys: Sequence[str]) -> None:
    names = ", ".join(map(quoted, keys))
    twice = fetch(connection, f"select {names} from answer_now group by all having count(*) > 1 limit 1").rows
    if twice:
        values = ", ".join(map(str, twice[0]))
        hint = "; end the lines of the columns that tell them apart with -- key" if report.file else ""
        raise CannotCompare(f"report {report.name} cannot be compared: several of its rows are about {values}{hint}")


def _columns(connection: Connection) -> Iterator[tuple[str, object]]:
    relation = connection.table("answer_now")
    return ((name, kind) for name, kind in zip(relation.columns, relation.types, strict=True) if name != "place")


def _selected_keys(keys: Sequence[str], window: Window) -> Iterator[str]:
    for key in keys:
        yield f"coalesce(n.{quoted(key)}, {_moved(key, window)}) as {quoted(key)}"
        if key in TIMES:
            yield f"b.{quoted(key)} as before_{key}"


def _selected_values(kinds: dict[str, str], keys: Sequence[str]) -> Iterator[str]:
    values = [column for column in kinds if column not in keys]
    for column in sorted(values, key=lambda column: column not in _FIRST):
        kind = kinds[column]
        now, earlier = f"n.{quoted(column)}", f"b.{quoted(column)}"
        if not _NUMBER.fullmatch(kind):
            yield f"coalesce({now}, {earlier}) as {quoted(column)}"
            continue
        change = f"round(100.0 * (cast({now} as double) - {earlier}) / nullif(abs(cast({earlier} as double)), 0), 1)"
        yield f"{now} as {quoted(column)}"
        yield f"{earlier} as {quoted(f'before_{column}')}"
        yield f"{change} as {quoted(f'{column}_change_percent')}"


def _moved(key: str, window: Window) -> str:
    """SQL: a value of the period before, as the value of this period that it is compared with."""
    value = f"b.{quoted(key)}"
    if key not in TIMES:
        return value
    now, earlier = window, before(window)
    if key == "hour":
        hours = _hour(now) - _hour(earlier)
        return f"{value} + to_microseconds({hours // timedelta(microseconds=1)})"
    begins = [period.zone.local(period.since) for period in (now, earlier)]
    if key == "month":
        months = (begins[0].year - begins[1].year) * 12 + begins[0].month - begins[1].month
        return f"strftime(cast({value} || '-01' as date) + to_months({months}), '%Y-%m')"
    if key == "date":
        begins = [period.since for period in (now, earlier)]
    if key == "week":
        begins = [begin - timedelta(days=begin.weekday()) for begin in begins]
    return f"{value} + {(begins[0].date() - begins[1].date()).days}"


def _hour(window: Window) -> datetime:
    """When the hour begins in which the window begins."""
    local = window.zone.local(window.since)
    return window.zone.utc(local.replace(minute=0, second=0, microsecond=0, tzinfo=None))
