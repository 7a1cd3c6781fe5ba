"""Lines that are read by what is known of their like say the same as lines that are parsed."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.storage.journal_lines import CallEnd, CallStart, Charge, end_line, parse_line, start_line
from addon.storage.known_lines import LONGEST_BYTES, MOST_KNOWN, KnownLines

TEXTS = st.text(max_size=12)
MAPS = st.dictionaries(TEXTS | st.sampled_from(("status", "provider_name", 'x","status":')), TEXTS, max_size=3)
CALL: dict[str, Any] = {
    "request_id": "0199",
    "started_at_us": 1_795_262_400_000_000,
    "provider_name": "openai",
    "operation_name": "chat",
    "method": "POST",
    "host": "api.openai.com",
    "path": "/v1/chat/completions",
    "mode": "reverse",
}


def _start(**told: Any) -> bytes:
    return start_line("0199", CallStart(**(CALL | told))).rstrip(b"\n")


@given(TEXTS, TEXTS, MAPS, MAPS, st.none() | TEXTS)
def test_a_start_is_what_its_whole_line_says(
    call_id: str, request_id: str, properties: dict[str, str], headers: dict[str, str], user: str | None
) -> None:
    known = KnownLines()
    call = CallStart(**(CALL | {"request_id": request_id}), properties=properties, headers=headers, user_id=user)
    line = start_line(call_id, call).rstrip(b"\n")
    for _ in range(2):
        assert (known.read(line) or parse_line(line)) == parse_line(line)


@given(TEXTS, MAPS, st.none() | TEXTS, st.booleans(), st.integers(0, 2**40), st.booleans())
def test_an_end_is_what_its_whole_line_says(
    call_id: str, headers: dict[str, str], command: str | None, final: bool, size: int, charged: bool
) -> None:
    known = KnownLines()
    charges = [Charge(key="k", unit="cents", quota=2.5, window_s=60)] if charged else []
    call = CallEnd(status=200, kept_headers=headers, client_command=command, response_bytes=size, charges=charges)
    line = end_line(call_id, call, final).rstrip(b"\n")
    for _ in range(2):
        assert (known.read(line) or parse_line(line)) == parse_line(line)


def test_calls_of_one_program_are_known_by_what_they_have_alike() -> None:
    known = KnownLines()
    first = known.read(_start(session_id="a"))
    second = known.read(_start(session_id="b", started_at_us=1_795_262_400_000_001))
    assert first and isinstance(first.call, CallStart)
    assert second and isinstance(second.call, CallStart)
    assert (first.call.session_id, second.call.session_id) == ("a", "b")
    assert first.call.host is second.call.host


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda line: line.replace(b'"provider_name":"openai"', b'"provider_name":"openai","user_id":"other"'),
        lambda line: line.replace(b'"started_at_us":1795262400000000', b'"started_at_us":-1'),
        lambda line: line.replace(b'"started_at_us":1795262400000000', b'"started_at_us":"1"'),
        lambda line: line[:-1],
        lambda line: line[:-40],
        lambda line: line + b"}",
        lambda line: line.replace(b'"id":"0199"', b'"id":"01\n99"'),
        lambda line: line.replace(b'"user_id":null,', b""),
        lambda line: line.replace(b'"call":{', b'"call":{"new":{"a":1},'),
    ],
)
def test_a_line_of_another_form_is_left_to_the_parser(spoilt: object) -> None:
    known = KnownLines()
    assert known.read(_start())  # its like is known now
    assert callable(spoilt)
    line = spoilt(_start())
    assert line != _start()
    assert known.read(line) is None


def test_what_is_remembered_is_bounded() -> None:
    known = KnownLines()
    for number in range(MOST_KNOWN + 3):
        assert known.read(_start(client=f"client {number}"))
    assert known.read(_start(client="x" * LONGEST_BYTES))
    assert len(known._known) == 3


def test_fields_of_a_newer_version_are_left_out() -> None:
    line = orjson.dumps({"t": "end", "id": "a", "final": True, "call": vars(CallEnd(status=200)) | {"new": 1}})
    read = KnownLines().read(line)
    assert read is not None
    assert read == parse_line(line)
