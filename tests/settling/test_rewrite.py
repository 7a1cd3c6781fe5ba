import threading
from datetime import UTC, date, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from addon.settling.merge import finish_merges, merge_day
from addon.settling.merge_order import Stopped
from addon.settling.parquet import read_parts, settled_to_parquet, write_parquet
from addon.settling.rewrite import files_with, rewrite
from addon.settling.settled_files import dump_line, row_fields
from addon.storage.folders import Folders, make_folder
from addon.storage.record import ADDED_COLUMNS, RequestRow
from analysis.lake import Lake
from tests.settling.kills import left_by_kills

DAY: Final = date(2026, 11, 21)
NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
OF_ANN: Final = pc.field("user_id") == "ann"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def write(folders: Folders, number: int, *users: str) -> Path:
    """A file with a call of each user, a minute apart."""
    rows = [
        RequestRow(
            request_id=f"{number}/{minute}",
            started_at=NOON + timedelta(minutes=minute),
            provider_name="openai",
            operation_name="chat",
            user_id=user,
            cost_nanousd=100,
        )
        for minute, user in enumerate(users)
    ]
    path = folders.parquet("requests", f"20261121T120000-0123456789abcdef-{number:06d}", DAY)
    write_parquet(path, "requests", read_parts([dump_line(row_fields(row)) for row in rows], "requests"))
    return path


def without_ann(rows: pa.Table) -> pa.Table:
    return rows.filter(pc.not_equal(rows["user_id"], "ann"))


def doubled(rows: pa.Table) -> pa.Table:
    """Costs of ann's calls, doubled."""
    cost = pc.if_else(pc.equal(rows["user_id"], "ann"), pc.multiply(rows["cost_nanousd"], 2), rows["cost_nanousd"])
    return rows.set_column(rows.column_names.index("cost_nanousd"), "cost_nanousd", cost)


def seen(folders: Folders) -> list[tuple[str, int]]:
    return Lake(folders.data).ask(
        lambda connection: connection.sql("select request_id, cost_nanousd from requests order by all").fetchall()
    )


def names(folders: Folders) -> set[str]:
    return {path.name for path in folders.lake_day("requests", DAY).iterdir()}


def test_rows_are_dropped_and_other_files_stay_as_they_are(folders: Folders) -> None:
    mixed, other = write(folders, 1, "ann", "bob", "ann"), write(folders, 2, "bob")
    before = other.stat()
    assert files_with(folders, "requests", DAY, OF_ANN) == {mixed: 2}
    (done,) = rewrite(folders, "requests", DAY, OF_ANN, without_ann)
    assert (done.rows_before, done.rows_after) == (3, 1)
    assert seen(folders) == [("1/1", 100), ("2/0", 100)]
    assert mixed.exists(), "a reader may have listed it"
    finish_merges(folders, "requests", DAY, inf)
    assert names(folders) == {done.path.name, other.name}
    assert other.stat() == before
    assert rewrite(folders, "requests", DAY, OF_ANN, without_ann) == []


def test_columns_are_changed_also_in_files_of_an_earlier_version(folders: Folders) -> None:
    path = write(folders, 1, "ann", "bob")
    pq.write_table(pq.ParquetFile(path).read().drop_columns(sorted(ADDED_COLUMNS["requests"])), path)
    rewrite(folders, "requests", DAY, OF_ANN, doubled)
    assert seen(folders) == [("1/0", 200), ("1/1", 100)]


def test_a_file_whose_rows_all_go_leaves_nothing(folders: Folders) -> None:
    write(folders, 1, "ann", "ann")
    (done,) = rewrite(folders, "requests", DAY, OF_ANN, without_ann)
    assert done.rows_after == 0
    assert seen(folders) == []
    finish_merges(folders, "requests", DAY, inf)
    assert names(folders) == set()


def test_what_a_replaced_file_hides_stays_hidden(folders: Folders) -> None:
    write(folders, 1, "ann", "bob")
    write(folders, 2, "ann")
    merged = merge_day(folders, "requests", DAY)
    assert merged is not None
    rewrite(folders, "requests", DAY, OF_ANN, without_ann)
    assert seen(folders) == [("1/1", 100)]
    merged.unlink()  # as if the process that removes the old files was killed after the first
    assert seen(folders) == [("1/1", 100)]
    finish_merges(folders, "requests", DAY, inf)
    finish_merges(folders, "requests", DAY, inf)
    assert seen(folders) == [("1/1", 100)]
    assert len(names(folders)) == 1


@pytest.mark.parametrize("users", [("ann",), ("ann", "bob")])
def test_rows_that_are_among_the_settled_lines_too_never_come_back(folders: Folders, users: tuple[str, ...]) -> None:
    path = write(folders, 1, *users)
    lines = folders.settled_file("requests", path.stem, DAY)
    make_folder(lines.parent)
    lines.write_bytes(b"".join(dump_line(row) for row in pq.read_table(path).to_pylist()))
    left = [(f"1/{minute}", 100) for minute, user in enumerate(users) if user != "ann"]
    rewrite(folders, "requests", DAY, OF_ANN, without_ann)
    finish_merges(folders, "requests", DAY, inf)
    assert not path.exists()
    assert seen(folders) == left
    settled_to_parquet(lines, path, "requests")  # as a settler that was killed before its own note does
    assert seen(folders) == left
    lines.unlink()
    assert seen(folders) == left
    finish_merges(folders, "requests", DAY, inf)
    assert seen(folders) == left
    assert len(names(folders)) == len(left)


def test_a_change_that_fails_or_is_stopped_leaves_the_rows_as_they_were(folders: Folders) -> None:
    write(folders, 1, "ann", "bob")

    def fails(rows: pa.Table) -> pa.Table:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        rewrite(folders, "requests", DAY, OF_ANN, fails)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        rewrite(folders, "requests", DAY, OF_ANN, without_ann, stop=stop)
    assert [cost for _, cost in seen(folders)] == [100, 100]


def test_row_groups_are_given_one_at_a_time(folders: Folders) -> None:
    path = write(folders, 1, *["ann", "bob"] * 6)
    pq.write_table(pq.ParquetFile(path).read(), path, row_group_size=5)
    sizes: list[int] = []

    def change(rows: pa.Table) -> pa.Table:
        sizes.append(rows.num_rows)
        return without_ann(rows)

    rewrite(folders, "requests", DAY, OF_ANN, change)
    assert sizes == [5, 5, 2]


def test_a_pass_killed_at_any_step_is_done_again_and_leaves_nothing_old(tmp_path: Path) -> None:
    template = Folders(tmp_path / "template")
    write(template, 1, "ann", "bob")
    write(template, 2, "ann")
    merge_day(template, "requests", DAY)
    write(template, 3, "ann", "bob", "ann")
    write(template, 4, "bob")
    bobs, anns = {"1/1", "3/1", "4/0"}, {"1/0", "2/0", "3/0", "3/2"}

    def forget(data: Path) -> None:
        folders = Folders(data)
        finish_merges(folders, "requests", DAY, inf)
        rewrite(folders, "requests", DAY, OF_ANN, without_ann)
        finish_merges(folders, "requests", DAY, inf)

    for step, data in left_by_kills(forget, template.data, tmp_path):
        now = [request_id for request_id, _ in seen(Folders(data))]
        assert len(set(now)) == len(now) and bobs <= set(now) <= bobs | anns, f"before step {step}"
        forget(data)
        assert {request_id for request_id, _ in seen(Folders(data))} == bobs, (
            f"before step {step}, and after another pass"
        )
        for path in Folders(data).lake_day("requests", DAY).iterdir():
            assert path.suffix == ".parquet", f"before step {step}, and after another pass"
            assert "ann" not in pq.read_table(path)["user_id"].to_pylist(), (
                f"before step {step}, and after another pass"
            )
    assert step > 15, "the hook sees the steps"
