"""The answer to a question (reading.py). The command, `python -m analysis`, `analysis.report` and the dashboard share it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from analysis.column_hints import with_hint
from analysis.lake import Connection
from analysis.reports.comparing import compared
from analysis.reports.prepared import prepare
from analysis.reports.question import Question
from analysis.reports.report import Report
from analysis.reports.scope import NO_LIMIT, OF_THE_SQL, BadCondition, open_scope, set_variables
from analysis.table import NotAllowed, Table, allow_only_questions, fetch, fetch_bound

if TYPE_CHECKING:
    import pyarrow as pa  # a fifth of a second that most reports do not need

    from addon.metering.overrides import PriceOverride


class BadReport(ValueError):
    """A file of a person that is not a question. The message names the file and says why."""

    def __init__(self, report: Report, error: Exception) -> None:
        super().__init__(f"{report.file}: {with_hint(str(error))}")


def answer(connection: Connection, question: Question, own_prices: "Sequence[PriceOverride]" = ()) -> Table:
    """The rows, on a connection of `Lake.ask`; the scope of the question with its `views` is open
    afterwards.

    `own_prices`: the user's; the prompt-cache doctor works out what reads from the cache would have cost. Raises
    BadCondition, BadReport or CannotCompare.
    """
    sql = ready(connection, question, own_prices)
    with _mistakes_of(question):
        return (fetch_bound if question.report.file else fetch)(connection, sql)


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
    open_checked(connection, question)
    if question.is_compared and not question.report.reads_before:

        def keep(connection: Connection, table: str, question: Question) -> None:
            open_scope(connection, question.scope, question.views)
            prepare(connection, question.report.name, question.limit or NO_LIMIT, own_prices)
            set_variables(connection, {"most": NO_LIMIT})
            connection.execute(numbered(table, f"(\n{question.sql}\n)"))

        return compared(connection, question, keep)
    most = question.limit or NO_LIMIT
    prepare(connection, question.report.name, most, own_prices)
    set_variables(connection, {"most": most})
    return question.sql


def open_checked(connection: Connection, question: Question) -> None:
    """Opens its scope. Raises BadCondition, and BadReport for a person's file."""
    # A comparison opens the period before as a scope of its own.
    open_scope(connection, question.scope, question.views)
    if question.report.file:
        _check_own(connection, question)


def numbered(table: str, rows: str) -> str:
    """SQL of a table that `compared` reads."""
    return f"create or replace temp table {table} as select *, row_number() over () as place from {rows}"


def _check_own(connection: Connection, question: Question) -> None:
    """Raises BadReport for a file that does more than ask, or asks for what there is not."""
    try:
        allow_only_questions(connection, question.sql)
    except (NotAllowed, *OF_THE_SQL) as error:
        raise BadReport(question.report, error) from error
