"""A call by its id: the files of its day are enough, and every call is found whatever its id says."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from addon.storage.record import RequestRow
from analysis.by_id import ask_by_id, days_of
from analysis.explained import request_rows
from analysis.known_calls import is_known
from analysis.lake import Lake
from tests.analysis.writing import made_up_rows, settle, to_parquet

RANDOM = "4f0c1d2e-3b4a-4c5d-8e6f-7a8b9c0d1e2f"


def id_of(moment: datetime) -> str:
    """A UUIDv7 that was made at this moment."""
    text = f"{int(moment.timestamp() * 1000):012x}"
    return f"{text[:8]}-{text[8:]}-7000-8000-000000000001"


def call(request_id: str, started_at: datetime) -> RequestRow:
    return replace(made_up_rows(1)[0], request_id=request_id, started_at=started_at)


@pytest.mark.parametrize(
    ("request_id", "days"),
    [
        (id_of(datetime(2026, 11, 19, tzinfo=UTC)), (date(2026, 11, 18), date(2026, 11, 20))),
        (id_of(datetime(2026, 11, 19, 23, 59, 59, tzinfo=UTC)).upper(), (date(2026, 11, 18), date(2026, 11, 20))),
        (RANDOM, None),
        ("ffffffff-ffff-7fff-8fff-ffffffffffff", None),  # in the year 10889
        ("00000000-0000-7000-8000-000000000000", (date(1969, 12, 31), date(1970, 1, 2))),
        ("not an id", None),
        ("", None),
    ],
)
def test_a_uuid_of_version_7_tells_its_day(request_id: str, days: tuple[date, date] | None) -> None:
    assert days_of(request_id) == days


@pytest.mark.parametrize("away", [timedelta(0), timedelta(hours=-30), timedelta(days=40), timedelta(days=-400)])
def test_a_call_is_found_whatever_time_its_id_tells(tmp_path: Path, away: timedelta) -> None:
    started_at = datetime(2026, 11, 19, 12, tzinfo=UTC)
    told, random = id_of(started_at + away), RANDOM
    to_parquet(tmp_path, [call(told, started_at), call(random, started_at)], 1)
    for request_id in (told, random):
        found = ask_by_id(Lake(tmp_path), request_id, partial(request_rows, request_id=request_id))
        assert [row.request_id for row in found] == [request_id]
        assert is_known(Lake(tmp_path), tmp_path, request_id)
    assert not is_known(Lake(tmp_path), tmp_path, id_of(started_at + timedelta(seconds=1)))


def test_a_settled_call_is_found_by_its_id(tmp_path: Path) -> None:
    started_at = datetime(2026, 11, 19, 12, tzinfo=UTC)
    settle(tmp_path, [call(id_of(started_at), started_at)], 1)
    assert is_known(Lake(tmp_path), tmp_path, id_of(started_at))


def test_files_of_other_days_are_not_opened(tmp_path: Path) -> None:
    here, elsewhere = datetime(2026, 11, 19, 12, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)
    to_parquet(tmp_path, [call(id_of(here), here)], 1)
    (broken,) = to_parquet(tmp_path, [call(id_of(elsewhere), elsewhere)], 2)
    broken.write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    said: list[str] = []
    assert is_known(Lake(tmp_path, said.append), tmp_path, id_of(here))
    assert not said
    assert not is_known(Lake(tmp_path, said.append), tmp_path, id_of(elsewhere))  # it is in no file that can be read
    assert [str(broken) in line for line in said] == [True]
