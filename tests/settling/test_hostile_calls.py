"""Calls that nobody should have made: each is a row, and so are the calls behind it, by a settler as the proxy starts it."""

import gc
import gzip
import os
import re
import resource
import signal
import time
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import zstandard

from addon.metering.price import PriceList
from addon.settling.bodies import LONGEST_BODY_BYTES
from addon.settling.chains import ParentUnknown
from addon.settling.journal_reader import Call
from addon.settling.parquet import read_rows
from addon.settling.process import settle_leftovers
from addon.settling.row_worker import ReadingFailed, RowMaker, TooCostly
from addon.settling.watchdog import Overtime, Watchdog
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.journal_lines import CallEnd
from analysis.process_memory import limit_data
from tests.storage.calls import OK, call_start, stored
from tests.waiting import wait_for

MIB = 2**20
SSE = CallEnd(status=200, content_type="text/event-stream")
CHUNK = b'data: {"id":"x","model":"gpt-4o","choices":[{"index":%d,"delta":{"content":"a"}}]}\n\n'


def hostile() -> dict[str, tuple[bytes, bytes, CallEnd]]:
    """Name: request, answer, the answer's end. Made by the test: it takes seconds and half a gigabyte, which no other worker of the
    suite, all of which read this file, should spend."""
    return {
        "deep nesting": (b'{"messages":' + b"[" * 2 * MIB, b"[" * 5 * MIB, OK),
        "one line of 16 MB": (b"{}", b"data: " + b"a" * (16 * MIB - 10), SSE),
        "a million events": (b"{}", b"data: {}\n\n" * 1_000_000, SSE),
        "very many choices": (b"{}", b"".join(CHUNK % index for index in range(100_000)), SSE),
        "a gzip bomb": (b"{}", gzip.compress(bytes(500 * MIB)), replace(OK, content_encoding="gzip")),
        "a zstd bomb of words": (
            b'{"stream":true}',
            zstandard.compress(CHUNK % 0 * 2_000_000),
            replace(SSE, content_encoding="zstd"),
        ),
        "huge numbers": (b'{"model":' + b"9" * MIB + b"}", b'{"usage":{"prompt_tokens":1' + b"0" * MIB + b"}}", OK),
        "lone surrogates": (b'{"model":"\\ud800","user":"\\udfff"}', b'{"model":"\\ud800"}' * 100_000, OK),
        "not a number": (b'{"model":NaN}', b'{"usage":{"prompt_tokens":NaN,"completion_tokens":Infinity}}', OK),
        "long names": (
            b'{"model":"' + b"gpt-4o-" * 3000 + b'","metadata":{"user_id":"user_' + b"_account_" * 18_000 + b'"}}',
            b'{"model":"' + b"claude-" * 3000 + b'","usage":{"prompt_tokens":1,"completion_tokens":1}}',
            OK,
        ),
        "usage that grows with each event": (
            b"{}",
            b"".join(b'data: {"type":"message_delta","usage":{"k%d":1}}\n\n' % n for n in range(200_000)),
            SSE,
        ),
    }


def test_hostile_calls_are_rows_and_so_are_the_calls_behind_them(tmp_path: Path) -> None:
    calls = hostile()
    journal = Journal(Folders(tmp_path).journal)
    journal.open()
    for name, (request, answer, end) in calls.items():
        start = replace(call_start(name), omit_request=False)
        if name.startswith("usage"):
            start = replace(start, provider_name="anthropic", path="/v1/messages", host="api.anthropic.com")
        journal.start(name, start)
        journal.piece(name, "request", request)
        journal.piece(name, "response", answer)
        journal.end(name, end, final=True)
        journal.start(f"behind {name}", call_start(f"behind {name}"))
        journal.end(f"behind {name}", OK, final=True)
    journal.close()
    assert settle_leftovers(tmp_path) == 2 * len(calls)
    rows = {row["request_id"]: row for row in stored(tmp_path)}
    assert set(rows) == {*calls, *(f"behind {name}" for name in calls)}
    assert all(rows[f"behind {name}"]["error_type"] is None for name in calls)
    cut = {row["request_id"]: row["response_truncated"] for row in stored(tmp_path, "bodies")}
    assert cut["a gzip bomb"] and cut["a zstd bomb of words"] and not cut["a million events"]


def large_call(answer: bytes = b"{}") -> Call:
    return Call(call_id="a", start=call_start("a"), end=OK, request=b" " * MIB, response=answer)


def test_a_worker_that_is_stopped_or_killed_costs_one_call_its_reading_and_no_more(tmp_path: Path) -> None:
    maker = RowMaker(PriceList(), tmp_path, None, wall_s=10.0)
    try:
        assert maker(large_call())[0].error_type is None
        worker = maker._worker
        assert worker
        os.kill(worker.pid, signal.SIGSTOP)
        before = time.monotonic()
        with pytest.raises(TooCostly, match="too long"):
            maker(large_call())
        assert time.monotonic() - before < 60
        assert not worker.is_running
        assert maker(large_call())[0].request_id == "a"
        assert maker._worker
        killed = maker._worker
        killed.kill()
        wait_for(lambda: not killed.is_running)
        assert maker(large_call())[0].request_id == "a"
    finally:
        maker.close()


def test_an_exception_in_the_worker_has_its_own_name(tmp_path: Path) -> None:
    maker = RowMaker(PriceList(), tmp_path, None)
    broken = large_call()
    try:
        with pytest.raises(ReadingFailed) as failed:
            maker(replace(broken, start=replace(broken.start, started_at_us=2**70)))
        assert failed.value.kind == "OverflowError"
        responses = replace(broken.start, operation_name="responses", path="/v1/responses")
        goes_on = b'{"previous_response_id":"r1"}' + broken.request
        with pytest.raises(ParentUnknown):
            maker(replace(broken, start=responses, request=goes_on, may_wait=True))
    finally:
        maker.close()


def test_a_body_that_decodes_to_more_than_is_kept_is_cut_and_says_so(tmp_path: Path) -> None:
    maker = RowMaker(PriceList(), tmp_path, None)
    bomb = gzip.compress(b" " * (LONGEST_BODY_BYTES + 1))
    try:
        call = replace(large_call(bomb), end=replace(OK, content_encoding="gzip"))
        _, body = maker(call)
        assert body.response_truncated and len(body.response_body or "") == LONGEST_BODY_BYTES
    finally:
        maker.close()


def test_a_small_call_that_takes_too_long_is_interrupted_and_read_in_the_worker(tmp_path: Path) -> None:
    small = Call(
        call_id="a",
        start=call_start("a"),
        end=SSE,
        request=b'{"model":"gpt-4o"}',
        response=b"".join(CHUNK % index for index in range(2000)),
    )
    watchdog = Watchdog(most_s=0.002, tick_s=0.001)
    maker = RowMaker(PriceList(), tmp_path, None, watchdog=watchdog)
    gc.disable()  # what is raised within a callback of its (hypothesis has one) is lost, and pytest tells it
    expected = maker(small)
    assert maker._worker is None
    watchdog.start()
    try:
        for _ in range(20):
            assert maker(small) == expected
        assert maker._worker is not None
    finally:
        watchdog.stop()
        gc.enable()
        maker.close()


def test_a_regular_expression_without_end_is_interrupted_and_the_next_call_is_not() -> None:
    watchdog = Watchdog(most_s=0.1, tick_s=0.05)
    watchdog.start()
    try:
        with pytest.raises(Overtime):
            watchdog.bounded(lambda: re.fullmatch(r"(?:a|a)*b", "a" * 60))
        assert watchdog.bounded(lambda: re.fullmatch(r"a*", "a" * 60))
    finally:
        watchdog.stop()


def test_a_settled_line_of_a_hundred_megabytes_needs_little_memory() -> None:
    """A body of zero bytes has six letters for each in JSON."""
    line = orjson.dumps(
        {"request_id": "a", "started_at": "2026-11-20T00:00:00Z", "request_body": "\0" * LONGEST_BODY_BYTES}
    )
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit_data(600 * MIB)
    try:
        (body,) = read_rows([line], "bodies")["request_body"].to_pylist()
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    assert len(body) == LONGEST_BODY_BYTES
