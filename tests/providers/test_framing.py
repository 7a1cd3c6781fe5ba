"""Every decoder gives the same events however the bytes are split; every scanner sees the same end."""

import base64
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.providers.framing import aws_event_stream
from addon.providers.framing.grpc import framed
from addon.providers.framing.lines import BOM, websocket_line
from addon.providers.framing.model import Event, Framing, Terminal
from addon.providers.framing.table import (
    AWS_EVENT_STREAM,
    FRAMINGS,
    GRPC,
    GRPC_MESSAGE,
    JSON,
    JSON_ARRAY,
    JSON_LINES,
    NDJSON,
    SSE,
    WEBSOCKET,
    body_events,
    events,
    framing_of,
)

EVENTS = [{"n": 1, "text": 'a "quoted" {brace} \\'}, {"n": 2, "text": "日本\u2028"}, {"deep": [{"a": [1, "]"]}]}]
FRAMES = b"".join(
    aws_event_stream.encode({":message-type": "event", ":event-type": f"kind{n}"}, json.dumps(event).encode())
    for n, event in enumerate(EVENTS)
)
MESSAGES = b"".join(framed(json.dumps(event).encode()) for event in EVENTS)
BODIES: dict[str, tuple[Framing, bytes]] = {
    "sse": (
        SSE,
        b"\xef\xbb\xbf: hi\r\n\r\n" + "".join(f"event: e\ndata: {json.dumps(e)}\r\n\r" for e in EVENTS).encode(),
    ),
    "sse without its last blank line": (SSE, b"data: {}\n\ndata: 1\ndata: 2"),
    "ndjson": (NDJSON, "".join(json.dumps(e, ensure_ascii=False) + "\n" for e in EVENTS).encode()),
    "array": (JSON_ARRAY, json.dumps(EVENTS, indent=2, ensure_ascii=False).encode()),
    "frames": (AWS_EVENT_STREAM, FRAMES),
    "lines": (JSON_LINES, "".join(json.dumps(e) + "\n" for e in EVENTS).encode()),
    "messages": (GRPC, MESSAGES),
    "one message": (GRPC_MESSAGE, MESSAGES),
    "socket": (WEBSOCKET, b"".join(websocket_line(json.dumps(e).encode()) for e in EVENTS)),
}
STREAMS = [framing for framing in FRAMINGS if framing.is_stream]


def split_events(framing: Framing, body: bytes, cuts: list[int]) -> list[Event]:
    assert framing.decoder
    decoder, found = framing.decoder(), []
    for start, end in pairwise([0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]):
        found += decoder.feed(body[start:end])
    return found + decoder.end()


def test_every_stream_has_a_body_here() -> None:
    assert {framing for framing, _ in BODIES.values()} == set(STREAMS)


@pytest.mark.parametrize("name", ["ndjson", "lines", "array", "frames", "socket", "messages", "one message"])
def test_a_body_has_its_events(name: str) -> None:
    framing, body = BODIES[name]
    assert [json.loads(event.data) for event in events(framing, body)] == EVENTS


def test_a_frame_is_named_by_its_event_type() -> None:
    assert [event.event for event in events(AWS_EVENT_STREAM, FRAMES)] == ["kind0", "kind1", "kind2"]


@pytest.mark.parametrize("name", BODIES)
@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_every_split_gives_the_same_events(name: str, cuts: list[int]) -> None:
    framing, body = BODIES[name]
    assert split_events(framing, body, cuts) == events(framing, body)


@pytest.mark.parametrize("name", BODIES)
def test_single_bytes_give_the_same_events(name: str) -> None:
    framing, body = BODIES[name]
    assert split_events(framing, body, list(range(len(body)))) == events(framing, body)


@given(st.sampled_from(STREAMS), st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_any_bytes_at_any_split_give_the_same_and_raise_nothing(framing: Framing, body: bytes, cuts: list[int]) -> None:
    assert split_events(framing, body, cuts) == events(framing, body)


@given(
    st.sampled_from(STREAMS),
    st.one_of(
        st.binary(max_size=300),
        st.lists(st.sampled_from([b"data: {}", b"data:", b"event: e", b"\n", b"\r", BOM, b" ", b":", b"x"])).map(
            b"".join
        ),
        st.sampled_from([body for _, body in BODIES.values()]),
    ),
    st.integers(0, 400),
)
def test_the_events_of_a_whole_body_are_the_same(framing: Framing, body: bytes, cut: int) -> None:
    for part in (body, body[:cut], body[cut:]):
        found, expected = body_events(framing, part), events(framing, part)
        assert found.last(2) == expected[-2:]
        assert bool(found) is bool(expected)
        assert list(found) == expected
        assert found.distinct() == expected


@given(st.integers(0, len(FRAMES)), st.integers(1, 255))
def test_a_frame_whose_checksum_is_wrong_ends_the_reading(position: int, change: int) -> None:
    broken = bytearray(FRAMES + b"\0")
    broken[position] ^= change
    found = events(AWS_EVENT_STREAM, bytes(broken[:-1]))
    assert list(body_events(AWS_EVENT_STREAM, bytes(broken[:-1]))) == found
    assert found == events(AWS_EVENT_STREAM, FRAMES)[: len(found)]


CHUNK = aws_event_stream.encode(
    {":event-type": "chunk"}, b'{"bytes":"eyJ0eXBlIjoibWVzc2FnZV9zdG9wIn0="}'
)  # {"type":"message_stop"}
LARGE = aws_event_stream.encode({":event-type": "contentBlockDelta"}, b"x" * 50_000)


@pytest.mark.parametrize(
    ("framing", "terminal", "body", "ends"),
    [
        (SSE, Terminal(line_start=rb"data: ?\[DONE\]"), b'data: {"a":"data: [DONE]"}\n\ndata: [DONE]\n\n', True),
        (SSE, Terminal(line_start=rb"data: ?\[DONE\]"), b'data: {"a":"data: [DONE]"}\n\n', False),
        (NDJSON, Terminal(anywhere=rb'"done"\s*:\s*true'), b'{"text":"\\"done\\":true","done":false}\n', False),
        (
            NDJSON,
            Terminal(anywhere=rb'"done"\s*:\s*true'),
            b'{"a":1}\n{"text":"' + b"x" * 500 + b'","done":true}\n',
            True,
        ),
        (JSON_ARRAY, Terminal(anywhere=rb'"finishReason"\s*:\s*"'), b'[{"a":1},\n{"finishReason": "STOP"}]', True),
        (AWS_EVENT_STREAM, Terminal(events=frozenset({"metadata"})), FRAMES, False),
        (
            AWS_EVENT_STREAM,
            Terminal(events=frozenset({"metadata"})),
            FRAMES + LARGE + aws_event_stream.encode({":event-type": "metadata"}, b"{}"),
            True,
        ),
        (AWS_EVENT_STREAM, Terminal(anywhere=b'"message_stop"'), LARGE + CHUNK, True),
        (AWS_EVENT_STREAM, Terminal(anywhere=b'"message_stop"'), LARGE + FRAMES, False),
    ],
)
def test_a_scanner_sees_the_end_at_every_split(framing: Framing, terminal: Terminal, body: bytes, ends: bool) -> None:
    assert framing.scanner
    for step in (1, 7, 64, len(body)):
        scanner = framing.scanner(terminal)
        for start in range(0, len(body), step):
            scanner.feed(body[start : start + step])
        assert scanner.feed(b"") is ends


@pytest.mark.parametrize(
    ("content_type", "framing"),
    [
        ("text/event-stream; charset=utf-8", SSE),
        ("Application/X-NDJSON", NDJSON),
        ("application/stream+json", NDJSON),
        ("application/vnd.amazon.eventstream", AWS_EVENT_STREAM),
        ("application/json", JSON),
        (None, JSON),
    ],
)
def test_the_content_type_names_the_framing(content_type: str | None, framing: Framing) -> None:
    assert framing_of(content_type) is framing


LINES = (
    b'data: {"id":"c","x":%b}\n\n',
    b'{"model":"m","x":%b}\n',
    b'{"model":"m","x":%b}\r\n',
    b'event: delta\ndata: {"type":"delta","x":%b}\n\n',
    b'{"model":"m","x":%b}\nevent: error\n',
    b'{"model":"m","x":%b}\n\ndata: [DONE]\n',
    b'{"model":"m","x":%b}\n{"error":{}}\n',
    b'{"model":"m","x":%b',
)
VALUES = (b"1", b'"done"', b'"true"', b'1,"done": true', b'"\\"done\\":true"', b'1,"done" :\ttrue', b"x" * 200)
ENDS = (None, rb'"done"\s*:\s*true', rb'"(?:done|stop)"\s*:\s*true', b'"done"')


@given(
    st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(VALUES)), max_size=6),
    st.sampled_from((None, rb"data: ?\[DONE\]")),
    st.sampled_from(ENDS),
)
def test_lines_that_begin_like_others_are_looked_through_as_if_they_were_the_first(
    pieces: list[tuple[bytes, bytes]], start: bytes | None, anywhere: bytes | None
) -> None:
    terminal = Terminal(line_start=start, anywhere=anywhere)
    assert SSE.scanner
    scanner, whole = SSE.scanner(terminal), b""
    for line, value in pieces:
        piece = line % value if b"%b" in line else line
        whole += piece
        assert scanner.feed(piece) is SSE.scanner(terminal).feed(whole)


WRAPPED = (
    b'{"bytes":"%b"}',
    b'{"bytes":"%b","p":"abc"}',
    b'{"p":"abc", "bytes" : "%b"}',
    b'{"bytes":"?%b"}',
    b'{"bytes":"%b',
    b"%b",
)
INSIDE = (b'{"a":1}', b'{"a":1,"done":2}', b'{"ab":1,"done":2}', b'{"abc":1,"done":2}', b'"done"', b"")


@given(st.lists(st.tuples(st.sampled_from(WRAPPED), st.sampled_from(INSIDE), st.booleans()), max_size=6))
def test_frames_of_a_kind_that_came_before_are_looked_into(frames: list[tuple[bytes, bytes, bool]]) -> None:
    terminal = Terminal(anywhere=b'"done"')
    assert AWS_EVENT_STREAM.scanner
    scanner = AWS_EVENT_STREAM.scanner(terminal)
    ended = False
    for wrapped, inside, is_encoded in frames:
        payload = wrapped % (base64.b64encode(inside) if is_encoded else inside)
        looked_into = aws_event_stream.inner_payload(payload) or payload
        ended = ended or b'"done"' in looked_into
        assert scanner.feed(aws_event_stream.encode({":event-type": "chunk"}, payload)) is ended
