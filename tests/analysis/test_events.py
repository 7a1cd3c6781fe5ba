"""What was said of calls after they ended, as the views show it: the newest counts, and old folders have none."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from addon.storage.record import EventRow, FeedbackRow, PropertyChangeRow, RequestRow, ScoreRow
from analysis.lake import Lake, view_definitions
from analysis.table import fetch
from tests.analysis.writing import FIRST_DAY, made_up_rows, settle, tell, to_parquet

ROWS = made_up_rows(20)
ID = ROWS[3].request_id


def later(minutes: int) -> datetime:
    return FIRST_DAY + timedelta(minutes=minutes)


def feedback(rating: bool, minutes: int, request_id: str = ID) -> FeedbackRow:
    return FeedbackRow(request_id=request_id, created_at=later(minutes), rating=rating)


def score(name: str, value: float, minutes: int, request_id: str = ID) -> ScoreRow:
    return ScoreRow(request_id=request_id, created_at=later(minutes), name=name, value=value)


def change(name: str, value: str, minutes: int, request_id: str = ID) -> PropertyChangeRow:
    return PropertyChangeRow(request_id=request_id, created_at=later(minutes), name=name, value=value)


def rows_of(data: Path, statement: str) -> list[tuple[Any, ...]]:
    return list(Lake(data).ask(lambda connection: fetch(connection, statement)).rows)


def store(data: Path, older: Sequence[EventRow], newer: Sequence[EventRow], newer_is_parquet: bool) -> None:
    """The calls, and what was said of them, in Parquet and in settled lines."""
    to_parquet(data, ROWS[:10], 1)
    settle(data, ROWS[10:], 2)
    tell(data, older, 3, parquet=not newer_is_parquet)
    tell(data, newer, 4, parquet=newer_is_parquet)


@pytest.mark.parametrize("newer_is_parquet", [True, False])
def test_the_newest_counts_wherever_it_is(tmp_path: Path, newer_is_parquet: bool) -> None:
    older: list[EventRow] = [
        feedback(True, 1),
        score("accuracy", 0.25, 1),
        score("depth", 3, 2000),
        change("stage", "new", 1),
    ]
    newer: list[EventRow] = [
        feedback(False, 2),
        score("accuracy", 0.75, 2),
        score("depth", 1, 5),
        change("stage", "done", 2),
    ]
    store(tmp_path, older, newer, newer_is_parquet)
    assert rows_of(tmp_path, "select request_id, rating, epoch(created_at) from feedback") == [
        (ID, False, later(2).timestamp())
    ]
    assert rows_of(tmp_path, "select name, value from scores order by name") == [
        ("accuracy", 0.75),
        ("depth", 3.0),
        ("helicone-score-feedback", 0.0),
    ]
    assert rows_of(tmp_path, "select name, value from property_changes") == [("stage", "done")]
    assert rows_of(tmp_path, "select count(*) from all_scores") == [(4,)]


@pytest.mark.parametrize("newer_is_parquet", [True, False])
def test_set_properties_are_among_the_calls_own_and_win(tmp_path: Path, newer_is_parquet: bool) -> None:
    with_feature = next(row for row in ROWS if "feature" in row.properties)
    bare = next(row for row in ROWS if not row.properties)
    first = [change("stage", "new", 1, with_feature.request_id), change("feature", "other", 1, with_feature.request_id)]
    store(tmp_path, first, [change("stage", "done", 2, bare.request_id)], newer_is_parquet)
    found = dict(rows_of(tmp_path, "select request_id, properties from requests"))
    expected = {row.request_id: row.properties for row in ROWS}
    expected[with_feature.request_id] = with_feature.properties | {"stage": "new", "feature": "other"}
    expected[bare.request_id] = {"stage": "done"}
    assert found == expected
    assert rows_of(tmp_path, "select count(*) from requests where properties['stage'] = 'done'") == [(1,)]


def test_an_event_goes_to_every_call_with_its_id_and_doubles_none(tmp_path: Path) -> None:
    twice: list[RequestRow] = [ROWS[3], replace(ROWS[4], request_id=ID)]
    settle(tmp_path, twice, 1)
    tell(tmp_path, [change("stage", "new", 1), change("stage", "done", 2), change("by", "ann", 2)], 2)
    found = rows_of(tmp_path, "select request_id, properties['stage'], properties['by'] from requests")
    assert found == [(ID, "done", "ann")] * 2


def test_an_event_that_comes_before_its_call_waits_for_it(tmp_path: Path) -> None:
    tell(tmp_path, [feedback(True, 1), change("stage", "done", 1)], 1)
    assert rows_of(tmp_path, "select rating from feedback") == [(True,)]
    assert rows_of(tmp_path, "select count(*) from requests") == [(0,)]
    settle(tmp_path, ROWS, 2)
    assert rows_of(tmp_path, "select request_id from requests where properties['stage'] is not null") == [(ID,)]


def test_a_folder_without_events_has_empty_views_with_all_columns(data: Path) -> None:
    for view, columns in {
        "feedback": ["request_id", "rating", "created_at"],
        "scores": ["request_id", "name", "value", "created_at"],
        "property_changes": ["request_id", "name", "value", "created_at"],
    }.items():
        assert [row[0] for row in rows_of(data, f"describe {view}")] == columns
        assert rows_of(data, f"select count(*) from {view}") == [(0,)]


def test_odd_text_in_names_and_values_comes_back_as_it_was(tmp_path: Path) -> None:
    odd = "quote ' \" back \\ line\nnul \x00 snow ☃ 😀 ${x} %s"
    settle(tmp_path, ROWS, 1)
    tell(tmp_path, [score(odd, 1, 1), change(odd, odd, 1)], 2)
    assert rows_of(tmp_path, "select name from scores") == [(odd,)]
    ((properties,),) = rows_of(tmp_path, f"select properties from requests where request_id = '{ID}'")
    assert properties == ROWS[3].properties | {odd: odd}


def test_the_printed_views_show_the_same(tmp_path: Path) -> None:
    older: list[EventRow] = [feedback(True, 1), score("accuracy", 0.25, 1), change("stage", "new", 1)]
    newer: list[EventRow] = [feedback(False, 2), score("accuracy", 0.75, 2), change("stage", "done", 2)]
    store(tmp_path, older, newer, newer_is_parquet=True)
    tell(tmp_path, newer, 4)  # a settled file beside its Parquet
    with duckdb.connect() as plain:
        plain.execute(view_definitions(tmp_path))
        assert plain.sql("select rating from feedback").fetchall() == [(False,)]
        assert plain.sql("select name, value from scores order by 1").fetchall() == [
            ("accuracy", 0.75),
            ("helicone-score-feedback", 0.0),
        ]
        assert plain.sql("select count(*) from all_feedback").fetchall() == [(2,)]
        assert plain.sql("select request_id from requests where properties['stage'] = 'done'").fetchall() == [(ID,)]
