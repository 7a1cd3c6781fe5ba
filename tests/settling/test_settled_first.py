from pathlib import Path

from addon.settling.settled_first import segments_with_lines, settle_first, wait_for_lines_to_go
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.lake import visible_files
from tests.storage.calls import call_start, ids, journal_call, names, new_settler

MINUTE_S = 60.0


def never(seconds: float) -> None:
    raise AssertionError("there is nothing to wait for")


def nothing(left: int) -> None:
    pass


def test_what_a_dead_proxy_left_becomes_parquet_and_no_line_of_it_stays(tmp_path: Path) -> None:
    journal = Journal(Folders(tmp_path).journal)
    journal.open()
    journal_call(journal, "a")
    journal.close()
    assert settle_first(tmp_path, None, never, MINUTE_S, nothing) == set()
    assert ids(tmp_path) == ["a"]
    assert names(tmp_path / "journal") == names(tmp_path / "settled" / "requests") == []


def test_lines_that_a_killed_settler_left_after_its_note_go(tmp_path: Path) -> None:
    journal = Journal(Folders(tmp_path).journal)
    journal.open()
    journal_call(journal, "a")
    journal.close()
    settler = new_settler(tmp_path)
    settler.step()
    settler.close()
    assert segments_with_lines(Folders(tmp_path))
    assert wait_for_lines_to_go(tmp_path, None, never, MINUTE_S, nothing) == set()
    assert not segments_with_lines(Folders(tmp_path))
    assert ids(tmp_path) == ["a"]


def test_a_proxy_at_work_is_waited_for_until_its_finished_calls_are_parquet(tmp_path: Path) -> None:
    journal = Journal(Folders(tmp_path).journal, segment_bytes=2**40, segment_age_s=2**40)
    journal.open()
    journal_call(journal, "a")
    settler = new_settler(tmp_path)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            journal.rotate()
            journal_call(journal, "later")
        settler.step()

    assert settle_first(tmp_path, None, wait, MINUTE_S, nothing) == set()
    assert len(waited) >= 3
    assert len(visible_files(tmp_path, "requests").parquet) == 1
    assert "later" in ids(tmp_path), "among the settled lines: it ended after we began"
    journal.close()
    settler.close()


def test_a_call_under_way_keeps_its_segment_and_is_named_after_a_while(tmp_path: Path) -> None:
    journal = Journal(Folders(tmp_path).journal, segment_bytes=2**40, segment_age_s=2**40)
    journal.open()
    journal_call(journal, "a")
    journal.start("under way", call_start("under way"))
    journal.rotate()
    settler = new_settler(tmp_path, grace_s=0)
    told: list[int] = []

    def wait(seconds: float) -> None:
        settler.step()

    assert settle_first(tmp_path, None, wait, 2.0, nothing) == set()
    assert wait_for_lines_to_go(tmp_path, None, wait, 2.0, told.append) == {f"{journal.run}-000001"}
    assert told[-1] == 1
    journal.close()
    settler.close()


def test_an_empty_segment_of_a_proxy_at_work_is_not_waited_for(tmp_path: Path) -> None:
    journal = Journal(Folders(tmp_path).journal)
    journal.open()
    assert settle_first(tmp_path, None, never, MINUTE_S, nothing) == set()
    journal.close()
