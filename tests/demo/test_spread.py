"""The demo's calls are moved to earlier days, and nothing else of them changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from addon.demo.spread import spread
from addon.storage.record import RequestRow
from analysis.lake import Lake
from tests.analysis.writing import made_up_rows, to_parquet

MADE_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def in_seconds(number: int) -> list[RequestRow]:
    """Rows a tenth of a second apart; numbers 40 to 44 are a session."""
    return [
        replace(
            row,
            started_at=MADE_AT + timedelta(seconds=i / 10),
            session_id="s" if 40 <= i < 45 else None,
        )
        for i, row in enumerate(made_up_rows(number))
    ]


def table(data: Path, sql: str) -> list[Any]:
    return Lake(data).ask(lambda connection: connection.execute(sql).fetchall())


def test_calls_are_spread_in_their_order_over_the_days_before(tmp_path: Path) -> None:
    rows = in_seconds(300)
    to_parquet(tmp_path, rows[:150], 1)
    to_parquet(tmp_path, rows[150:], 2)
    before = table(tmp_path, "select * exclude (started_at, date) from requests order by started_at")
    spread(tmp_path, 29)
    assert table(tmp_path, "select * exclude (started_at, date) from requests order by started_at") == before
    assert table(tmp_path, "select count(distinct date) from requests where date = started_at::date") == [(30,)]
    ((first, last),) = table(tmp_path, "select min(started_at)::timestamp, max(started_at)::timestamp from requests")
    assert last.replace(tzinfo=UTC) == rows[-1].started_at
    assert timedelta(days=29) <= last - first <= timedelta(days=29, minutes=1)


def test_a_session_stays_together_and_bodies_move_with_their_calls(tmp_path: Path) -> None:
    to_parquet(tmp_path, in_seconds(100), 1)
    spread(tmp_path, 29)
    ((took,),) = table(tmp_path, "select max(started_at) - min(started_at) from requests where session_id = 's'")
    assert took == timedelta(seconds=0.4)
    moved = "select count(*) from requests r join bodies b using (request_id) where r.started_at = b.started_at"
    assert table(tmp_path, moved) == [(100,)]


def test_no_call_or_a_single_one_can_be_spread(tmp_path: Path) -> None:
    spread(tmp_path / "empty")
    to_parquet(tmp_path / "one", in_seconds(1), 1)
    spread(tmp_path / "one")
    assert table(tmp_path / "one", "select started_at::timestamp from requests") == [(MADE_AT.replace(tzinfo=None),)]
