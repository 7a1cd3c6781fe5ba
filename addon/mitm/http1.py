"""HTTP/1 as mitmproxy speaks it, with what it lacks: errors in JSON, interim answers, trailers, a caller that left.

Relies on its internals (read on 12.2.3; `internals.py` checks them): `Http1Server.send` and `.read_headers`,
`Http1Client.read_headers`, and that this client and `ChunkedReader` are looked up by name where they are made.
"""

import json
import re
from typing import Any, Final

from h11 import Data, EndOfMessage
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import _http1 as http1_layers
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseHeaders, ResponseProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server

from addon.providers.dialect import openai_error


class JsonHttp1Server(Http1Server):
    """Speaks to an HTTP/1 caller; what mitmproxy would say in HTML is said in JSON."""

    _chunked = False

    def send(self, event: Any) -> layer.CommandGenerator[None]:
        if not self.conn.state & ConnectionState.CAN_WRITE:
            return  # the caller is gone; others may still wait for this answer
        if isinstance(event, ResponseData):  # many to an answer: how it is framed is looked up once
            data = b"%x\r\n%s\r\n" % (len(event.data), event.data) if self._chunked else event.data
            if data:
                yield commands.SendData(self.conn, data)
            return
        if isinstance(event, ResponseHeaders):
            self._chunked = "chunked" in event.response.headers.get("transfer-encoding", "").lower()
        if isinstance(event, ResponseProtocolError) and not self.response:
            status = event.code.http_status_code()
            if status is not None:
                yield commands.SendData(self.conn, _error_answer(status, event.message))
                yield commands.CloseConnection(self.conn)
                return
        yield from super().send(event)

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        for command in super().read_headers(event):
            if isinstance(command, commands.SendData) and command.data.startswith(b"HTTP/1.1 400 "):
                command = commands.SendData(command.connection, _error_answer(400, "malformed HTTP request"))
            yield command


# Interim answers (RFC 9110, 15.2) that may come before the final one. 101 is final.
_INTERIM: Final = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")


class PatientHttp1Client(Http1Client):
    """Speaks to an HTTP/1 provider. mitmproxy takes an interim answer (100, 103) for the answer, and drops the real one."""

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and self.request:
            while interim := _INTERIM.match(bytes(self.buf)):
                self.buf.maybe_extract_at_most(interim.end())
        yield from super().read_headers(event)


class TrailerlessReader(ChunkedReader):
    """Reads a chunked body without its trailers, which may be left out (RFC 9112, 7.1.2). mitmproxy crashes on them, and
    both sides wait for ever."""

    def __call__(self, buffer: ReceiveBuffer) -> Data | EndOfMessage | None:
        event = super().__call__(buffer)
        return EndOfMessage() if isinstance(event, EndOfMessage) else event


def mend() -> None:
    """Put what reads HTTP/1 better in the place of what mitmproxy has."""
    http_layers.Http1Client = PatientHttp1Client  # type: ignore[attr-defined]
    http1_layers.ChunkedReader = TrailerlessReader  # type: ignore[attr-defined]


def _error_answer(status: int, message: str) -> bytes:
    body = json.dumps(openai_error(status, "invalid_request_error", message)).encode()
    reason = {400: "Bad Request", 413: "Payload Too Large"}.get(status, "Bad Gateway")
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + body
