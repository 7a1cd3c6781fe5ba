"""A question that never ends is stopped, in clear words."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import duckdb
import pytest

from addon.commands.bounded import bounded
from addon.commands.report_answers import ask
from analysis.lake import Lake
from analysis.reports.reading import read_question
from analysis.reports.zone import zone_of
from tests.analysis.writing import made_up_rows, to_parquet

ENDLESS = "(with recursive n as (select 1 as x union all select x + 1 from n) select sum(x) from n) > 0"


def test_a_condition_that_never_ends_is_wrong_usage_after_a_while(tmp_path: Path) -> None:
    to_parquet(tmp_path, made_up_rows(20), 1)
    question = read_question(
        "costs", now=datetime(2026, 11, 22, tzinfo=UTC), zone=zone_of("UTC"), since="2026-11-01", where=ENDLESS
    )
    with pytest.raises(click.UsageError, match=r"took more than 0\.5 s and was stopped; take less time") as stopped:
        ask(Lake(tmp_path), question, tmp_path, most_s=0.5)
    assert stopped.value.exit_code == 2


def test_a_statement_that_never_ends_is_wrong_usage_after_a_while(tmp_path: Path) -> None:
    code = "from addon.commands.sql import sql; sql()"
    command = [sys.executable, "-c", code, "--data", str(tmp_path), "--timeout", "0.5", f"select {ENDLESS}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert (
        "the statement took more than 0.5 s and was stopped; ask for fewer calls, or give it longer: --timeout 1"
        in (result.stderr)
    )
    assert not result.stdout


def test_rows_that_never_come_after_the_first_are_waited_for_as_long() -> None:
    def rows(connection: duckdb.DuckDBPyConnection) -> Iterator[int]:
        yield 1
        connection.execute(f"select {ENDLESS}")

    connection = duckdb.connect()
    with (
        pytest.raises(click.UsageError, match=r"this took more than 0\.2 s"),
        bounded(connection, 0.2, "this", "") as clock,
    ):
        list(clock.of(rows(connection)))


def test_a_slow_reader_of_rows_is_not_stopped() -> None:
    connection = duckdb.connect()
    with bounded(connection, 5, "this", "") as clock:
        for _ in clock.of(iter([1])):
            assert not clock.is_over(0)
    assert not clock.is_over(0)
