"""Every report, by every dimension, as SQL of Spark and of Trino: it can be translated, and their parsers take it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from analysis.engines.rewrites import FUNCTIONS, CannotTranslate, Dialect
from analysis.engines.statements import statement_of
from analysis.engines.translation import of_question
from analysis.reports.dimensions import DIMENSIONS
from analysis.reports.prepared import is_of_bodies
from analysis.reports.question import Question
from analysis.reports.reading import read_question
from analysis.reports.report import REPORTS, load
from analysis.reports.shelf import read_shelf
from analysis.reports.zone import zone_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OF_SQL = [name for name in REPORTS if not is_of_bodies(name)]
ENGINES: Sequence[Dialect] = ("spark", "trino")
# Of DuckDB alone: neither engine has them.
DUCKDBS = {"getvariable", "timed_percentiles", "columns", "quantile_cont", "list_mad", "list_avg", "make_timestamp"}


ZONES = {name: zone_of(name) for name in ("UTC", "Europe/Berlin")}


def question(name: str, *, tz: str = "UTC", **asked: str | int) -> Question:
    return read_question(name, now=NOW, zone=ZONES[tz], **asked)  # type: ignore[arg-type]


def text(asked: Question, engine: Dialect) -> str:
    return of_question(asked, engine, lambda table: f"heliograph.{table}").sql


def check(sql: str, engine: Dialect) -> None:
    """It is one statement, whose tables are those of the lake and its own, without words of DuckDB."""
    (tree,) = sqlglot.parse(sql, read=engine)
    assert tree is not None
    own = {cte.alias for cte in tree.find_all(exp.CTE)} | {"_qualified", "_u", "_u_2", "kinds"}
    others = {f"{table.db}.{table.name}" for table in tree.find_all(exp.Table) if table.name and table.name not in own}
    allowed = {f"heliograph.{table}" for table in ("requests", "bodies", "feedback", "scores", "property_changes")}
    assert others <= allowed
    assert not DUCKDBS & {call.name.lower() for call in tree.find_all(exp.Anonymous)}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", OF_SQL)
def test_a_report_can_be_translated(name: str, engine: Dialect) -> None:
    check(text(question(name, tz="Europe/Berlin", since="2026-10-01"), engine), engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_report_can_be_translated_by_every_dimension(engine: Dialect) -> None:
    by = ",".join((*DIMENSIONS, "property:feature"))
    check(text(question("costs", tz="Europe/Berlin", since="2026-10-01", by=by), engine), engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [name for name in OF_SQL if load(name).by is not None])
def test_a_report_can_be_translated_by_other_columns(name: str, engine: Dialect) -> None:
    every = {"every": "week"} if load(name).takes_times else {}
    check(
        text(question(name, by="provider,property:feature", where="properties['feature'] = 'chat'", **every), engine),
        engine,
    )


def test_groups_are_numbers_of_columns() -> None:
    tree = sqlglot.parse_one(text(question("models"), "trino"), read="trino")
    assert [each.name for each in tree.args["group"].expressions] == ["1", "2"]


def test_moments_are_written_into_the_statement() -> None:
    sql = text(question("costs", since="2026-11-01", until="2026-11-08"), "spark")
    assert "CAST('2026-11-01 00:00:00.000000+00:00' AS TIMESTAMP)" in sql
    assert "CAST('2026-11-08 00:00:00.000000+00:00' AS TIMESTAMP)" in sql


def test_all_rows_means_no_limit() -> None:
    assert "LIMIT" not in text(question("costs", limit=0), "spark")
    assert "LIMIT 7" in text(question("costs", limit=7), "spark")


def test_a_condition_outside_of_a_window_comes_before_the_limit() -> None:
    sql = text(question("errors"), "spark")
    assert sql.index("_qualified") < sql.index("LIMIT 100")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_condition_of_one_column_is_not_an_alias(engine: Dialect) -> None:
    sql = text(question("costs", where="is_stream"), engine)
    assert " AS _from\n  WHERE\n    (\n      is_stream\n    )" in sql


def test_a_question_of_the_window_alone_says_so() -> None:
    tables = str
    assert of_question(question("costs"), "spark", tables).of_window
    assert not of_question(question("cache"), "spark", tables).of_window  # the original calls may be older


def test_only_tables_that_are_asked_are_read() -> None:
    assert of_question(question("costs"), "spark", str, has_changes=False).reads == {"requests"}
    assert of_question(question("scores"), "spark", str, has_changes=False).reads == {"requests", "scores", "feedback"}
    assert of_question(question("duplicates"), "spark", str).reads == {"requests", "bodies", "property_changes"}


def test_every_function_of_the_table_has_words_in_both_engines() -> None:
    for words in FUNCTIONS.values():
        for engine in ENGINES:
            filled = words[engine].replace("{*}", "a, b")
            for index in range(3):
                filled = filled.replace(f"{{{index}}}", "'$.a'" if index else "a")
            sqlglot.parse_one(filled.replace("1e'$.a'", "1e2"), read=engine)


def own(folder: Path, sql: str) -> Question:
    (folder / "reports").mkdir()
    (folder / "reports" / "mine.sql").write_text(sql)
    return read_question("mine", shelf=read_shelf(folder), now=NOW, zone=zone_of("UTC"))


def test_a_report_of_a_person_is_translated(tmp_path: Path) -> None:
    asked = own(tmp_path, "-- Mine?\nselect model, arg_max(user_id, started_at) as last from calls group by all")
    assert "MAX_BY" in statement_of(asked, "spark")


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("-- Mine?\nselect role, count(*) from messages group by all", "the view messages is made in Python"),
        ("-- Mine?\nselect getvariable('other') from calls", "getvariable('other'): there are since, until"),
    ],
)
def test_what_cannot_be_translated_is_told(tmp_path: Path, sql: str, why: str) -> None:
    with pytest.raises(CannotTranslate) as told:
        statement_of(own(tmp_path, sql), "spark")
    assert why in str(told.value)


@pytest.mark.parametrize("name", ["tools", "prompt-cache"])
def test_reports_of_bodies_have_no_text(name: str) -> None:
    with pytest.raises(CannotTranslate, match=f"report {name} is made in Python"):
        statement_of(question(name), "trino")
