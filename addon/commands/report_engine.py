"""Which engine answers a report: DuckDB in this process, or a Spark that exists; and the text for an engine that we do not run."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from addon.commands.options import Failure

if TYPE_CHECKING:
    from analysis.engines.spark_session import Session
    from analysis.reports.question import Question


@dataclass(frozen=True, slots=True)
class Engine:
    """`prints_sql`: the statement is all that is wanted."""

    name: Literal["duckdb", "spark", "trino"] = "duckdb"
    master: str | None = None
    prints_sql: bool = False


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--engine`, `--master` and `--sql` as one argument, `engine`."""

    @functools.wraps(command)
    def with_engine(*given: Any, engine: Any, master: str | None, sql: bool, **named: Any) -> Any:
        chosen = Engine(engine, master, sql)
        _check(chosen)
        return command(*given, engine=chosen, **named)

    options = (
        click.option(
            "--engine",
            type=click.Choice(["duckdb", "spark", "trino"]),
            default="duckdb",
            show_default=True,
            help="What answers: DuckDB here, or Spark. Of Trino there is the text alone, with --sql.",
        ),
        click.option(
            "--master",
            metavar="URL",
            help="Of --engine spark: spark://host:7077, sc://host:15002 (Spark Connect), yarn, k8s://..., local[*]. Default:"
            " [spark] master of the settings, else local[*].",
        ),
        click.option("--sql", is_flag=True, help="Of --engine spark and trino: print the statement and ask nothing."),
    )
    for option in reversed(options):
        with_engine = option(with_engine)
    return with_engine


def _check(engine: Engine) -> None:
    if engine.master is not None and engine.name != "spark":
        raise click.UsageError("--master is for --engine spark")
    if engine.prints_sql and engine.name == "duckdb":
        raise click.UsageError(
            "--sql is for --engine spark and trino; DuckDB runs the files of the reports as they are"
        )
    if engine.name == "trino" and not engine.prints_sql:
        raise click.UsageError("--engine trino: heliograph does not run Trino; add --sql, and give it the text")


def print_statements(engine: Engine, questions: "list[Question]") -> None:
    """The statement of each question, for another engine."""
    with _mistakes():
        from analysis.engines.statements import statement_of

        assert engine.name != "duckdb"  # refused above
        click.echo("\n\n".join(f"{statement_of(question, engine.name)};" for question in questions))


@contextmanager
def session_of(engine: Engine, configured: str | None) -> "Iterator[Session | None]":
    """A session of Spark while it is needed; None: DuckDB answers. `configured`: [spark] master."""
    if engine.name != "spark":
        yield None
        return
    with _mistakes():
        from analysis.engines.spark_session import LOCAL, Session

        session = Session(engine.master or configured or LOCAL)
    try:
        yield session
    finally:
        session.close()


@contextmanager
def _mistakes() -> Iterator[None]:
    """What cannot be asked of the engine, as wrong usage."""
    from analysis.reports.asking import BadReport
    from analysis.reports.scope import BadCondition

    try:
        from analysis.engines.rewrites import CannotTranslate
    except ImportError as error:
        raise click.UsageError(
            "--engine spark and trino need the extra spark (or trino, for --sql alone): pip install 'heliograph[spark]'"
        ) from error
    from analysis.engines.spark_session import NoSpark

    try:
        yield
    except (CannotTranslate, NoSpark, BadCondition, BadReport) as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def mistakes_of_spark(most_s: float) -> Iterator[None]:
    """What goes wrong while Spark is asked, as wrong usage or failure."""
    from analysis.engines.spark_files import CannotRead
    from analysis.engines.spark_session import NoFunction, SparkFailed, Stopped

    with _mistakes():
        try:
            yield
        except (CannotRead, NoFunction) as error:
            raise click.UsageError(str(error)) from error
        except SparkFailed as error:
            raise Failure(f"Spark: {error}") from error
        except Stopped as error:
            raise click.UsageError(
                f"the report took more than {most_s:,g} s and was stopped; take less time (--since 7d) or a larger cluster"
            ) from error
