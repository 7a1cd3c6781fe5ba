"""The settler in this process, with a clock that the test moves."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from addon.settling.journal_reader import Call
from addon.settling.rows import bare_rows
from addon.settling.settler import Settler
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.journal_lines import CallEnd
from addon.storage.record import EVENT_TABLES, BodyRow, RequestRow
from tests.storage.calls import (
    DAY_US,
    NOON,
    NOON_US,
    OK,
    Clock,
    call_start,
    events,
    ids,
    journal_call,
    names,
    new_settler,
    plain_rows,
    settle_all,
    stored,
)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


@pytest.fixture
def journal(folders: Folders) -> Journal:
    journal = Journal(folders.journal, segment_bytes=2**40, segment_age_s=2**40)
    journal.open()
    return journal


def parquet(folders: Folders) -> list[str]:
    return sorted(path.name for path in folders.data.glob("lake/requests/*/*.parquet"))


def test_a_finished_call_is_a_settled_row_while_its_segment_still_grows(folders: Folders, journal: Journal) -> None:
    settler = new_settler(folders.data)
    for call_id in ("a", "b"):
        journal_call(journal, call_id)
        settler.step()
    assert ids(folders.data) == ["a", "b"]
    assert [row["response_body"] for row in stored(folders.data, "bodies")] == ["answer a", "answer b"]
    assert parquet(folders) == []


def test_a_full_segment_becomes_parquet_while_the_run_lives(folders: Folders, journal: Journal) -> None:
    clock = Clock()
    settler = new_settler(folders.data, clock=clock)
    journal_call(journal, "a")
    journal.rotate()
    journal_call(journal, "b")
    settler.step()
    segment = f"{journal.run}-000001"
    assert parquet(folders) == [f"{segment}.parquet"]
    assert names(folders.journal) == [f"{segment}.done", f"{journal.run}-000002.jsonl"]
    assert f"{segment}.2026-11-21.jsonl" in names(folders.settled("requests")), "a reader may have listed it"
    assert ids(folders.data) == ["a", "b"]

    clock.now += 15
    settler.step()
    assert names(folders.journal) == [f"{journal.run}-000002.jsonl"]
    assert names(folders.settled("requests")) == [f"{journal.run}-000002.2026-11-21.jsonl"]
    assert ids(folders.data) == ids(folders.data, "bodies") == ["a", "b"]


def test_all_of_a_run_that_is_over_is_parquet_and_its_journal_gone(folders: Folders, journal: Journal) -> None:
    journal_call(journal, "a")
    journal_call(journal, "of the day before", NOON_US - DAY_US)
    journal.close()
    assert settle_all(folders.data).calls_settled == 2
    assert names(folders.lake("requests")) == ["date=2026-11-20", "date=2026-11-21"]
    assert names(folders.journal) == [f"{journal.run}-000001.done"]
    assert ids(folders.data) == ["a", "of the day before"]
    for path in folders.data.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_an_end_that_may_be_amended_waits_a_second(folders: Folders, journal: Journal) -> None:
    clock = Clock()
    settler = new_settler(folders.data, clock=clock)
    journal.start("a", call_start("a"))
    journal.piece("a", "response", b"hel")
    journal.end("a", OK, final=False)
    settler.step()
    assert ids(folders.data) == []
    journal.piece("a", "response", b"lo")
    clock.now += 1
    settler.step()
    assert [row["response_body"] for row in stored(folders.data, "bodies")] == ["hello"]

    journal.end("a", CallEnd(status=200, error_type="too late"), final=True)
    settler.step()
    assert [row["error_type"] for row in stored(folders.data)] == [None]


def test_the_last_end_wins(folders: Folders, journal: Journal) -> None:
    journal.start("a", call_start("a"))
    journal.end("a", OK, final=False)
    journal.rotate()
    journal.end("a", CallEnd(status=200, error_type="upstream_disconnected"), final=True)
    journal.flush()
    new_settler(folders.data).step()
    assert [row["error_type"] for row in stored(folders.data)] == ["upstream_disconnected"]


def test_calls_under_way_when_their_proxy_died_are_rows_too(folders: Folders, journal: Journal) -> None:
    journal.start("a", call_start("a"))
    journal.piece("a", "request", b"ask")
    journal.rotate()
    journal.start("b", call_start("b"))
    journal.end("b", OK, final=False)
    journal.close()
    settle_all(folders.data)
    a, b = stored(folders.data)
    assert (a["error_type"], a["status"], a["request_bytes"]) == ("heliograph_interrupted", None, 3)
    assert (b["error_type"], b["status"]) == (None, 200)
    assert stored(folders.data, "bodies")[0]["request_body"] == "ask"


def test_a_segment_stays_for_as_long_as_a_call_needs_its_pieces(folders: Folders, journal: Journal) -> None:
    clock = Clock()
    settler = new_settler(folders.data, clock=clock)
    journal.start("long", call_start("long"))
    journal.piece("long", "response", b"one ")
    journal_call(journal, "short")
    for part in (b"two ", b"three"):
        journal.rotate()
        journal.piece("long", "response", part)
        journal.flush()
        settler.step()
        clock.now += 20
        settler.step()
    first = f"{journal.run}-000001"
    assert {f"{first}.jsonl", f"{first}.done"} <= set(names(folders.journal))

    settler = new_settler(folders.data, clock=clock)  # after a restart the settled segment still feeds the call
    settler.step()
    journal.end("long", OK, final=True)
    journal.rotate()
    settler.step()
    clock.now += 20
    settler.step()
    assert [row["response_body"] for row in stored(folders.data, "bodies")] == ["one two three", "answer short"]
    assert names(folders.journal) == [f"{journal.run}-000004.jsonl"]


def test_a_late_line_of_a_call_that_is_long_settled_makes_no_row(folders: Folders, journal: Journal) -> None:
    clock = Clock()
    settler = new_settler(folders.data, clock=clock)
    journal.start("a", call_start("a"))
    journal.end("a", OK, final=False)
    settler.step()
    clock.now += 1
    journal.rotate()
    settler.step()
    clock.now += 20
    settler.step()
    assert names(folders.journal) == [f"{journal.run}-000002.jsonl"]
    journal.end("a", OK, final=True)
    journal.close()
    settler.step()
    settle_all(folders.data)
    assert ids(folders.data) == ["a"]


def test_a_torn_tail_is_dropped_and_named(
    folders: Folders, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    journal_call(journal, "a")
    journal.close()
    segment = next(folders.journal.glob("*.jsonl"))
    with segment.open("ab") as file:
        file.write(b'{"t":"end","id":"a","fin')
    settle_all(folders.data)
    assert ids(folders.data) == ["a"]
    assert f"{segment}: drops a torn tail of 24 bytes" in capsys.readouterr().err


def test_a_growing_line_is_waited_for(folders: Folders, journal: Journal) -> None:
    settler = new_settler(folders.data)
    journal_call(journal, "a")
    segment = next(folders.journal.glob("*.jsonl"))
    data = segment.read_bytes()
    with segment.open("wb") as file:
        file.write(data[:-10])
    settler.step()
    assert ids(folders.data) == []
    with segment.open("ab") as file:
        file.write(data[-10:])
    settler.step()
    assert ids(folders.data) == ["a"]


def test_foreign_files_are_named_once_and_left_alone(
    folders: Folders, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    journal_call(journal, "a")
    journal.close()
    (folders.journal / "notes.txt").write_text("mine")
    (folders.journal / "20261121T120000-0123456789abcdef-000001.jsonl").mkdir()
    settler = new_settler(folders.data)
    settler.step()
    settler.step()
    assert not settler.unsettled()
    err = capsys.readouterr().err
    assert err.count("notes.txt: not a file of the journal") == 1
    assert err.count("-0123456789abcdef-000001.jsonl: not a file of the journal") == 1
    assert (folders.journal / "notes.txt").read_text() == "mine"
    assert ids(folders.data) == ["a"]


def test_a_segment_with_foreign_lines_is_settled_but_never_deleted(
    folders: Folders, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    journal_call(journal, "a")
    segment = next(folders.journal.glob("*.jsonl"))
    with segment.open("ab") as file:
        file.write(b"what is this?\nand this?\n")
    journal_call(journal, "b")
    journal.close()
    settle_all(folders.data)
    settle_all(folders.data)
    assert ids(folders.data) == ["a", "b"]
    assert segment.exists()
    assert capsys.readouterr().err.count("is not ours") == 2  # once by each settler


def test_an_event_is_settled_at_once_whether_or_not_its_call_is(folders: Folders, journal: Journal) -> None:
    settler = new_settler(folders.data)
    journal.start("a", call_start("a"))
    journal.tell(events("a"))
    settler.step()
    assert ids(folders.data) == []
    assert stored(folders.data, "feedback") == [
        {"request_id": "a", "created_at": "2026-11-21T12:00:00.000000Z", "rating": True}
    ]
    assert stored(folders.data, "scores") == [
        {"request_id": "a", "created_at": "2026-11-21T12:00:00.000000Z", "name": "accuracy", "value": 0.5}
    ]
    assert stored(folders.data, "property_changes") == [
        {"request_id": "a", "created_at": "2026-11-21T12:00:00.000000Z", "name": "stage", "value": "done"}
    ]


def test_events_of_a_run_that_is_over_are_parquet_by_their_date(folders: Folders, journal: Journal) -> None:
    journal.tell([*events("a"), *events("b", NOON - timedelta(days=1))])
    journal.close()
    settle_all(folders.data)
    for table in EVENT_TABLES:
        days = {path.parent.name for path in folders.data.glob(f"lake/{table}/*/*.parquet")}
        assert days == {"date=2026-11-20", "date=2026-11-21"}
        assert ids(folders.data, table) == ["a", "b"]
    assert not list(folders.journal.glob("*.jsonl"))


def test_events_that_an_older_settler_passed_over_are_settled_by_a_newer_one(
    folders: Folders, journal: Journal
) -> None:
    journal_call(journal, "a")
    journal.tell(events("a"))
    journal.close()
    (segment,) = folders.journal.glob("*.jsonl")
    whole = segment.read_bytes()
    known = [line for line in whole.splitlines(keepends=True) if b'"t":"event"' not in line]
    segment.write_bytes(b"".join(known))
    settle_all(folders.data)
    segment.write_bytes(whole)  # an older settler keeps what has lines that it does not know
    for _ in range(2):
        settle_all(folders.data)
        assert ids(folders.data) == ids(folders.data, "scores") == ids(folders.data, "feedback") == ["a"]
    assert not segment.exists()


def test_a_bug_in_reading_an_answer_costs_only_the_reading(
    folders: Folders, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    def buggy(call: Call) -> tuple[RequestRow, BodyRow]:
        if call.call_id == "b":
            raise KeyError("choices")
        return plain_rows(call)

    for call_id in ("a", "b", "c"):
        journal_call(journal, call_id)
    Settler(folders, buggy, bare_rows).step()
    assert [row["error_type"] for row in stored(folders.data)] == [None, "heliograph_KeyError", None]
    assert stored(folders.data, "bodies")[1]["response_body"] == "answer b"
    assert "call b: KeyError: 'choices'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "error"), [(2**63, "OverflowError"), ("12", "TypeError"), (True, "TypeError"), (1.5, "TypeError")]
)
def test_a_value_that_no_column_holds_does_not_stop_the_others(
    folders: Folders, journal: Journal, value: int, error: str
) -> None:
    def odd(call: Call) -> tuple[RequestRow, BodyRow]:
        _, body = plain_rows(call)
        return RequestRow(
            request_id=call.call_id,
            started_at=call.start.started_at,
            provider_name="openai",
            operation_name="chat",
            input_tokens=value,
        ), body

    journal_call(journal, "a")
    journal.close()
    settler = Settler(folders, odd, bare_rows)
    settler.step()
    assert not settler.unsettled()
    assert [row["error_type"] for row in stored(folders.data)] == [f"heliograph_{error}"]


def test_a_disk_that_refuses_loses_nothing(
    folders: Folders, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    settler = new_settler(folders.data, clock=clock)
    folders.settled("bodies").parent.mkdir()
    folders.settled("bodies").write_text("a file is in the way")
    journal_call(journal, "a")
    settler.step()
    assert settler.troubled_since is not None
    clock.now += 1
    settler.step()
    assert capsys.readouterr().err.count("the journal keeps everything") == 1

    folders.settled("bodies").unlink()
    clock.now += 1
    settler.step()
    assert settler.troubled_since is None
    assert ids(folders.data) == ids(folders.data, "bodies") == ["a"]


def test_a_run_that_a_bug_stops_does_not_stop_the_others(
    folders: Folders, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    def unstorable(call: Call, error_type: str) -> tuple[RequestRow, BodyRow]:
        raise ValueError("no row at all")

    def buggy(call: Call) -> tuple[RequestRow, BodyRow]:
        if call.call_id == "poison":
            raise ValueError("no row")
        return plain_rows(call)

    journal_call(journal, "poison")
    journal.close()
    other = Journal(folders.journal)
    other.open()
    journal_call(other, "a")
    settler = Settler(folders, buggy, unstorable)
    settler.step()
    settler.step()
    assert ids(folders.data) == ["a"]
    assert not settler.unsettled(), "nothing that this version can settle"
    assert capsys.readouterr().err.count("until a better version settles it") == 1
    other.close()


def test_several_runs_are_settled_side_by_side(folders: Folders) -> None:
    journals = [Journal(folders.journal) for _ in range(3)]
    for number, journal in enumerate(journals):
        journal.open()
        journal_call(journal, str(number))
    journals[0].close()
    settler = new_settler(folders.data)
    settler.step()
    assert ids(folders.data) == ["0", "1", "2"]
    for journal in journals[1:]:
        journal.close()
    while settler.unsettled() or settler.step():
        settler.step()
    assert len(parquet(folders)) == 3


def test_a_damaged_piece_costs_its_call_that_piece_only(
    folders: Folders, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.start("a", call_start("a"))
    for piece in (b"one ", b"two ", b"three"):
        journal.piece("a", "response", piece)
        journal.flush()  # a line for each
    journal.end("a", OK, final=True)
    journal_call(journal, "b")
    journal.close()
    (path,) = folders.journal.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"two "', b'"t"o "'))
    settle_all(folders.data)
    assert [row["response_body"] for row in stored(folders.data, "bodies")] == ["one three", "answer b"]
    assert capsys.readouterr().err.count("is damaged") == 1
    assert path.exists(), "a file with lines that we cannot read is never deleted"


def test_a_call_whose_pieces_are_not_held_in_memory_is_read_from_its_segments(
    folders: Folders, journal: Journal
) -> None:
    journal.start("large", call_start("large"))
    for _ in range(20):
        journal.piece("large", "response", b"x" * 2**20)
    journal_call(journal, "small")
    journal.end("large", OK, final=True)
    journal.close()
    settle_all(folders.data)
    assert ids(folders.data) == ["large", "small"]
    assert [len(row["response_body"]) for row in stored(folders.data, "bodies")] == [20 * 2**20, len("answer small")]
