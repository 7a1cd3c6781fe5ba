"""Which rows lie next to each other in a merged file, and how much memory that takes."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from addon.settling.merge import merge_day, worth_merging
from addon.settling.merge_order import by_session
from addon.settling.parquet import read_parts, write_parquet
from addon.settling.settled_files import dump_line, row_fields
from addon.storage.folders import Folders, tried_lock
from addon.storage.record import BodyRow, RequestRow
from scripts.made_lake import bodies_of

DAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MB = 2**20


def segment(number: int) -> str:
    return f"20261121T120000-0123456789abcdef-{number:06d}"


def write(folders: Folders, number: int, calls: Sequence[tuple[str, str | None, float]], text: str = "hello") -> Path:
    """A file of each table, a row for each (id, session, minute). Returns the bodies."""
    at = {call: NOON + timedelta(minutes=minute) for call, _, minute in calls}
    requests = [
        RequestRow(
            request_id=call, started_at=at[call], provider_name="openai", operation_name="chat", session_id=session
        )
        for call, session, _ in calls
    ]
    bodies = [BodyRow(request_id=call, started_at=at[call], request_body=text + call) for call, _, _ in calls]
    for table, rows in (("requests", requests), ("bodies", bodies)):
        lines = [dump_line(row_fields(row)) for row in rows]
        write_parquet(folders.parquet(table, segment(number), DAY), table, read_parts(lines, table))
    return folders.parquet("bodies", segment(number), DAY)


def ids(parts: Sequence[pa.Table]) -> list[str]:
    return [request_id for part in parts for request_id in part["request_id"].to_pylist()]


def requests(folders: Folders) -> list[Path]:
    return sorted(folders.lake_day("requests", DAY).glob("*.parquet"))


def test_bodies_of_a_session_are_together_and_sessions_are_in_order_of_their_first_call(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    write(folders, 1, [("a1", "a", 1), ("b1", "b", 2), ("lone", None, 3), ("a2", "a", 4)])
    write(folders, 2, [("c1", "c", 0), ("b2", "b", 6), ("late", None, 9), ("a3", "a", 8)])
    merged = merge_day(folders, "bodies", DAY)
    assert merged is not None
    assert pq.read_table(merged)["request_id"].to_pylist() == ["c1", "a1", "a2", "a3", "b1", "b2", "lone", "late"]


def test_a_call_whose_row_is_in_no_file_has_its_place_by_time(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    bodies = [write(folders, number, [(f"{number}", "s", number)]) for number in (3, 1, 2)]
    requests(folders)[0].unlink()
    assert ids(list(by_session(bodies, requests(folders), None))) == ["1", "2", "3"]
    assert ids(list(by_session(bodies, [], None))) == ["1", "2", "3"]


def test_damaged_rows_cost_the_order_of_bodies_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = Folders(tmp_path)
    bodies = [write(folders, number, [(f"{number}", "s", number)]) for number in (2, 1)]
    requests(folders)[0].write_bytes(b"PAR1" + b"junk" * 9 + b"PAR1")
    assert sorted(ids(list(by_session(bodies, requests(folders), None)))) == ["1", "2"]
    assert "cannot be read" in capsys.readouterr().err


def test_bodies_are_sorted_part_by_part_in_bounded_memory(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    body = "x" * 10_000
    files = [
        write(folders, number, [(f"{number:02}/{n}", f"s{n}", number + n / 99) for n in range(20)], body)
        for number in range(10)
    ]
    whole = list(by_session(files, requests(folders), None))
    parts = list(by_session(files, requests(folders), None, part_bytes=100_000))
    assert ids(whole) == ids(parts) == [f"{number:02}/{n}" for n in range(20) for number in range(10)]
    assert len(parts) > 15 and max(part.nbytes for part in parts) < 150_000
    windows = list(by_session(files, requests(folders), None, window_bytes=600_000))
    assert len(windows) > 1 and sorted(ids(windows)) == sorted(ids(whole)), "a long day is sorted piece by piece"


def test_a_turn_of_a_long_conversation_takes_few_bytes_once_merged(tmp_path: Path) -> None:
    """Ten conversations of 50 turns at the same time, 33 KB a call on average."""
    folders = Folders(tmp_path)
    turns = [(f"{turn:02}-{session}", f"s{session}") for turn in range(50) for session in range(10)]
    made = bodies_of(
        np.random.default_rng(1),
        pa.table(
            {
                "request_id": [call for call, _ in turns],
                "started_at": pa.array([NOON + timedelta(seconds=n) for n in range(500)], pa.timestamp("us", tz="UTC")),
                "session_id": [session for _, session in turns],
                "session_name": ["demo"] * 500,
            }
        ),
    )
    for number in range(5):
        write(folders, number, [(call, session, 0) for call, session in turns[number * 100 : (number + 1) * 100]])
        part = made.slice(number * 100, 100)
        write_parquet(folders.parquet("bodies", segment(number), DAY), "bodies", [part])
    merged = merge_day(folders, "bodies", DAY)
    assert merged is not None
    assert made.nbytes / 500 > 30_000
    assert merged.stat().st_size / 500 < 900
    assert pq.read_table(merged).sort_by("request_id").equals(made.sort_by("request_id"))


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ({"a": 1, "b": 2}, "ab"),
        ({"small": 1, "large": 500 * MB}, ["small"]),  # one late row does not write 500 MB again
        ({"a": 60 * MB, "b": 60 * MB, "large": 400 * MB}, ["a", "b", "large"]),
        ({"a": 60 * MB, "b": 100 * MB, "large": 900 * MB}, ["a", "b"]),
        ({"one": 100 * MB, "two": 100 * MB}, []),
        ({}, []),
    ],
)
def test_a_large_file_is_written_again_only_with_enough_new_rows(sizes: dict[str, int], chosen: Sequence[str]) -> None:
    assert worth_merging(sizes) == list(chosen)


def test_only_one_process_merges_in_a_folder(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    with tried_lock(folders.merge_lock) as first, tried_lock(folders.merge_lock) as second:
        assert (first, second) == (True, False)
    with tried_lock(folders.merge_lock) as again:
        assert again
