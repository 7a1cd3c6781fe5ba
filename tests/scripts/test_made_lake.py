from datetime import UTC, date, datetime
from pathlib import Path

from analysis.lake import Lake
from scripts.made_lake import make_lake


def test_a_made_lake_has_the_calls_that_were_asked_for_and_what_some_of_them_said(tmp_path: Path) -> None:
    made = make_lake(tmp_path, 3_000, datetime(2026, 11, 21, tzinfo=UTC), days=3)
    with Lake(tmp_path, lambda message: None).connect() as connection:
        (found,) = connection.sql("""
            select count(*), count(distinct request_id), count(distinct date), min(date), max(date),
                count(*) filter (error_type is not null) > 0, count(*) filter (cache_status = 'hit') > 0,
                count(*) - count(cost_nanousd) > 0, bool_and(cast(started_at as date) = date)
            from requests
        """).fetchall()
        (said,) = connection.sql("select count(*) from bodies join requests using (request_id)").fetchall()
        (repeated,) = connection.sql("""
            with turns as (
                select request_body, lag(request_body) over (partition by session_id order by started_at) as earlier
                from bodies join (select request_id, session_id from requests) using (request_id)
                where session_id is not null
            )
            select count(*), count(*) filter (starts_with(request_body, earlier[:-3])) from turns where earlier is not null
        """).fetchall()
    assert found == (3_000, 3_000, 3, date(2026, 11, 19), date(2026, 11, 21), True, True, True, True)
    assert made.calls == 3_000 and said == (made.with_bodies,)
    assert repeated[0] > 500 and repeated[0] == repeated[1], "each turn repeats what was said before"
