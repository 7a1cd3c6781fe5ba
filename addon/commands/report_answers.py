"""Asks a report for its rows and for what its sums leave out. Every face of a report begins here."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from addon.commands.bounded import MOST_S, bounded
from addon.commands.options import Failure
from addon.commands.tables import warn

if TYPE_CHECKING:
    import pyarrow as pa

    from addon.limits.rules import Budget
    from addon.metering.overrides import PriceOverride
    from analysis.engines.spark_session import Session
    from analysis.lake import Connection, Lake
    from analysis.reports.question import Question
    from analysis.reports.standing import BudgetNow
    from analysis.table import Table


_ADVICE: Final = "take less time (--since 7d) or a simpler --where"


@dataclass(frozen=True, slots=True)
class Answered:
    """`notes`: the lines under a report. `calls`: all calls of its scope. `budgets`: their present state."""

    question: "Question"
    table: "Table"
    notes: list[str]
    calls: int
    budgets: "list[BudgetNow]"

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than were asked for, as far as can be told."""
        return bool(self.question.limit) and len(self.table.rows) == self.question.limit


def ask(
    lake: "Lake",
    question: "Question",
    data: Path,
    budgets: "Sequence[Budget]" = (),
    own_prices: "Sequence[PriceOverride]" = (),
    most_s: float = MOST_S,
    session: "Session | None" = None,
) -> Answered:
    """The answer, or wrong usage where the condition or the comparison is, or where it takes longer than `most_s`. `session`:
    Spark's, which answers then; budgets are those of the machine of a proxy, and not told."""
    if session:
        return _ask_spark(session, lake, question, own_prices, most_s)
    from analysis.faces.footer import footer
    from analysis.reports.asking import answer
    from analysis.reports.unpriced import told_under

    now = datetime.now(UTC)
    if budgets:  # else the process starts sooner without these
        from addon.commands.budgets import stored_amounts
        from addon.config.settings import Settings
        from analysis.reports.standing import budgets_now

    # The summary and the week are about the calls of this folder, as its own store knows them.
    stored = stored_amounts(Settings(data=data, config=data), now) if budgets else None

    def asked(connection: "Connection") -> Answered:
        with bounded(connection, most_s, "the report", _ADVICE):
            table = answer(connection, question, own_prices)
            total, without_price = told_under(connection)
        spent = budgets_now(connection, budgets, stored, now) if stored else []
        return Answered(question, table, list(footer(total, without_price)), total.calls, spent)

    with _mistakes(question):
        return lake.ask(asked)


def _ask_spark(
    session: "Session", lake: "Lake", question: "Question", own_prices: "Sequence[PriceOverride]", most_s: float
) -> Answered:
    from addon.commands.report_engine import mistakes_of_spark
    from analysis.engines.asking import Spark, answered, told_under
    from analysis.faces.footer import footer
    from analysis.table import fetch

    spark = Spark(session, lake, most_s)
    with mistakes_of_spark(most_s), _mistakes(question), answered(spark, question, own_prices) as (connection, sql):
        table = fetch(connection, sql)
        total, without_price = told_under(spark, connection, question.scope)
    return Answered(question, table, list(footer(total, without_price)), total.calls, [])


def ask_arrow(
    lake: "Lake",
    question: "Question",
    own_prices: "Sequence[PriceOverride]" = (),
    session: "Session | None" = None,
) -> "pa.Table":
    """The rows with DuckDB's types."""
    if session:
        from addon.commands.report_engine import mistakes_of_spark
        from analysis.engines.asking import Spark, answered

        spark = Spark(session, lake, MOST_S)
        with mistakes_of_spark(MOST_S), _mistakes(question), answered(spark, question, own_prices) as (connection, sql):
            return connection.sql(sql).to_arrow_table()
    from analysis.reports.asking import answer_as_arrow

    def asked(connection: "Connection") -> "pa.Table":
        with bounded(connection, MOST_S, "the report", _ADVICE):
            return answer_as_arrow(connection, question, own_prices)

    with _mistakes(question):
        return lake.ask(asked)


@contextmanager
def _mistakes(question: "Question") -> Iterator[None]:
    """What goes wrong in a question, as wrong usage or failure."""
    import duckdb

    from analysis.reports.asking import BadReport
    from analysis.reports.comparing import CannotCompare
    from analysis.reports.scope import BadCondition

    try:
        yield
    except (BadCondition, BadReport, CannotCompare) as error:
        raise click.UsageError(str(error)) from error
    except duckdb.OutOfMemoryException as error:
        raise Failure("this needs more memory than there is; take less time, or fewer groups") from error
    except duckdb.Error as error:  # not of the files: Lake.ask leaves out what is broken
        if question.report.file:
            raise click.UsageError(str(BadReport(question.report, error))) from error
        if question.where is None:
            raise Failure(str(error)) from error
        raise click.UsageError(str(BadCondition(question.where, error))) from error


def say_if_none(answered: Answered) -> None:
    """Where no call fits, how to find some."""
    if not answered.calls:
        fit = " that fit --where" if answered.question.where else ""
        warn(f"no calls{fit} {answered.question.window}; --since 365d looks further back")
