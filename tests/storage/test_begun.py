from dataclasses import replace
from pathlib import Path

import pytest

from addon.storage import begun
from addon.storage.begun import calls_begun
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from tests.storage.calls import call_start, journal_call, settle_all


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def ids(folders: Folders, text: str) -> list[str]:
    return [call.request_id for call in calls_begun(folders, text)]


def test_a_call_has_begun_once_its_start_is_written_and_until_it_is_settled(folders: Folders) -> None:
    assert ids(folders, "a") == []
    journal = Journal(folders.journal)
    journal.open()
    journal.start("a", call_start("a"))
    journal.flush()
    journal_call(journal, "b")
    journal.rotate()
    journal.start("c", replace(call_start("c"), session_id='say "hi" \n ☃'))
    journal.flush()
    assert [ids(folders, text) for text in ("a", "b", "c", "d")] == [["a"], ["b"], ["c"], []]
    assert ids(folders, 'say "hi" \n ☃') == ["c"]
    journal.close()
    settle_all(folders.data)
    assert ids(folders, "a") == []


def test_a_body_with_the_text_of_a_start_line_does_not_start_a_call(folders: Folders) -> None:
    journal = Journal(folders.journal)
    journal.open()
    journal.start("a", call_start("a"))
    journal.piece("a", "request", b'{"t":"start","id":"x","call":{"request_id":"x"}}\n{"t":"start","request_id":"x"}')
    journal.flush()
    assert ids(folders, "x") == []
    journal.close()


def test_torn_and_foreign_lines_and_files_are_passed_over(folders: Folders) -> None:
    journal = Journal(folders.journal)
    journal.open()
    journal.start("a", call_start("a"))
    journal.flush()
    (segment,) = folders.journal.glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b'{"t":"start","id":"b","call":{"request_id":"b"}}\n{"t":"start","id":"c","call":{"request_id":"c"')
    (folders.journal / "notes.txt").write_text('{"t":"start","id":"d","call":{"request_id":"d"}}\n')
    assert [ids(folders, text) for text in ("a", "b", "c", "d")] == [["a"], [], [], []]
    journal.close()


def test_only_so_many_of_the_newest_bytes_are_read(folders: Folders) -> None:
    assert begun.MOST_BYTES > 2**20
    for run in range(3):
        journal = Journal(folders.journal, segment_bytes=2**40, segment_age_s=2**40)
        journal.open()
        journal.start(str(run), call_start(str(run)))
        journal.close()
        (newest,) = (path for path in folders.journal.glob("*.jsonl") if journal.run in path.name)
        if run == 1:  # sparse: nothing that takes room or time
            with newest.open("ab") as file:
                file.truncate(begun.MOST_BYTES)
    assert [ids(folders, text) for text in ("0", "1", "2")] == [[], [], ["2"]]
