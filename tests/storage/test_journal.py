import fcntl
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from addon.storage.journal import Journal
from addon.storage.journal_lines import Line, parse_line
from tests.storage.calls import OK, call_start, events, journal_call, names
from tests.waiting import wait_for


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "data" / "journal")
    journal.open()
    yield journal
    journal.close()


def lines(journal: Journal) -> list[Line]:
    """Whole lines of all segments, in order; a torn tail is left out as the settler leaves it."""
    return [
        parse_line(raw)
        for path in sorted(journal.folder.glob("*.jsonl"))
        for raw in path.read_bytes().split(b"\n")[:-1]
    ]


def is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_call_is_in_the_file_when_its_end_returns(journal: Journal) -> None:
    assert journal_call(journal, "a")
    assert [line.kind for line in lines(journal)] == ["start", "request", "response", "end"]
    assert (journal.journalled, journal.unlogged) == (1, 0)


def test_what_is_said_of_a_call_is_in_the_file_when_tell_returns(journal: Journal) -> None:
    assert journal.tell(events("a"))
    assert [line.row for line in lines(journal)] == events("a")
    assert len({line.call_id for line in lines(journal)}) == 3, "each has an id of its own"


def test_what_waits_in_memory_is_written_without_an_end(journal: Journal) -> None:
    journal.start("a", call_start("a"))
    wait_for(lambda: [line.kind for line in lines(journal)] == ["start"])


def test_the_pieces_of_a_call_that_wait_are_one_line_for_each_side(journal: Journal) -> None:
    for call_id in ("a", "b"):
        journal.start(call_id, call_start(call_id))
        journal.piece(call_id, "request", b"asked")
    for piece in ("ä".encode()[:1], "ä".encode()[1:], b"\xff", b"\0"):
        for call_id in ("a", "b"):
            journal.piece(call_id, "response", piece)
    for call_id in ("a", "b"):
        assert journal.end(call_id, OK, final=True)
    for call_id in ("a", "b"):
        found = [(line.kind, line.data) for line in lines(journal) if line.call_id == call_id]
        said = "ä".encode() + b"\xff\0"
        assert found == [("start", b""), ("request", b"asked"), ("response", said), ("end", b"")]


def test_the_end_of_a_call_writes_its_pieces_and_leaves_those_of_others_to_gather(tmp_path: Path) -> None:
    journal = Journal(tmp_path)  # without its thread
    journal.start("slow", call_start("slow"))
    journal.piece("slow", "response", b"one ")
    assert journal_call(journal, "quick")
    assert [line.kind for line in lines(journal) if line.call_id == "slow"] == ["start"]
    journal.piece("slow", "response", b"two")
    assert journal.flush()
    assert lines(journal)[-1].data == b"one two"
    journal.close()


def test_a_piece_after_the_end_is_written_at_once(journal: Journal) -> None:
    journal.start("a", call_start("a"))
    assert journal.end("a", OK, final=False)
    journal.piece("a", "response", b"late")
    assert lines(journal)[-1].data == b"late"


def test_an_amended_call_counts_once(journal: Journal) -> None:
    journal.start("a", call_start("a"))
    journal.end("a", OK, final=False)
    journal.end("a", OK, final=True)
    assert journal.journalled == 1


def test_the_end_of_a_call_that_never_started_is_not_promised(journal: Journal) -> None:
    assert not journal.end("a", OK, final=True)
    assert journal.unlogged == 1


def test_a_run_always_holds_the_lock_of_its_newest_segment(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=300)
    journal.open()
    for number in range(20):
        journal_call(journal, str(number))
        assert is_locked(max(tmp_path.glob("*.jsonl")))
    journal.close()
    assert len(names(tmp_path)) == 21
    assert not any(is_locked(path) for path in tmp_path.iterdir())


def test_a_segment_with_content_is_rotated_when_it_is_old_enough_and_then_no_more(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_age_s=0.05)
    journal.open()
    journal_call(journal, "a")
    wait_for(lambda: len(names(tmp_path)) > 1 and not max(tmp_path.glob("*.jsonl")).stat().st_size)
    then = names(tmp_path)
    time.sleep(0.3)
    assert names(tmp_path) == then
    journal.close()


def test_folders_and_files_are_private(journal: Journal) -> None:
    assert stat.S_IMODE(journal.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(journal.folder.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in journal.folder.iterdir()} == {0o600}


def test_a_folder_that_vanished_is_made_again(journal: Journal) -> None:
    journal_call(journal, "a")
    journal.start("under way", call_start("under way"))
    journal.flush()
    shutil.rmtree(journal.folder.parent)
    assert journal_call(journal, "b")
    assert [line.call_id for line in lines(journal)] == ["b"] * 4
    assert not journal.end("under way", OK, final=True), "its start went with the folder"


def test_a_journal_that_cannot_be_written_costs_nothing_but_the_record(tmp_path: Path) -> None:
    messages: list[str] = []
    folder = tmp_path / "journal"
    folder.write_text("a file is in the way")
    journal = Journal(folder, on_trouble=messages.append)
    journal.open()
    assert not journal_call(journal, "a")
    assert not journal_call(journal, "b")
    assert not journal.tell(events("b"))
    assert (journal.journalled, journal.unlogged) == (0, 2)
    assert len(messages) == 1
    assert str(folder) in messages[0]

    folder.unlink()
    wait_for(lambda: folder.is_dir())  # a new try comes within a second
    assert journal_call(journal, "c")
    journal.close()
    assert [line.call_id for line in lines(journal) if line.kind == "end"] == ["a", "b", "c"], "memory kept them"


TORN = """
import resource, sys, time
from pathlib import Path
from addon.storage.journal import Journal
from tests.storage.calls import OK, call_start, journal_call
journal = Journal(Path(sys.argv[1]), on_trouble=print)
journal.open()
assert journal_call(journal, "a")
size = next(Path(sys.argv[1]).glob("*.jsonl")).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 500, -1))  # the next write gets halfway
journal.start("b", call_start("b"))
assert not journal.end("b", OK, final=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
while not journal_call(journal, "c"):
    time.sleep(0.05)
journal.close()
"""


def test_half_a_line_stays_behind_and_is_written_again_in_the_next_segment(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", TORN, tmp_path], check=True, capture_output=True, text=True)
    assert done.stdout.count("cannot be written") == 1
    first, second = sorted(tmp_path.iterdir())
    assert not first.read_bytes().endswith(b"\n")
    assert second.read_bytes().endswith(b"\n")
    whole = [parse_line(raw) for path in (first, second) for raw in path.read_bytes().split(b"\n")[:-1]]
    assert [line.kind for line in whole if line.call_id == "b"] == ["start", "end"]
    assert [line.kind for line in whole if line.call_id == "c"][-1] == "end"


def test_a_disk_that_stays_full_does_not_fill_the_memory(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.write_text("a file is in the way")
    journal = Journal(folder, on_trouble=lambda _: None)
    journal.open()
    for number in range(100):
        journal.start(str(number), call_start(str(number)))
        journal.piece(str(number), "request", b"x" * 2**17)
        journal.end(str(number), OK, final=True)
    folder.unlink()
    wait_for(lambda: journal.flush() and folder.is_dir())
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5 * 2**20
    assert journal.unlogged == 100
    journal.close()


def test_nothing_is_written_after_the_close(journal: Journal) -> None:
    journal.start("a", call_start("a"))
    journal.close()
    assert not journal.end("a", OK, final=True)
    assert not journal_call(journal, "b")
    assert not journal.tell(events("b"))
    assert [line.kind for line in lines(journal)] == ["start"]


def test_the_journal_needs_none_of_the_settlers_libraries() -> None:
    code = "import sys, addon.storage.journal; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ)
    assert not {"pyarrow", "duckdb", "genai_prices", "tiktoken"} & set(loaded.stdout.split())
