"""HTTP/1 as mitmproxy speaks it, with what it lacks: errors in JSON, interim answers, trailers, a caller that left.

Relies on its internals (read on 12.2.3; `internals.py` checks them): `Http1Server.send` and `.read_headers`,
`Http1Client.read_headers`, and that this client and `ChunkedReader` are looked up by name where they are made.
"""

import json
import re
from typing import Any, Final

from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.net.http import http1, status_codes
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import _http1 as http1_layers
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
    ResponseData,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server

from addon.calls.connection import ClientConnection
from addon.mitm.chunks import BodyReader, chunk
from addon.mitm.http_limits import LONGEST_HEAD, LONGEST_PIPELINED, too_much
from addon.mitm.splice import can_write, spliced
from addon.mitm.stream_events import HeadIsLate, ReadNext
from addon.mitm.whole_messages import WholeRequest, WholeResponse, take_body
from addon.providers.dialect import openai_error

_WITH_BODY: Final = ("POST", "PUT", "PATCH")


class JsonHttp1Server(Http1Server):
    """Speaks to an HTTP/1 caller; what mitmproxy would say in HTML is said in JSON."""

    sends_chunks = False  # the answer that is under way
    has_next = False  # what came behind a request is to be read: its answer has gone out

    def __init__(self, context: Context, caller: ClientConnection) -> None:
        super().__init__(context)
        self._caller = caller

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Nothing in this layer waits."""
        if type(event) is ReadNext:
            return self.read_next()
        return self._tell_late() if type(event) is HeadIsLate else self._handle_event(event)

    def _tell_late(self) -> layer.CommandGenerator[None]:
        if self.state == self.read_headers:
            yield from self._refuse(408, f"the head of the request was not whole within {self._caller.head_s:g} s")

    def send(self, event: Any) -> layer.CommandGenerator[None]:
        if not can_write(self.conn):
            return  # the caller is gone; others may still wait for this answer
        if isinstance(event, ResponseData):  # many to an answer: how it is framed is looked up once
            data = chunk(event.data) if self.sends_chunks else event.data
            if data:
                yield commands.SendData(self.conn, data)
            return
        if isinstance(event, ResponseTrailers):
            return  # mitmproxy cannot send them to an HTTP/1 caller
        if isinstance(event, ResponseHeaders):
            self.sends_chunks = "chunked" in event.response.headers.get("transfer-encoding", "").lower()
        if isinstance(event, ResponseProtocolError) and not self.response:
            status = event.code.http_status_code()
            if status is not None:
                yield commands.SendData(self.conn, _error_answer(status, event.message))
                yield commands.CloseConnection(self.conn)
                return
        yield from super().send(event)

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.DataReceived):
            yield from super().read_headers(event)
            return
        if event.data:
            yield from self.read_next()
        else:  # mitmproxy reads on at once, while the provider's connection still has to end the same answer
            self.has_next = True

    def read_next(self) -> layer.CommandGenerator[None]:
        self.has_next = False
        if head := self.buf.maybe_extract_lines():
            yield from self._read_request([bytes(line) for line in head])
        if self.state == self.read_headers:
            self._caller.waits_for_head(bool(self.buf))
            if len(self.buf) > LONGEST_HEAD:
                yield from self._refuse(431, f"the headers are longer than {LONGEST_HEAD} bytes")

    def _read_request(self, head: list[bytes]) -> layer.CommandGenerator[None]:
        try:
            self.request = request = http1.read_request_head(head)
            expected_bytes = http1.expected_http_body_size(request)
        except ValueError as error:
            yield from self._refuse_malformed(str(error))
            return
        self._caller.waits_for_head(False)
        if problem := too_much(request.headers.fields, len(request.data.path) + len(request.data.authority)):
            yield from self._refuse(431, problem)
            return
        is_connect = request.method.upper() == "CONNECT"  # what follows is not a message
        body = None if is_connect else take_body(self.buf, expected_bytes)
        if body is not None:
            yield ReceiveHttp(WholeRequest(self.stream_id, request, body))
            yield from self.mark_done(request=True)
        else:
            yield ReceiveHttp(RequestHeaders(self.stream_id, request, expected_bytes == 0))
            self.body_reader = http1_layers.make_body_reader(expected_bytes)
            self.state = self.read_body
            yield from self.read_body(events.DataReceived(self.conn, b""))

    def _refuse_malformed(self, problem: str) -> layer.CommandGenerator[None]:
        yield commands.SendData(self.conn, _error_answer(400, "malformed HTTP request"))
        yield commands.CloseConnection(self.conn)
        if self.request:  # its head could be read
            yield ReceiveHttp(RequestHeaders(self.stream_id, self.request, False))
            yield ReceiveHttp(RequestProtocolError(self.stream_id, problem, ErrorCode.GENERIC_CLIENT_ERROR))
        self.state = self.done

    def wait(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super().wait(event)
        if len(self.buf) > LONGEST_PIPELINED:  # the next request does not wait for the answer to this one
            yield commands.CloseConnection(self.conn)
            self.state = self.done

    def _refuse(self, status: int, message: str) -> layer.CommandGenerator[None]:
        yield commands.SendData(self.conn, _error_answer(status, message))
        self.state = self.discard
        self.buf.maybe_extract_at_most(len(self.buf))
        self._caller.discards_body()

    def discard(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        """What still comes is dropped, so that the caller can read its answer before the connection is closed."""
        if isinstance(event, events.ConnectionClosed):
            yield commands.CloseConnection(self.conn)
        else:
            self.buf.maybe_extract_at_most(len(self.buf))


# Interim answers (RFC 9110, 15.2) that may come before the final one. 101 is final.
_INTERIM: Final = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")


class PatientHttp1Client(Http1Client):
    """Speaks to an HTTP/1 provider. mitmproxy takes an interim answer (100, 103) for the answer, and drops the real one."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._layer = next(
            (above for above in reversed(context.layers) if isinstance(above, http_layers.HttpLayer)), None
        )
        self._is_logged_in = False  # this very connection

    @property
    def is_free(self) -> bool:
        """Whether anybody's request could be sent next: all answers have come whole, and nothing else."""
        return self.state == self.read_headers and not (
            self.request or self.stream_id or self.buf or self._is_logged_in
        )

    def belongs_to(self, http_layer: http_layers.HttpLayer) -> None:
        """From now on another caller's requests go out here."""
        self._layer = http_layer

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Nothing in this layer waits."""
        if type(event) is events.DataReceived and self._layer:
            data = spliced(self, self._layer, event.data)
            if data is not None:
                return self._pass_on(data, self._layer.context.client)
        return self._handle_event(event)

    @staticmethod
    def _pass_on(data: bytes, caller: Connection) -> layer.CommandGenerator[None]:
        if data:
            yield commands.SendData(caller, data)

    def send(self, event: Any) -> layer.CommandGenerator[None]:
        if type(event) is WholeRequest:
            yield from self._send_whole(event)
            return
        if isinstance(event, RequestTrailers):
            return  # HTTP/1 servers need not read them (RFC 9110, 6.5.1), and mitmproxy cannot send them
        if isinstance(event, RequestHeaders):
            self._is_logged_in = self._is_logged_in or _logs_connection_in(event.request)
        if isinstance(event, RequestHeaders) and event.request.is_http2:
            event = RequestHeaders(event.stream_id, _framed(event.request, event.end_stream), event.end_stream)
        yield from super().send(event)

    def _send_whole(self, whole: WholeRequest) -> layer.CommandGenerator[None]:
        if whole.request.is_http2 or "transfer-encoding" in whole.request.headers:
            for part in whole.parts():
                yield from self.send(part)
        else:
            self.stream_id, self.request = whole.stream_id, whole.request
            self._is_logged_in = self._is_logged_in or _logs_connection_in(whole.request)
            yield commands.SendData(self.conn, http1.assemble_request_head(whole.request) + whole.body)
            yield from self.mark_done(request=True)

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if not (isinstance(event, events.DataReceived) and self.request and self.stream_id):
            yield from super().read_headers(event)
            return
        while interim := _INTERIM.match(bytes(self.buf)):
            self.buf.maybe_extract_at_most(interim.end())
        if head := self.buf.maybe_extract_lines():
            yield from self._read_response([bytes(line) for line in head], self.request, self.stream_id)

    def _read_response(self, head: list[bytes], request: http.Request, stream_id: int) -> layer.CommandGenerator[None]:
        try:
            self.response = response = http1.read_response_head(head)
            expected_bytes = http1.expected_http_body_size(request, response)
        except ValueError as error:
            yield commands.CloseConnection(self.conn)
            message = f"Cannot parse HTTP response: {error}"
            yield ReceiveHttp(ResponseProtocolError(stream_id, message, ErrorCode.GENERIC_SERVER_ERROR))
            return
        if (body := take_body(self.buf, expected_bytes)) is not None:
            yield ReceiveHttp(WholeResponse(stream_id, response, body))
            yield from self.mark_done(response=True)
        else:
            yield ReceiveHttp(ResponseHeaders(stream_id, response, False))
            self.body_reader = http1_layers.make_body_reader(expected_bytes)
            self.state = self.read_body
            yield from self.read_body(events.DataReceived(self.conn, b""))


def _logs_connection_in(request: http.Request) -> bool:
    """NTLM and Negotiate: later requests on the connection are the same user's, whatever they say."""
    return str(request.headers.get("authorization", "")).lower().startswith(("ntlm", "negotiate"))


def _framed(request: http.Request, ends_here: bool) -> http.Request:
    """A request that came by HTTP/2, which says by frames where a body ends, with the header that says it in HTTP/1."""
    if "content-length" in request.headers or "transfer-encoding" in request.headers:
        return request
    framed = request.copy()
    if request.raw_content is not None or ends_here:
        if request.raw_content or request.method in _WITH_BODY:
            framed.headers["content-length"] = str(len(request.raw_content or b""))
    else:
        framed.headers["transfer-encoding"] = "chunked"
    return framed


def mend() -> None:
    """Put what reads HTTP/1 better in the place of what mitmproxy has."""
    http_layers.Http1Client = PatientHttp1Client  # type: ignore[attr-defined]
    http1_layers.ChunkedReader = BodyReader  # type: ignore[attr-defined]


def error_body_of(status: int, message: str) -> bytes:
    return json.dumps(openai_error(status, "invalid_request_error", message)).encode()


def _error_answer(status: int, message: str) -> bytes:
    body = error_body_of(status, message)
    reason = status_codes.RESPONSES.get(status, "Error")
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + body
