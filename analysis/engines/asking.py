"""A question answered by Spark. What comes back gets DuckDB's types, on a connection of DuckDB that has no lake: the faces of a
report, its comparison and the lines under it are made of that as ever.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from analysis.engines.from_bodies import BODIES_OF, CALLS_OF
from analysis.engines.spark_files import add_views, view_name
from analysis.engines.spark_session import Session, SparkFailed, failures
from analysis.engines.translation import Statement, of_sql
from analysis.engines.without_lake import put, without_lake
from analysis.lake import ATTEMPTS, Connection, Lake
from analysis.reports.asking import numbered, open_checked, ready
from analysis.reports.comparing import compared
from analysis.reports.prepared import is_of_bodies
from analysis.reports.question import Question
from analysis.reports.report import Totals, load, load_internal, totals
from analysis.reports.scope import Scope, open_scope
from analysis.reports.unpriced import Unpriced
from analysis.reports.window import before

if TYPE_CHECKING:
    import pyarrow as pa

    from addon.metering.overrides import PriceOverride

_ANSWER: Final = "spark_answer"


@dataclass(frozen=True, slots=True)
class Spark:
    """One lake, asked by a session. `most_s`: what a statement may take."""

    session: Session
    lake: Lake
    most_s: float | None = None

    def rows(self, sql: str, scope: Scope, limit: int = 0) -> "pa.Table":
        """The answer to SQL over the views of a scope. Raises CannotTranslate, SparkFailed, CannotRead and Stopped."""
        has_changes = self.lake.files()["property_changes"].has_rows
        return self._asked(of_sql(sql, scope, limit, "spark", view_name, has_changes=has_changes), scope)

    def _asked(self, statement: Statement, scope: Scope) -> "pa.Table":
        lake = _of_window(self.lake, scope) if statement.of_window else self.lake
        for attempt in range(1, ATTEMPTS + 1):
            listings = lake.files()
            try:
                with failures():
                    add_views(self.session.spark, listings, statement.reads)
                return self.session.arrow(statement.sql, self.most_s)
            except SparkFailed:
                read = [file for table in statement.reads for file in listings[table].parquet]
                if attempt == ATTEMPTS or all(file.exists() for file in read):
                    raise  # else a merge replaced a file since it was listed
        raise AssertionError("the last attempt returns or raises")


@contextmanager
def answered(
    spark: Spark, question: Question, own_prices: "Sequence[PriceOverride]" = ()
) -> Iterator[tuple[Connection, str]]:
    """A connection with the rows, and SQL that gives them. Raises as `Spark.rows`, and BadCondition, BadReport, CannotCompare."""
    if is_of_bodies(question.report.name):
        with without_lake(_calls_and_bodies(spark, question)) as connection:
            yield connection, ready(connection, question, own_prices)
        return
    with without_lake({}) as connection:
        open_checked(connection, question)
        if not question.is_compared or question.report.reads_before:
            put(connection, _ANSWER, question.sql, spark.rows(question.sql, question.scope, question.limit))
            yield connection, f"select * from {_ANSWER}"
            return

        def keep(connection: Connection, table: str, question: Question) -> None:
            open_scope(connection, question.scope, question.views)
            put(connection, _ANSWER, question.sql, spark.rows(question.sql, question.scope))
            connection.execute(numbered(table, _ANSWER))

        yield connection, compared(connection, question, keep)


def told_under(spark: Spark, connection: Connection, scope: Scope) -> tuple[Totals, list[Unpriced]]:
    """The totals of the scope and its calls without a price. `connection`: of `answered`."""
    open_scope(connection, scope)
    sql = load_internal("footer_calls").sql
    put(connection, "footer_calls", sql, spark.rows(sql, scope))
    total = totals(connection, "footer_calls")
    if not total.unpriced:
        return total, []
    rows = spark.rows(load("unpriced").sql, scope).to_pylist()
    return total, [Unpriced(row["provider_name"], row["response_model"], row["calls"], row["why"]) for row in rows]


def _calls_and_bodies(spark: Spark, question: Question) -> "dict[str, pa.Table]":
    """The calls that a report of bodies looks at, and what was said in them: few, so they are brought here."""
    name, scope = question.report.name, question.scope
    return {
        "requests": spark.rows(CALLS_OF[name], scope, question.limit),
        "bodies": spark.rows(BODIES_OF[name], scope, question.limit),
    }


def _of_window(lake: Lake, scope: Scope) -> Lake:
    """Of the days of the scope and of the period before: the files of other days are not even listed."""
    return lake.of_days(
        before(scope.window).since.date(), scope.window.until.date() if scope.window.until else date.max
    )
