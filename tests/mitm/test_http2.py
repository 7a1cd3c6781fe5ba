"""How an HTTP/2 connection ends when its process does: what our layer sends, frame by frame, without sockets."""

from collections.abc import Iterator

import h2.config
import h2.connection
import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import Frame, GoAwayFrame, HeadersFrame, RstStreamFrame
from mitmproxy import http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ResponseEndOfMessage, ResponseHeaders
from mitmproxy.test import taddons, tflow

from addon.calls.connection import OpenConnections
from addon.mitm.http2 import JsonHttp2Server
from addon.mitm.stream_events import ProxyLeaves

REQUEST = [(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", "api.openai.com")]
ANY_STREAM = 2**31 - 1


class Caller:
    """A client, and our layer at the other end of its connection. What the client reads is told as frames: `HEADERS 1` is the
    head of an answer on stream 1, `GOAWAY 3` says that no stream after 3 is answered."""

    def __init__(self, *, is_leaving: bool = False) -> None:
        self.connections = OpenConnections()
        self.connections.is_leaving = is_leaving
        self._client = tflow.tclient_conn()
        with taddons.context(Proxyserver()) as mitmproxy:
            context = Context(self._client, mitmproxy.options)
        self._server = JsonHttp2Server(context, self.connections)
        self._speaks = h2.connection.H2Connection(h2.config.H2Configuration())
        self._speaks.initiate_connection()
        self.at_first = [*self._read(events.Start()), *self._send()]

    def asks(self, stream_id: int) -> list[str]:
        self._speaks.send_headers(stream_id, REQUEST, end_stream=True)
        return self._send()

    def is_answered(self, stream_id: int) -> list[str]:
        head = ResponseHeaders(stream_id, http.Response.make(200), end_stream=True)
        return [*self._read(head), *self._read(ResponseEndOfMessage(stream_id))]

    def is_left(self, *, soon: bool = False) -> list[str]:
        self.connections.is_leaving = True
        return self._read(ProxyLeaves(soon=soon))

    def disconnects(self) -> None:
        self._client.state = ConnectionState.CLOSED
        self._read(events.ConnectionClosed(self._client))

    def _send(self) -> list[str]:
        return self._read(events.DataReceived(self._client, self._speaks.data_to_send()))

    def _read(self, event: events.Event) -> list[str]:
        sent = [each.data for each in self._server.handle_event(event) if isinstance(each, commands.SendData)]
        return list(told(b"".join(sent)))

    def asks_and_resets(self, stream_id: int) -> list[tuple[int, str]]:
        """In the same bytes. What the stream hears: of which stream, and what."""
        self._speaks.send_headers(stream_id, REQUEST)
        self._speaks.send_data(stream_id, b"{}", end_stream=True)
        self._speaks.reset_stream(stream_id, ErrorCodes.CANCEL)
        data = events.DataReceived(self._client, self._speaks.data_to_send())
        told = [each.event for each in self._server.handle_event(data) if isinstance(each, ReceiveHttp)]
        return [(each.stream_id, type(each).__name__) for each in told]


def told(sent: bytes) -> Iterator[str]:
    while sent:
        frame, length = Frame.parse_frame_header(memoryview(sent[:9]))
        frame.parse_body(memoryview(sent[9 : 9 + length]))
        sent = sent[9 + length :]
        if isinstance(frame, GoAwayFrame):
            assert frame.error_code == ErrorCodes.NO_ERROR
            yield f"GOAWAY {frame.last_stream_id}"
        elif isinstance(frame, RstStreamFrame):
            yield f"{ErrorCodes(frame.error_code).name} {frame.stream_id}"
        elif isinstance(frame, HeadersFrame):
            yield f"HEADERS {frame.stream_id}"


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture
def leaving() -> Caller:
    """A caller whose connection was accepted as the process began to leave."""
    return Caller(is_leaving=True)


def test_a_caller_without_a_call_under_way_is_told_at_once_and_once(caller: Caller) -> None:
    caller.asks(1)
    caller.is_answered(1)
    assert caller.is_left() == ["GOAWAY 1"]
    assert caller.is_left(soon=True) == []


@pytest.mark.parametrize("soon", [False, True])
def test_a_caller_that_has_asked_nothing_yet_is_told_after_its_first_answer(caller: Caller, soon: bool) -> None:
    assert caller.is_left(soon=soon) == []
    assert caller.asks(1) == []
    assert caller.is_answered(1) == ["HEADERS 1", "GOAWAY 1"]


def test_a_caller_that_connects_to_a_process_that_leaves_is_told_after_its_first_answer(leaving: Caller) -> None:
    assert leaving.at_first == []
    assert leaving.asks(1) == []
    assert leaving.is_answered(1) == ["HEADERS 1", "GOAWAY 1"]


def test_a_call_under_way_ends_before_its_caller_is_told(caller: Caller) -> None:
    caller.asks(1)
    assert (caller.is_left(), caller.is_left(soon=True)) == ([], [])
    assert caller.is_answered(1) == ["HEADERS 1", "GOAWAY 1"]


def test_a_caller_whose_calls_overlap_is_told_when_the_time_runs_out_and_all_are_answered(caller: Caller) -> None:
    caller.asks(1)
    assert caller.is_left() == []
    assert caller.asks(3) == []
    assert caller.is_answered(1) == ["HEADERS 1"]
    assert caller.is_left(soon=True) == [f"GOAWAY {ANY_STREAM}"]
    assert caller.asks(5) == [], "it crossed the GOAWAY, and is answered as promised"
    assert caller.is_answered(3) == ["HEADERS 3"]
    assert caller.is_answered(5) == ["HEADERS 5", "GOAWAY 5"]


def test_a_request_that_crosses_the_last_goaway_is_refused_so_that_it_may_be_sent_again(caller: Caller) -> None:
    caller.asks(1)
    caller.is_answered(1)
    assert caller.is_left() == ["GOAWAY 1"]
    assert caller.asks(3) == ["REFUSED_STREAM 3"]


def test_nothing_is_said_to_a_caller_that_has_left(caller: Caller) -> None:
    caller.asks(1)
    caller.disconnects()
    assert caller.is_left() == []


def test_a_reset_in_the_bytes_in_which_its_stream_ends_is_heard(caller: Caller) -> None:
    assert caller.asks_and_resets(1)[-1] == (1, "RequestProtocolError")
    assert caller.asks_and_resets(3)[-1] == (3, "RequestProtocolError")
