"""Answers as Python values: times without a zone, and a statement of ours runs once."""

from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from analysis.lake import Connection, Lake
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import EVER
from analysis.table import ZONED, NotAllowed, fetch, may_answer_times
from tests.analysis.writing import made_up_rows, settle

OURS = sorted((Path(__file__).parents[2] / "analysis").rglob("*.sql"))
# Texts with places to fill in, with parameters, or over tables that a report makes first.
NOT_BOUND = (duckdb.ParserException, duckdb.CatalogException, duckdb.InvalidInputException)
LEAST_BOUND = 30  # of some 70 files


def test_texts_of_ours_whose_answers_have_times_are_known_by_their_words(tmp_path: Path) -> None:
    settle(tmp_path, made_up_rows(2), 1)

    def wrong(connection: Connection) -> tuple[int, list[str]]:
        open_scope(connection, Scope(EVER))
        bound, missed = 0, []
        for file in OURS:
            text = file.read_text(encoding="utf-8")
            try:
                relation = connection.sql(text)
            except NOT_BOUND:
                continue
            bound += 1
            has_times = relation is not None and any(ZONED in str(kind) for kind in relation.types)
            if has_times and not may_answer_times(text):
                missed.append(file.name)
        return bound, missed

    bound, missed = Lake(tmp_path).ask(wrong)
    assert missed == []
    assert bound > LEAST_BOUND


@pytest.mark.parametrize(
    "sql",
    [
        "select timestamptz '2026-01-01 12:00:00+00' as begun_at",
        "select cast('2026-01-01 12:00:00+00' as timestamp with time zone) as x",  # its words do not say it
    ],
)
def test_a_time_comes_without_its_zone_whether_its_words_say_it_or_not(tmp_path: Path, sql: str) -> None:
    found = Lake(tmp_path).ask(lambda connection: (fetch(connection, sql), fetch(connection, "select 1 as one")))
    assert [table.rows for table in found] == [[(datetime.fromisoformat("2026-01-01 12:00:00"),)], [(1,)]]


def test_parameters_that_a_statement_does_not_name_are_left_out(tmp_path: Path) -> None:
    found = Lake(tmp_path).ask(lambda connection: fetch(connection, "select $a + 1 as a, 2 as a", {"a": 1, "b": 2}))
    assert (found.columns, found.rows) == (("a", "a"), [(2, 2)])


def test_two_statements_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAllowed):
        Lake(tmp_path).ask(lambda connection: fetch(connection, "select 1; select 2"))
