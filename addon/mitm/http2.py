"""HTTP/2 as mitmproxy speaks it to callers, with what it lacks: errors in JSON, bounds on heads, an end to bodies that nobody
wants, GOAWAY where this process ends.

Relies on its internals (read on 12.2.3): `Http2Connection._handle_event`, `.handle_h2_event`, `.is_open_for_us`, `.h2_conn`.
"""

from typing import Any, Final

import h2.errors
import h2.events
from hyperframe.frame import GoAwayFrame
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.events import DataReceived
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestProtocolError, ResponseProtocolError
from mitmproxy.proxy.layers.http._http2 import Http2Server

from addon.calls.connection import OpenConnections
from addon.mitm.http1 import error_body_of
from addon.mitm.http_limits import LONGEST_HEAD, too_much
from addon.mitm.stream_events import HeadIsLate, ProxyLeaves

# How much of a body is discarded once its request is answered: some clients read only after they have sent all of it.
_MOST_UNWANTED_BYTES: Final = 32 * 2**20
_HEADERS_FRAMES: Final = (0x1, 0x9)  # RFC 9113: HEADERS, CONTINUATION; the type is the fourth byte of a frame
_SIZE_OF_LENGTH: Final = 3
_ANY_STREAM: Final = 2**31 - 1


class JsonHttp2Server(Http2Server):
    def __init__(self, context: Context, connections: OpenConnections) -> None:
        super().__init__(context)
        # More than we accept, so that there is an answer; beyond it h2 closes the connection.
        self.h2_conn.decoder.max_header_list_size = 4 * LONGEST_HEAD
        self._connections, self._caller = connections, connections.of(context.client)
        self._caller.speaks_http2 = True
        self._unwanted: dict[int, int] = {}  # bytes by stream
        self._last_before: int | None = None  # the last stream that came before this process began to leave
        self._last_stated: int | None = None  # by our GOAWAY: the last stream that is answered

    def _handle_event(self, event: Any) -> layer.CommandGenerator[None]:
        if type(event) is HeadIsLate:
            return  # a head that is not whole cannot be answered
        if isinstance(event, ProxyLeaves):
            yield from self._go_away(event.soon)
            return
        if isinstance(event, ResponseProtocolError) and (status := event.code.http_status_code()):
            stream = self.h2_conn.streams.get(event.stream_id)
            if self.is_open_for_us(event.stream_id) and stream and not stream.state_machine.headers_sent:
                yield from self._answer(event.stream_id, status, event.message)
                return
        yield from super()._handle_event(event)
        if isinstance(event, DataReceived):
            self._caller.waits_for_head(self._has_part_of_a_head())
        if self._connections.is_leaving:
            yield from self._go_away(False)

    def _go_away(self, soon: bool) -> layer.CommandGenerator[None]:
        """GOAWAY as soon as no stream is open: it names the last stream, so that a client whose next request has crossed it may
        send that again elsewhere. Before that only `soon`, and only to a client that has sent requests since: it promises an
        answer to all (RFC 9113, 6.8), but clients made with Python's h2 give up what is under way when they read it. Nothing before
        the first request: such clients do not send it again elsewhere, and break off when anything follows, be it the answer to
        their settings."""
        if not self.conn.state & ConnectionState.CAN_WRITE:
            return
        last = self.h2_conn.highest_inbound_stream_id
        if self._last_before is None:
            self._last_before = last
        if not last:
            return
        if self.h2_conn.open_inbound_streams:
            if self._last_stated is not None or not soon or last == self._last_before:
                return
            last = _ANY_STREAM
        if self._last_stated is None or last < self._last_stated:
            self._last_stated = last
            yield commands.SendData(self.conn, GoAwayFrame(0, last_stream_id=last).serialize())

    def done(self, _: Any) -> layer.CommandGenerator[None]:
        """The connection is over. mitmproxy raises where an event of ours comes yet."""
        yield from ()

    def handle_h2_event(self, event: Any) -> layer.CommandGenerator[bool]:
        if isinstance(event, h2.events.RequestReceived):
            if self._last_stated is not None and event.stream_id > self._last_stated:
                self.h2_conn.reset_stream(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
                return False
            fields = tuple(event.headers or ())
            if problem := too_much(fields, 0):
                yield from self._answer(event.stream_id, 431, problem)
                return False
            if event.stream_ended and _promises_a_body(fields):
                yield from self._answer(event.stream_id, 400, "the request has a content-length and no body")
                return False
        elif isinstance(event, h2.events.DataReceived) and not self.is_open_for_us(event.stream_id):
            self._give_up(event)
        elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
            self._unwanted.pop(event.stream_id, None)
            if isinstance(event, h2.events.StreamReset) and event.stream_id not in self.streams:
                # mitmproxy forgets a stream at its end where the reset came in the same bytes, and would tell nobody.
                message, code = "stream reset by client", ErrorCode.CANCEL
                yield ReceiveHttp(RequestProtocolError(event.stream_id, message, code))
        return (yield from super().handle_h2_event(event))

    def _answer(self, stream_id: int, status: int, message: str) -> layer.CommandGenerator[None]:
        """Of a stream that the caller has reset in the same bytes nobody reads an answer."""
        if not self.is_open_for_us(stream_id):
            return
        body = error_body_of(status, message)
        headers = [(b":status", b"%d" % status), (b"content-type", b"application/json")]
        self.h2_conn.send_headers(stream_id, [*headers, (b"content-length", b"%d" % len(body))])
        self.h2_conn.send_data(stream_id, body, end_stream=True)
        yield commands.SendData(self.conn, self.h2_conn.data_to_send())

    def _give_up(self, event: h2.events.DataReceived) -> None:
        stream_id, data = event.stream_id, event.data or b""
        so_far = self._unwanted[stream_id] = self._unwanted.get(stream_id, 0) + len(data)
        if so_far > _MOST_UNWANTED_BYTES and not self.is_closed(stream_id):
            self.h2_conn.reset_stream(stream_id, h2.errors.ErrorCodes.NO_ERROR)
            self._unwanted.pop(stream_id, None)

    def _has_part_of_a_head(self) -> bool:
        incoming = self.h2_conn.incoming_buffer
        if incoming._headers_buffer:
            return True
        rest = bytes(incoming._data[: _SIZE_OF_LENGTH + 1])
        return bool(rest) and (len(rest) <= _SIZE_OF_LENGTH or rest[_SIZE_OF_LENGTH] in _HEADERS_FRAMES)


def _promises_a_body(fields: tuple[tuple[bytes, bytes], ...]) -> bool:
    """h2 compares the length with a body only where there is one. Sent on by HTTP/1, the next bytes would be taken for it."""
    return any(name == b"content-length" and value.strip(b"0 ") for name, value in fields)
