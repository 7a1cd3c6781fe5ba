"""A question as a person types it, and its answer. The command, `python -m analysis` and `analysis.report` share it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

import duckdb

from addon.config.mistakes import did_you_mean
from analysis.column_hints import with_hint
from analysis.lake import Connection
from analysis.reports import dimensions
from analysis.reports.comparing import compared
from analysis.reports.prepared import prepare
from analysis.reports.question import Question
from analysis.reports.report import REPORTS, Report, load
from analysis.reports.scope import NO_LIMIT, OF_THE_SQL, BadCondition, check_condition, open_scope, set_variables
from analysis.reports.shelf import OURS, Shelf
from analysis.reports.window import parse_window
from analysis.reports.zone import Zone
from analysis.table import NotAllowed, Table, allow_only_questions, fetch

if TYPE_CHECKING:
    import pyarrow as pa  # a fifth of a second that most reports do not need

    from addon.metering.overrides import PriceOverride

EVERY: Final = ("hour", "day", "week", "month")
PREVIOUS: Final = "previous"


def read_question(
    name: str,
    *,
    shelf: Shelf = OURS,
    now: datetime,
    zone: Zone,
    since: str | None = None,
    until: str | None = None,
    by: str | None = None,
    every: str | None = None,
    where: str | None = None,
    compare: str | None = None,
    limit: int | None = None,
) -> Question:
    """The question that these words ask. Raises ValueError that says what is allowed."""
    report = shelf.find(name)
    window = parse_window(since or report.since, until or (report.until if since is None else None), now, zone)
    if where is not None:
        check_condition(where)
    return Question(
        report=report,
        window=window,
        by=_read_by(report, by),
        every=_read_every(report, every),
        where=where,
        is_compared=_read_compare(report, compare),
        limit=limit if limit is not None else report.limit,
    )


class BadReport(ValueError):
    """A file of a person that is not a question. The message names the file and says why."""

    def __init__(self, report: Report, error: Exception) -> None:
        super().__init__(f"{report.file}: {with_hint(str(error))}")


def answer(connection: Connection, question: Question, own_prices: "Sequence[PriceOverride]" = ()) -> Table:
    """The rows, on a connection of `Lake.ask`; the scope of the question is open afterwards.

    `own_prices`: the user's; the prompt-cache doctor works out what reads from the cache would have cost. Raises
    BadCondition, BadReport or CannotCompare.
    """
    sql = ready(connection, question, own_prices)
    with _mistakes_of(question):
        return fetch(connection, sql)


def answer_as_arrow(
    connection: Connection, question: Question, own_prices: "Sequence[PriceOverride]" = ()
) -> "pa.Table":
    """The same with DuckDB's types: times have the zone UTC, a column without any value has its type."""
    sql = ready(connection, question, own_prices)
    with _mistakes_of(question):
        return connection.sql(sql).to_arrow_table()


@contextmanager
def _mistakes_of(question: Question) -> Iterator[None]:
    """A value that cannot be converted, as in cast(user_id as int) = 1, is a mistake of the condition."""
    try:
        yield
    except duckdb.ConversionException as error:
        if question.where is None:
            raise
        raise BadCondition(question.where, error) from error


def ready(connection: Connection, question: Question, own_prices: "Sequence[PriceOverride]" = ()) -> str:
    """SQL of the answer, for a connection on which everything is made that it needs. Raises as `answer`."""
    open_scope(connection, question.scope)
    if question.report.file:
        _check_own(connection, question)
    if question.is_compared and not question.report.reads_before:
        return compared(connection, question, own_prices)
    most = question.limit or NO_LIMIT
    prepare(connection, question.report.name, most, own_prices)
    set_variables(connection, {"most": most})
    return question.sql


def _check_own(connection: Connection, question: Question) -> None:
    """Raises BadReport for a file that does more than ask, or asks for what there is not."""
    try:
        allow_only_questions(connection, question.sql)
    except (NotAllowed, *OF_THE_SQL) as error:
        raise BadReport(question.report, error) from error


def _read_by(report: Report, text: str | None) -> tuple[str, ...]:
    """The dimensions of `model, user,property:feature`."""
    names = tuple(name for item in (text or "").split(",") if (name := item.strip()))
    if not names:
        return ()
    if report.by is None:
        raise ValueError(
            f"report {report.name} has fixed columns; --by is for {_those(lambda one: one.by is not None)}"
        )
    if len(set(names)) < len(names):
        raise ValueError(f"--by {text!r} names a dimension twice")
    try:
        dimensions.check(names)
    except ValueError as error:
        raise ValueError(f"--by: {error}") from error
    if report.reads_before and (times := [name for name in names if name in dimensions.TIMES]):
        raise ValueError(f"--by: report {report.name} is about the whole period; {times[0]} is for {_timed()}")
    if taken := set(names) & set(report.keys):
        raise ValueError(f"--by: report {report.name} has the column {min(taken)} already")
    return names


def _read_every(report: Report, period: str | None) -> str | None:
    if period is None:
        return None
    if period not in EVERY:
        near = did_you_mean(period, EVERY)
        raise ValueError(f"--every: {period!r} is not a period{near}; write {', '.join(EVERY[:-1])} or {EVERY[-1]}")
    if not report.takes_times:
        why = "has fixed columns" if report.by is None else "is about the whole period"
        raise ValueError(f"report {report.name} {why}; --every is for {_timed()}")
    return period


def _read_compare(report: Report, with_what: str | None) -> bool:
    if with_what is None:
        return False
    if with_what != PREVIOUS:
        raise ValueError(f"--compare: {with_what!r} is not a period to compare with; write {PREVIOUS}")
    if not report.can_compare and not report.reads_before:
        able = _those(lambda one: one.can_compare)
        raise ValueError(f"report {report.name} has no groups to compare; --compare is for {able}")
    return True


def _timed() -> str:
    return _those(lambda report: report.takes_times)


def _those(are: Callable[[Report], bool]) -> str:
    """`costs, models and users`: our reports that are so."""
    *most, last = (name for name in REPORTS if are(load(name)))
    return f"{', '.join(most)} and {last}"
