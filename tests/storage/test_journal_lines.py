from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.storage.journal_lines import (
    CallEnd,
    CallStart,
    Side,
    bodies_of,
    end_line,
    event_line,
    parse_line,
    piece_line,
    piece_of,
    start_line,
)
from addon.storage.record import FeedbackRow, PropertyChangeRow, ScoreRow
from tests.storage.calls import NOON, call_start

SCORE = ScoreRow(request_id="b", created_at=NOON, name="accuracy", value=0.5)


@given(st.text(min_size=1), st.binary())
def test_a_piece_comes_back_byte_for_byte(call_id: str, data: bytes) -> None:
    raw = piece_line(call_id, "response", data)
    assert raw.count(b"\n") == 1
    line = parse_line(raw)
    assert (line.kind, line.call_id, line.data) == ("response", call_id, data)


@given(
    st.builds(
        CallStart,
        started_at_us=st.integers(0, 4_102_444_799_999_999),
        properties=st.dictionaries(st.text(), st.text()),
        user_id=st.none() | st.text(),
    )
)
def test_a_start_comes_back_whole(start: CallStart) -> None:
    assert parse_line(start_line("id", start)).call == start


@given(st.integers(-100, 599), st.booleans(), st.none() | st.floats(0, 1e9))
def test_an_end_comes_back_whole(status: int, final: bool, overhead_ms: float | None) -> None:
    end = CallEnd(status=status, overhead_ms=overhead_ms, reading={"finish_reasons": ["stop"]})
    line = parse_line(end_line("id", end, final))
    assert (line.call, line.final) == (end, final)


@given(
    st.text(),
    st.text(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 4_102_444_799_999_999),
)
def test_an_event_comes_back_whole(name: str, text: str, number: float, created_at_us: int) -> None:
    created_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=created_at_us)
    for row in (
        FeedbackRow(request_id=text, created_at=created_at, rating=number > 0),
        ScoreRow(request_id=text, created_at=created_at, name=name, value=number),
        PropertyChangeRow(request_id=text, created_at=created_at, name=name, value=text),
    ):
        line = parse_line(event_line("id", row))
        assert (line.kind, line.call_id, line.row) == ("event", "id", row)


def test_header_bytes_that_are_not_text_do_not_lose_the_call() -> None:
    start = call_start("id")
    start.client = b"agent\xff".decode("utf-8", "surrogateescape")
    call = parse_line(start_line("id", start)).call
    assert isinstance(call, CallStart)
    assert call.client == "agent?"


def test_fields_of_a_newer_version_are_left_out() -> None:
    raw = start_line("id", call_start("id")).replace(b'"method"', b'"from_the_future":1,"method"')
    call = parse_line(raw).call
    assert call is not None
    assert asdict(call) == asdict(call_start("id"))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'{"t":"start","id":"a"}',
        b'{"t":"start","id":"a","call":{}}',
        start_line("a", call_start("a", started_at_us=10**18)),
        b'{"t":"response","id":"a","b64":"?"}',
        b'{"t":"request","id":1,"text":""}',
        b'{"t":"end","id":"a","call":{"status":200}}',
        b'{"t":"something","id":"a"}',
        event_line("a", SCORE).replace(b"scores", b"marks"),
        event_line("a", SCORE).replace(b"0.5", b'"0.5"'),
        event_line("a", SCORE).replace(b"0.5", b"null"),  # as NaN is written
        event_line("a", SCORE).replace(b"2026-", b"2126-"),
        event_line("a", SCORE).replace(b"+00:00", b""),
        event_line("a", SCORE).replace(b"2026-11-21", b"2026-11-31"),
    ],
)
def test_a_line_that_is_not_ours_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError):
        parse_line(raw)


def test_an_end_of_an_older_version_is_read() -> None:
    raw = b'{"t":"end","id":"a","final":true,"call":{"status":200,"attempts":2}}'
    assert parse_line(raw).call == CallEnd(status=200, attempts=2)


@given(st.lists(st.tuples(st.sampled_from(["request", "response"]), st.one_of(st.binary(), st.text().map(str.encode)))))
def test_bodies_are_put_together_of_their_pieces(pieces: list[tuple[Side, bytes]]) -> None:
    lines = [piece_line("id", side, data)[:-1] for side, data in pieces]
    expected = {side: b"".join(data for of, data in pieces if of == side) for side in ("request", "response")}
    assert bodies_of(lines) == (expected["request"], expected["response"])
    assert {piece_of(line) for line in lines} <= {"id"}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"t":"response","id":"id","text":"a"b"}',
        b'{"t":"response","id":"id","text":"\\"}',
        b'{"t":"response","id":"id","text":"a","b64":"b"}x"}',
        b'{"t":"response","id":"id","b64":"?"}',
        b'{"t":"response","id":"id","text":"a',
        b'{"t":"end","id":"id","final":true,"call":{"status":200}}',
    ],
)
def test_a_damaged_piece_is_a_value_error(raw: bytes) -> None:
    good = piece_line("id", "response", b"good")[:-1]
    for lines in ([raw], [good, raw], [raw, good]):
        with pytest.raises(ValueError):
            bodies_of(lines)
