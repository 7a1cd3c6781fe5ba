"""The views `calls` and `calls_before`: which calls are in them, with which columns, and that every .sql file asks them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from addon.storage.record import RequestRow
from analysis.lake import Connection, Lake, view_definitions
from analysis.reports import report
from analysis.reports.dimensions import DIMENSIONS
from analysis.reports.scope import BadCondition, Scope, open_scope, printed_views
from analysis.reports.window import EVER, Window
from analysis.table import fetch
from tests.analysis.writing import FIRST_DAY, made_up_rows, to_parquet

# Those of from_bodies/ ask tables that are made in Python.
FILES = [
    file for folder in ("internal", "sql") for file in sorted(Path(report.__file__).with_name(folder).glob("*.sql"))
]
SECOND_DAY = Window(FIRST_DAY + timedelta(days=1), FIRST_DAY + timedelta(days=2))


def ask(data: Path, scope: Scope, sql: str) -> list[tuple[Any, ...]]:
    def question(connection: Connection) -> list[tuple[Any, ...]]:
        open_scope(connection, scope)
        return list(fetch(connection, sql).rows)

    return Lake(data).ask(question)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """A DuckDB that ran the text of `heliograph sql --views`, with calls of the last two days."""
    data = tmp_path_factory.mktemp("shell")
    shift = datetime.now(UTC) - FIRST_DAY - timedelta(days=2)
    rows = [replace(row, started_at=row.started_at + shift) for row in made_up_rows(60)]
    to_parquet(data, rows, 1)
    connection = duckdb.connect()
    connection.execute(view_definitions(data))
    connection.execute(printed_views())
    return connection


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_runs_as_it_is_after_the_printed_views(shell: duckdb.DuckDBPyConnection, file: Path) -> None:
    relation = shell.sql(file.read_text(encoding="utf-8"))
    assert relation is not None
    assert relation.columns
    relation.to_arrow_table()


def test_the_printed_views_are_of_the_last_30_days(shell: duckdb.DuckDBPyConnection) -> None:
    assert shell.sql("select count(*) from calls").fetchall() == [(60,)]
    assert shell.sql("select count(*) from calls_before").fetchall() == [(0,)]


def test_calls_are_those_of_the_window_and_calls_before_those_of_the_period_before(
    data: Path, rows: list[RequestRow]
) -> None:
    of_second = [row for row in rows if row.started_at >= SECOND_DAY.since]
    assert ask(data, Scope(SECOND_DAY), "select count(*) from calls") == [(len(of_second),)]
    assert ask(data, Scope(SECOND_DAY), "select count(*) from calls_before") == [(len(rows) - len(of_second),)]


def test_a_condition_names_columns_dimensions_and_properties(data: Path, rows: list[RequestRow]) -> None:
    where = (
        "model = 'gpt-4o' and \"user\" = 'ann' and properties['feature'] = 'chat' and duration_ms > 100 -- a comment"
    )
    expected = [
        row
        for row in rows
        if (row.response_model or row.request_model) == "gpt-4o"
        and row.user_id == "ann"
        and row.properties.get("feature") == "chat"
        and (row.duration_ms or 0) > 100
    ]
    assert expected
    assert ask(data, Scope(EVER, where), "select count(*) from calls") == [(len(expected),)]


def test_every_dimension_is_a_column_and_so_is_a_named_property(data: Path) -> None:
    names = ", ".join(f'"{name}"' for name in DIMENSIONS)
    scope = Scope(EVER, None, ("property:Feature", "property:x\"]'); drop view calls --"))
    assert len(ask(data, scope, f"select {names} from calls")) == 400
    assert ask(data, scope, 'select distinct "property:Feature" from calls order by 1') == [
        ("chat",),
        ("search",),
        (None,),
    ]


@pytest.mark.parametrize(
    "where",
    [
        "model = 'x') or (1 = 1",
        "1 = 1; drop view calls",
        "1 = 1, 2 = 2",
        "model as x",
        "count(*) > 1",
        "nix = 1",
        "copy (select 1) to 'x'",
        "model = 'x' /* open",
        "1 = 1 limit 5",
        "",
    ],
)
def test_what_is_not_a_condition_is_refused(data: Path, where: str) -> None:
    with pytest.raises(BadCondition):
        ask(data, Scope(EVER, where), "select count(*) from calls")


def test_a_condition_reads_no_files(data: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with pytest.raises((duckdb.Error, BadCondition)):
        ask(data, Scope(EVER, f"exists (from read_csv('{secret}'))"), "select count(*) from calls")


@pytest.mark.parametrize(("view", "files"), [("calls", "1/3"), ("calls_before", "2/3")])
def test_only_the_files_of_the_window_are_opened(data: Path, view: str, files: str) -> None:
    window = Window(SECOND_DAY.since, SECOND_DAY.since + timedelta(hours=23))
    ((_, plan),) = ask(data, Scope(window), f"explain analyze select count(started_at) from {view}")
    assert f"Scanning Files: {files}" in plan
