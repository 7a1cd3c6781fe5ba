"""What does not belong in a data folder, or was damaged there, is named and stops neither settling nor a question."""

import hashlib
import os
import random
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from addon.settling.merge import merge_all, merge_day
from addon.settling.process import settle_leftovers, unsettled_segments
from addon.storage.folders import Folders, NotOurs, make_folder, open_file, refuse_unsafe
from addon.storage.journal import Journal
from addon.storage.lake import visible_files
from analysis.lake import Connection, Lake
from tests.storage.calls import ids, journal_call, names, settle_all

DAY = date(2026, 11, 21)


def journal_calls(data: Path, *calls: str) -> Journal:
    journal = Journal(Folders(data).journal)
    journal.run = f"20261121T120000-{hash_of(*calls)}"  # the same at each run of the test
    journal.open()
    for call_id in calls:
        journal_call(journal, call_id)
    journal.close()
    return journal


def hash_of(*calls: str) -> str:
    return hashlib.sha256(" ".join(calls).encode()).hexdigest()[:16]


def merged(data: Path) -> Path:
    """A data folder with calls a and b in one merged file; returns it."""
    for call_id in ("a", "b"):
        journal_calls(data, call_id)
        settle_leftovers(data)
    path = merge_day(Folders(data), "requests", DAY)
    assert path
    return path


def asked(data: Path) -> tuple[list[str], list[str]]:
    """The request ids that a question finds, and what it warns of."""
    said: list[str] = []
    lake = Lake(data, warn=said.append)

    def questions(connection: Connection) -> list[tuple[Any, ...]]:
        connection.execute("select request_id, response_body from bodies").fetchall()
        connection.execute("select * from feedback").fetchall()
        return connection.execute("select request_id, client, properties from requests").fetchall()

    rows = lake.ask(questions)
    return sorted(str(row[0]) for row in rows), said


NOTES = {
    "not UTF-8": b"\xff\xfe\n",
    "empty": b"",
    "without a line end": b"a.parquet",
    "a path": b"../../a.parquet\n",
    "hidden": b".a.parquet\n",
    "another kind of name": b"a.jsonl\n",
    "a long name": b"a" * 10_000 + b".parquet\n",
    "huge": b"a.parquet\n" * 2_000_000,
}


@pytest.mark.parametrize("note", NOTES.values(), ids=NOTES)
def test_an_odd_note_of_a_merge_is_named_and_hides_and_removes_nothing(
    tmp_path: Path, note: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = merged(tmp_path)
    path.with_suffix(".replaces").write_bytes(note)
    found, said = asked(tmp_path)
    assert found == ["a", "a", "b", "b"]
    assert any(".replaces" in line for line in said)
    merge_all(Folders(tmp_path), path.stat().st_mtime + 1e6)
    assert len(list(path.parent.glob("*.parquet"))) >= 3
    assert ".replaces" in capsys.readouterr().err


@pytest.mark.parametrize("note", [b"\xff\n", b"a" * 1000 + b"\n", b"torn", b"x\n" * 5_000_000])
def test_an_odd_note_in_the_journal_is_named_and_stops_nothing(
    tmp_path: Path, note: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    first = journal_calls(tmp_path, "a")
    (first.folder / f"{first.run}-000001.done").write_bytes(note)
    lonely = first.folder / "20261121T120000-0123456789abcdef-000001.done"
    lonely.write_bytes(note)
    journal_calls(tmp_path, "b")
    settle_all(tmp_path)
    assert ids(tmp_path) == ["a", "b"]
    assert lonely.exists()
    assert str(lonely) in capsys.readouterr().err


def test_garbage_and_folders_with_segments_names_stop_nothing(tmp_path: Path) -> None:
    journal = journal_calls(tmp_path, "a")
    stem = "20261121T120000-0123456789abcdef"
    (journal.folder / f"{stem}-000001.jsonl").mkdir()
    (journal.folder / f"{stem}-000002.jsonl").write_bytes(random.Random(1).randbytes(10_000) + b"\n")
    os.mkfifo(journal.folder / f"{stem}-000003.jsonl")
    (journal.folder / f"{stem}-000004.jsonl").symlink_to("/etc/hostname")
    settle_all(tmp_path)
    assert ids(tmp_path) == ["a"]
    assert not unsettled_segments(Folders(tmp_path), f"{stem}-000001")


def test_fifos_links_and_folders_among_rows_are_left_out(tmp_path: Path) -> None:
    journal_calls(tmp_path, "a")
    settle_leftovers(tmp_path)
    folders = Folders(tmp_path)
    day = folders.lake_day("requests", DAY)
    os.mkfifo(day / "fifo.parquet")
    (day / "link.parquet").symlink_to(next(day.glob("2*.parquet")))
    (day / "folder.parquet").mkdir()
    make_folder(folders.settled("requests"))
    os.mkfifo(folders.settled_file("requests", "20261121T120000-0123456789abcdef-000001", DAY))
    make_folder(folders.lake("feedback").parent)
    os.mkfifo(folders.lake("feedback"))
    found, said = asked(tmp_path)
    assert found == ["a"]
    assert len(said) == 5


def test_a_torn_file_under_a_segments_name_does_not_cost_its_rows(tmp_path: Path) -> None:
    journal = journal_calls(tmp_path, "a")
    target = Folders(tmp_path).parquet("requests", f"{journal.run}-000001", DAY)
    make_folder(target.parent)
    target.write_bytes(b"PAR1 torn")
    settle_all(tmp_path)
    assert asked(tmp_path)[0] == ["a"]
    assert [path.read_bytes() for path in target.parent.glob("*.damaged-*")] == [b"PAR1 torn"]


def test_nothing_but_parquet_is_left_after_an_orderly_end(tmp_path: Path) -> None:
    journal = journal_calls(tmp_path, "a", "b")
    assert settle_leftovers(tmp_path) == 2
    assert names(journal.folder) == []
    assert not [path for path in (tmp_path / "settled").rglob("*") if path.is_file()]
    assert ids(tmp_path) == ids(tmp_path, "bodies") == ["a", "b"]


def _folder_of_all_kinds(data: Path) -> Path:
    """A folder with a merged file, settled lines, and a journal that is to be settled: calls a to d. Made once."""
    if not data.exists():
        merged(data)
        journal_calls(data, "c")
        settle_all(data)  # its settled lines and its note stay for the grace
        journal_calls(data, "d")
    return data


@given(st.integers(0, 2**32), st.sampled_from(["flip", "cut", "empty", "garbage", "folder", "fifo"]))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_to_any_file_stops_neither_settling_nor_questions(tmp_path: Path, seed: int, damage: str) -> None:
    data, dice = tmp_path / "data", random.Random(seed)
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(_folder_of_all_kinds(tmp_path / "template"), data)
    victim = dice.choice(sorted(path for path in data.rglob("*") if path.is_file() and path.name != "settle.lock"))
    body = bytearray(victim.read_bytes())
    if damage == "flip":
        for _ in range(dice.randint(1, 20)):
            body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
        victim.write_bytes(body)
    elif damage == "cut":
        victim.write_bytes(body[: dice.randrange(len(body))])
    elif damage == "garbage":
        victim.write_bytes(dice.randbytes(dice.randint(1, 5000)))
    else:
        victim.unlink()
        match damage:
            case "empty":
                victim.touch()
            case "folder":
                victim.mkdir()
            case _:
                os.mkfifo(victim)
    asked(data)
    settle_all(data)
    found, _ = asked(data)
    if victim.parent.name != "journal":
        assert "d" in found
    journal_calls(data, "e")
    settle_all(data)
    assert "e" in asked(data)[0]
    merge_all(Folders(data), victim.parent.stat().st_mtime + 1e6)
    asked(data)


def test_a_new_data_folder_is_private_whatever_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        make_folder(tmp_path / "data" / "journal")
    finally:
        os.umask(before)
    assert [(tmp_path / place).stat().st_mode & 0o777 for place in ("data", "data/journal")] == [0o700, 0o700]


def test_a_folder_that_others_can_write_is_refused_with_what_to_do(tmp_path: Path) -> None:
    refuse_unsafe(tmp_path)
    tmp_path.chmod(0o770)
    with pytest.raises(NotOurs, match="chmod -R go-w"):
        refuse_unsafe(tmp_path)
    tmp_path.chmod(0o700)
    (tmp_path / "journal").mkdir(mode=0o700)
    (tmp_path / "journal").chmod(0o702)
    with pytest.raises(NotOurs, match=r"journal: other users can write"):
        refuse_unsafe(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(NotOurs, match="belongs to another user"):
        refuse_unsafe(tmp_path)


@pytest.mark.parametrize("name", ["secret", "cache.sqlite", "limits.sqlite-wal", "settle.lock"])
def test_links_and_fifos_where_our_files_should_be_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotOurs, match="not a regular file"):
        refuse_unsafe(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(NotOurs, match="not a regular file"):
        refuse_unsafe(tmp_path)
    with pytest.raises(NotOurs):
        open_file(tmp_path / name)
    assert visible_files(tmp_path, "requests").parquet == []


def test_a_folder_in_the_place_of_a_store_is_let_pass_where_calls_go_on_without_it(tmp_path: Path) -> None:
    for name in ("cache.sqlite", "limits.sqlite"):
        (tmp_path / name).mkdir(mode=0o700)
    refuse_unsafe(tmp_path)
    (tmp_path / "secret").mkdir(mode=0o700)
    with pytest.raises(NotOurs, match="secret: not a regular file"):
        refuse_unsafe(tmp_path)
