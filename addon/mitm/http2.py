"""HTTP/2 as mitmproxy speaks it to callers, with what it lacks: errors in JSON, bounds on heads, an end to bodies that nobody
wants.

Relies on its internals (read on 12.2.3): `Http2Connection._handle_event`, `.handle_h2_event`, `.is_open_for_us`, `.h2_conn`.
"""

from typing import Any, Final

import h2.errors
import h2.events
from mitmproxy.proxy import commands, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.events import DataReceived
from mitmproxy.proxy.layers.http._events import ResponseProtocolError
from mitmproxy.proxy.layers.http._http2 import Http2Server

from addon.hooks.connection import ClientConnection
from addon.mitm.http1 import error_body_of
from addon.mitm.http_limits import LONGEST_HEAD, too_much
from addon.mitm.stream_events import HeadIsLate

# How much of a body is discarded once its request is answered: some clients read only after they have sent all of it.
_MOST_UNWANTED_BYTES: Final = 32 * 2**20
_HEADERS_FRAMES: Final = (0x1, 0x9)  # RFC 9113: HEADERS, CONTINUATION; the type is the fourth byte of a frame
_SIZE_OF_LENGTH: Final = 3


class JsonHttp2Server(Http2Server):
    def __init__(self, context: Context, caller: ClientConnection) -> None:
        super().__init__(context)
        # More than we accept, so that there is an answer; beyond it h2 closes the connection.
        self.h2_conn.decoder.max_header_list_size = 4 * LONGEST_HEAD
        self._caller = caller
        self._unwanted: dict[int, int] = {}  # bytes by stream

    def _handle_event(self, event: Any) -> layer.CommandGenerator[None]:
        if type(event) is HeadIsLate:
            return  # a head that is not whole cannot be answered
        if isinstance(event, ResponseProtocolError) and (status := event.code.http_status_code()):
            stream = self.h2_conn.streams.get(event.stream_id)
            if self.is_open_for_us(event.stream_id) and stream and not stream.state_machine.headers_sent:
                yield from self._answer(event.stream_id, status, event.message)
                return
        yield from super()._handle_event(event)
        if isinstance(event, DataReceived):
            self._caller.waits_for_head(self._has_part_of_a_head())

    def handle_h2_event(self, event: Any) -> layer.CommandGenerator[bool]:
        if isinstance(event, h2.events.RequestReceived):
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
