"""The demo's ratings and scores: the same for the same answers, and not for all."""

from dataclasses import replace
from pathlib import Path

from addon.demo.ratings import rate
from analysis.lake import Lake
from tests.analysis.writing import made_up_rows, to_parquet

SAID = """
    select count(*), count(*) filter (where rating), count(distinct f.request_id),
        min(f.created_at - r.started_at) = interval 3 minutes and max(f.created_at - r.started_at) = interval 3 minutes
    from feedback f join requests r using (request_id)
    where r.error_type is null
"""


def test_some_answers_are_rated_and_some_scored_minutes_after_the_call(tmp_path: Path) -> None:
    to_parquet(tmp_path, [replace(row, response_id=f"id-{i}") for i, row in enumerate(made_up_rows(300))], 1)
    rate(tmp_path)
    lake = Lake(tmp_path)
    ((rated, good, calls, is_later),) = lake.ask(lambda connection: connection.execute(SAID).fetchall())
    ((scored, lowest, highest),) = lake.ask(
        lambda connection: connection.execute(
            "select count(*), min(value), max(value) from scores where name = 'accuracy'"
        ).fetchall()
    )
    assert 40 < rated < 140
    assert rated == calls
    assert 0 < good < rated
    assert is_later
    assert 20 < scored < 100
    assert 0.6 <= lowest < highest <= 1
