import os
import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from addon.settling.merge import finish_merges, gather_files, merge_all, merge_day, mergeable
from addon.settling.merge_order import Stopped, sorted_rows
from addon.settling.parquet import read_parts, write_parquet
from addon.settling.settled_files import dump_line, row_fields
from addon.storage.folders import Folders, make_folder
from addon.storage.lake import visible_files
from addon.storage.record import ADDED_COLUMNS, RequestRow

DAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def segment(number: int) -> str:
    return f"20261121T120000-0123456789abcdef-{number:06d}"


def write(folders: Folders, number: int, *minutes: int) -> Path:
    """A Parquet file with a row for each minute after noon."""
    rows = [
        RequestRow(
            request_id=f"{number}/{minute}",
            started_at=NOON + timedelta(minutes=minute),
            provider_name="openai",
            operation_name="chat",
            properties={"minute": str(minute)},
        )
        for minute in minutes
    ]
    path = folders.parquet("requests", segment(number), DAY)
    write_parquet(path, "requests", read_parts([dump_line(row_fields(row)) for row in rows], "requests"))
    return path


def seen(folders: Folders) -> Counter[str]:
    return Counter(
        row
        for path in visible_files(folders.data, "requests").parquet
        for row in pq.read_table(path)["request_id"].to_pylist()
    )


def test_files_of_an_earlier_version_are_merged_with_new_ones(folders: Folders) -> None:
    old, new = write(folders, 1, 1, 2), write(folders, 2, 3)
    pq.write_table(pq.ParquetFile(old).read().drop_columns(sorted(ADDED_COLUMNS["requests"])), old)
    merged = merge_day(folders, "requests", DAY)
    assert merged is not None
    table = pq.ParquetFile(merged).read()
    assert table.column_names == pq.ParquetFile(new).read().column_names
    assert table["failed_attempts"].to_pylist() == [None, None, None]


def test_a_merged_file_has_all_rows_in_order_of_time_and_hides_its_inputs(folders: Folders) -> None:
    inputs = [write(folders, 1, 5, 1, 9), write(folders, 2, 2, 30), write(folders, 3, 20, 21), write(folders, 4, 3)]
    merged = merge_day(folders, "requests", DAY)
    assert merged is not None
    table = pq.read_table(merged)
    assert table["request_id"].to_pylist() == ["1/1", "2/2", "4/3", "1/5", "1/9", "3/20", "3/21", "2/30"]
    assert dict(table["properties"].to_pylist()[0]) == {"minute": "1"}
    assert visible_files(folders.data, "requests").parquet == [merged]
    assert all(path.exists() for path in inputs), "a query may be reading them"
    assert merged.with_suffix(".replaces").read_text().splitlines() == [path.name for path in inputs]


def test_calls_of_a_merged_file_that_are_alike_are_next_to_each_other(folders: Folders) -> None:
    models, users = ("gpt-5", "claude"), ("bob", None, "ann")
    rows = [
        RequestRow(
            request_id=f"{minute}",
            started_at=NOON + timedelta(minutes=minute),
            provider_name="openai",
            operation_name="chat",
            request_model=models[minute % 2],
            user_id=users[minute % 3],
        )
        for minute in range(12)
    ]
    for number in (1, 2):
        lines = [dump_line(row_fields(row)) for row in rows[number - 1 :: 2]]
        write_parquet(folders.parquet("requests", segment(number), DAY), "requests", read_parts(lines, "requests"))
    merged = merge_day(folders, "requests", DAY)
    assert merged is not None
    table = pq.read_table(merged, columns=["request_model", "user_id", "request_id"])
    assert list(zip(*(column.to_pylist() for column in table.columns), strict=True)) == [
        (model, user, str(minute))
        for model in ("claude", "gpt-5")
        for user in ("ann", "bob", None)
        for minute in range(12)
        if (models[minute % 2], users[minute % 3]) == (model, user)
    ]


def test_gathered_files_are_one_with_all_rows_as_they_are_and_hide_their_inputs(folders: Folders) -> None:
    names = [write(folders, number, *minutes).name for number, minutes in enumerate(((3, 4), (1, 2), (5,)))]
    before = seen(folders)
    gathered = gather_files(folders, "requests", DAY, names[:2])
    assert seen(folders) == before
    assert pq.read_table(gathered)["request_id"].to_pylist() == ["0/3", "0/4", "1/1", "1/2"]
    assert list(mergeable(folders, "requests", DAY)) == names[2:], "its note still speaks of the merged file"
    assert mergeable(folders, "requests", DAY, names) == {}


def test_inputs_and_note_go_after_the_grace(folders: Folders) -> None:
    inputs = [write(folders, 1, 1), write(folders, 2, 2)]
    merged = merge_day(folders, "requests", DAY)
    assert merged is not None
    at = merged.stat().st_mtime
    finish_merges(folders, "requests", DAY, at + 59)
    assert all(path.exists() for path in inputs)
    finish_merges(folders, "requests", DAY, at + 60)
    assert list(merged.parent.iterdir()) == [merged]


def test_a_file_is_not_merged_while_its_settled_rows_or_its_note_exist(folders: Folders) -> None:
    write(folders, 1, 1)
    write(folders, 2, 2)
    lines = folders.settled_file("requests", segment(2), DAY)
    make_folder(lines.parent)
    lines.touch()
    assert merge_day(folders, "requests", DAY) is None
    lines.unlink()
    first = merge_day(folders, "requests", DAY)
    assert first is not None
    write(folders, 3, 3)
    assert merge_day(folders, "requests", DAY) is None, "the first merge still has its note"
    finish_merges(folders, "requests", DAY, first.stat().st_mtime + 60)
    second = merge_day(folders, "requests", DAY)
    assert second is not None
    assert visible_files(folders.data, "requests").parquet == [second]
    assert seen(folders) == Counter(["1/1", "2/2", "3/3"])


def test_torn_and_foreign_files_stay_as_they_are(folders: Folders) -> None:
    inputs = [write(folders, 1, 1), write(folders, 2, 2)]
    torn = write(folders, 3, 3)
    torn.write_bytes(torn.read_bytes()[:-8])
    foreign = torn.with_name("other.parquet")
    pq.write_table(pq.read_table(inputs[0]).select(["request_id"]), foreign)
    merged = merge_day(folders, "requests", DAY)
    assert merged is not None
    assert merged.with_suffix(".replaces").read_text().splitlines() == [path.name for path in inputs]


def test_a_foreign_or_broken_file_keeps_no_other_from_being_merged(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [write(folders, number, number) for number in range(3)]
    garbage, empty = first[0].with_name("0.parquet"), first[0].with_name("1.parquet")
    garbage.write_bytes(b"PAR1" + b"junk" * 9 + b"PAR1")
    pq.write_table(pq.read_table(first[0])[:0], empty)
    later = [
        path.rename(make_day(folders, DAY + timedelta(days=1)) / path.name)
        for path in (write(folders, number, number) for number in range(3, 6))
    ]
    pages = bytearray(first[0].read_bytes())
    pages[10:300] = b"\xff" * 290
    first[0].write_bytes(pages)
    long_after = datetime(2027, 1, 1, tzinfo=UTC).timestamp() + 1e7
    assert merge_all(folders, long_after) == 1
    assert f"date={DAY}: cannot be merged" in capsys.readouterr().err
    assert all(path.exists() for path in (*first, garbage, empty, *later))
    assert seen_on(folders, DAY + timedelta(days=1)) == Counter(f"{number}/{number}" for number in range(3, 6))


def make_day(folders: Folders, day: date) -> Path:
    folder = folders.lake_day("requests", day)
    make_folder(folder)
    return folder


def seen_on(folders: Folders, day: date) -> Counter[str]:
    """The rows of one day, which is merged into one file."""
    (merged,) = [path for path in visible_files(folders.data, "requests").parquet if path.parent.name == f"date={day}"]
    return Counter(pq.read_table(merged)["request_id"].to_pylist())


def test_a_merge_that_was_killed_hides_nothing_and_is_done_again(folders: Folders) -> None:
    inputs = [write(folders, 1, 1), write(folders, 2, 2)]
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        merge_day(folders, "requests", DAY, stop)
    assert visible_files(folders.data, "requests").parquet == inputs
    merged = merge_day(folders, "requests", DAY)
    assert merged is not None
    assert seen(folders) == Counter(["1/1", "2/2"])

    merged.unlink()  # as if the note had been all that came to be
    finish_merges(folders, "requests", DAY, merged.parent.stat().st_mtime)
    assert visible_files(folders.data, "requests").parquet == inputs
    assert not merged.with_suffix(".replaces").exists()


def test_files_that_overlap_in_time_are_merged_in_bounded_memory(folders: Folders) -> None:
    inputs = [write(folders, number, 0, number, 99) for number in range(1, 20)]
    one = pq.read_table(inputs[0]).nbytes
    parts = list(sorted_rows(inputs, "requests", None, most_bytes=3 * one))
    assert all(part.nbytes <= 5 * one for part in parts)
    merged = Counter(row for part in parts for row in part["request_id"].to_pylist())
    assert merged == seen(folders) and merged.total() == 3 * 19


def test_today_is_merged_at_a_hundred_files_and_a_finished_day_at_two(folders: Folders) -> None:
    write(folders, 1, 1)
    path = write(folders, 2, 2)
    same_day = NOON.timestamp()
    assert merge_all(folders, same_day) == 0
    next_day = (NOON + timedelta(days=1)).timestamp()
    for name in path.parent.iterdir():
        os.utime(name, (next_day, next_day))
    assert merge_all(folders, next_day + 599) == 0, "somebody may still be writing"
    assert merge_all(folders, next_day + 600) == 1
    assert len(visible_files(folders.data, "requests").parquet) == 1


def test_a_busy_day_is_merged_before_it_is_over(folders: Folders) -> None:
    for number in range(101):
        write(folders, number, number)
    assert merge_all(folders, NOON.timestamp()) == 1
    assert len(visible_files(folders.data, "requests").parquet) == 1
    assert seen(folders) == Counter(f"{number}/{number}" for number in range(101))
