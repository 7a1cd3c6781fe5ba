"""Nothing lost, nothing doubled: the settler dies before each of its steps in turn, and the next one goes on."""

import os
import resource
import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from addon.settling.journal_reader import Call
from addon.settling.merge import finish_merges, merge_day
from addon.settling.rows import bare_rows
from addon.settling.settled_files import EventFile, SettledFile, row_fields
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.journal_lines import CallEnd
from addon.storage.record import EVENT_TABLES, TABLES
from tests.settling.kills import left_by_kills
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
    new_settler,
    settle_all,
    stored,
)


def journal_of_all_kinds(data: Path) -> list[str]:
    """A dead run of three segments: whole calls, amended ones, one that spans segments, two cut by the death, events."""
    journal = Journal(Folders(data).journal, segment_bytes=2**40, segment_age_s=2**40)
    journal.open()
    journal.start("spanning", call_start("spanning"))
    journal.piece("spanning", "request", b"ask spanning")
    journal_call(journal, "first")
    journal.tell(events("spanning"))  # before its end
    journal.start("amended", call_start("amended", NOON_US - DAY_US))
    journal.end("amended", OK, final=False)
    journal.rotate()
    journal.tell([*events("first"), *events("amended", NOON - timedelta(days=1))])
    journal.end("amended", OK, final=True)
    journal.start("interrupted", call_start("interrupted"))
    journal_call(journal, "second")
    journal.rotate()
    journal.end("spanning", OK, final=True)
    journal.start("unamended", call_start("unamended"))
    journal.end("unamended", OK, final=False)
    journal.rotate()
    journal.tell(events("never seen"))  # a segment of nothing else
    journal.close()
    return ["amended", "first", "interrupted", "second", "spanning", "unamended"]


TOLD: Final = ["amended", "first", "never seen", "spanning"]  # the calls of its events


def settle_and_clean(data: Path) -> None:
    settler = new_settler(data, grace_s=0)
    settler.step()
    while settler.unsettled() or settler.step():
        settler.step()


@pytest.mark.long
def test_a_settler_killed_at_any_step_loses_and_doubles_nothing(tmp_path: Path) -> None:
    template = tmp_path / "template"
    expected = journal_of_all_kinds(template)
    for step, data in left_by_kills(settle_and_clean, template, tmp_path):
        for table in TABLES:
            assert set(Counter(ids(data, table)).values()) <= {1}, f"a reader sees a row twice before step {step}"
        settle_all(data)
        assert ids(data) == expected, f"before step {step}"
        bodies = [(row["request_id"], row["request_body"]) for row in stored(data, "bodies")]
        asked = [None, "ask first", None, "ask second", "ask spanning", None]
        assert bodies == list(zip(expected, asked, strict=True)), f"before step {step}"
        for table in EVENT_TABLES:
            assert ids(data, table) == TOLD, f"{table} before step {step}"
    assert step > 50, "the hook sees the steps"


def test_a_merge_killed_at_any_step_loses_and_doubles_nothing(tmp_path: Path) -> None:
    template = tmp_path / "template"
    expected = journal_of_all_kinds(template)
    settle_and_clean(template)
    finished = template.stat().st_mtime + 3 * DAY_US / 1e6  # by then inputs may go at once

    def merge(data: Path) -> None:
        for table in ("requests", "scores"):
            for day in (date(2026, 11, 20), date(2026, 11, 21)):
                merge_day(Folders(data), table, day)
                finish_merges(Folders(data), table, day, finished)

    for step, data in left_by_kills(merge, template, tmp_path):
        assert (ids(data), ids(data, "scores")) == (expected, TOLD), f"before step {step}"
        merge(data)
        merge(data)
        assert (ids(data), ids(data, "scores")) == (expected, TOLD), f"before step {step}, and after another merge"
        for table in ("requests", "scores"):
            left = list(Folders(data).lake_day(table, date(2026, 11, 21)).iterdir())
            assert len(left) == 1, f"before step {step}"
    assert step > 5, "the hook sees the steps"


@given(cut=st.tuples(st.integers(0, 2000), st.integers(0, 5000)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_settled_files_cut_anywhere_keep_their_whole_calls_and_take_more(tmp_path: Path, cut: tuple[int, int]) -> None:
    folders = Folders(tmp_path / "data")
    start = call_start("a")
    file = SettledFile(folders, "20261121T120000-0123456789abcdef-000001", start.started_at.date())
    for call_id in ("a", "b", "c"):
        call = Call(call_id=call_id, start=call_start(call_id), end=OK, request=b"ask", response=b"\xffanswer")
        request, body = bare_rows(call, "heliograph_Test")
        file.append(call_id, row_fields(request), row_fields(body))
    file.close()
    for path, size in ((file.requests, cut[0]), (file.bodies, cut[1])):
        if size < path.stat().st_size:
            os.truncate(path, size)
    again = SettledFile(folders, file.segment, file.day)
    kept = again.recover()
    assert kept == ["a", "b", "c"][: len(kept)]
    again.append("d", row_fields(request), row_fields(body))
    again.close()
    assert SettledFile(folders, file.segment, file.day).recover() == [*kept, "d"]
    assert len([orjson.loads(line) for line in file.bodies.read_bytes().splitlines()]) == len(kept) + 1
    shutil.rmtree(folders.data)


@given(cut=st.integers(0, 1000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_settled_events_cut_anywhere_keep_whole_ones_and_take_more(tmp_path: Path, cut: int) -> None:
    folders = Folders(tmp_path / "data")
    file = EventFile(folders, "scores", "20261121T120000-0123456789abcdef-000001", NOON.date())
    score = row_fields(events("a")[1])
    for event_id in ("a", "b", "c"):
        file.append(event_id, score)
    file.close()
    if cut < file.path.stat().st_size:
        os.truncate(file.path, cut)
    kept = file.recover()
    assert kept == ["a", "b", "c"][: len(kept)]
    file.append("d", score)
    file.close()
    assert file.recover() == [*kept, "d"]
    assert ids(folders.data, "scores") == ["a"] * (len(kept) + 1)
    shutil.rmtree(folders.data)


@dataclass(slots=True)
class Expected:
    """What the row of a call must say."""

    response: bytes = b""
    error_type: str | None = "heliograph_interrupted"
    closed: bool = False
    parts: list[bytes] = field(default_factory=list)


ACTIONS: Final = st.lists(
    st.tuples(
        st.sampled_from(["piece", "piece", "end", "amendable", "tell", "rotate", "step", "wait", "new settler"]),
        st.integers(0, 3),
    ),
    max_size=40,
)


@given(ACTIONS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_interleaved_calls_settled_by_changing_settlers_are_one_row_each(
    tmp_path: Path, actions: list[tuple[str, int]]
) -> None:
    data = tmp_path / "data"
    clock = Clock()
    journal = Journal(Folders(data).journal, segment_bytes=2**40, segment_age_s=2**40)
    journal.open()
    settler = new_settler(data, clock=clock, grace_s=3)
    calls: dict[int, Expected] = {}
    count = 0
    slots: dict[int, int] = {}  # which call a slot has under way
    told = 0
    for action, slot in actions:
        match action:
            case "rotate":
                journal.rotate()
            case "step":
                settler.step()
            case "wait":
                clock.now += 2
            case "tell":
                assert journal.tell(events(str(told)))
                told += 1
            case "new settler":
                settler = new_settler(data, clock=clock, grace_s=3)
            case _:
                if slot not in slots:
                    slots[slot] = count
                    calls[count] = Expected()
                    journal.start(str(count), call_start(str(count)))
                    count += 1
                number = slots[slot]
                call = calls[number]
                if action == "piece":
                    part = f"<{number} {len(call.parts)}>".encode()
                    call.parts.append(part)
                    journal.piece(str(number), "response", part)
                    if not call.closed:
                        call.response += part
                else:
                    final = action == "end"
                    if not call.closed:
                        call.error_type = None
                    call.closed = True
                    assert journal.end(str(number), CallEnd(status=200), final=final)
                    if final:
                        del slots[slot]
    journal.close()
    settle_all(data)
    rows = {int(row["request_id"]): row for row in stored(data)}
    bodies = {int(row["request_id"]): row["response_body"] or "" for row in stored(data, "bodies")}
    assert len(stored(data)) == len(rows) == len(calls)
    assert len(stored(data, "bodies")) == len(bodies) == len(calls)
    for table in EVENT_TABLES:
        assert ids(data, table) == sorted(map(str, range(told)))
    for number, call in calls.items():
        assert rows[number]["error_type"] == call.error_type
        # What comes after an end may be in the row or too late for it; what came before must be.
        assert bodies[number].startswith(call.response.decode())
        assert b"".join(call.parts).decode().startswith(bodies[number])
    shutil.rmtree(data)


def test_rows_of_a_batch_that_a_full_disk_cut_are_not_taken_for_committed(tmp_path: Path) -> None:
    folders, start = Folders(tmp_path), call_start("a")
    file = SettledFile(folders, "20261121T120000-0123456789abcdef-000001", start.started_at.date())
    request, body = bare_rows(Call(call_id="a", start=start, end=OK, request=b"", response=b""), "none")
    lines = row_fields(request), row_fields(body)
    file.append("a", *lines)
    for call_id in ("b", "c", "d"):
        file.add(call_id, *lines)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(file.requests.stat().st_size * 2.5), hard))
    try:
        with pytest.raises(OSError, match="too large"):
            file.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.requests.read_bytes().count(b"\n") == 2, "a whole line of the batch got through"
    file.append("b", *lines)
    assert SettledFile(folders, file.segment, file.day).recover() == ["a", "b"]
