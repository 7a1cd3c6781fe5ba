"""The way to the provider: mitmproxy's HTTP stream with what a proxy for APIs needs on top.

- Failures before the first byte are answered in JSON, in the dialect of the called API, never as an HTML page.
- Timeouts: first byte, between pieces, in all.
- A CONNECT to a host that is nobody's provider is a blind tunnel, opened before it is confirmed.
- A failed attempt is held back before the caller hears of it, and another may follow (`resend.py` decides).
- An answer may come from an identical call instead (`share.py`), and go on for others when its own caller is gone.

mitmproxy has no public seam for this, so here, and only here, we rely on its internals (read on 12.2.3):
`HttpLayer.make_stream`, `HttpLayer.connections`; of `HttpStream` the states, `check_invalid`, `handle_protocol_error`,
`make_server_connection`, `start_response_stream`, `handle_connect_regular`, `handle_connect_finish`; that a layer hands on an
event it does not know; and what `http1.py` names. `internals_missing` says at start-up what is gone; then the
proxy runs plain: no JSON errors, timeouts, retries or shared calls, and it says so.
"""

import time
from typing import TYPE_CHECKING, Final

from mitmproxy import flow, http
from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import tcp
from mitmproxy.proxy.layers.http import DropStream, HttpLayer, HTTPMode, HttpStream, SendHttp
from mitmproxy.proxy.layers.http import _http1 as http1_layers
from mitmproxy.proxy.layers.http import _upstream_proxy as upstream_proxy
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Client

from addon.config.settings import Timeouts
from addon.hooks.marks import (
    AGAIN,
    BROKEN_BY,
    CALLER,
    CONNECT,
    CONNECT_S,
    FOLLOWS,
    HOLD,
    OWN,
    PROVIDER,
    SENT_AT,
    SHARED,
    TIMEOUT,
    TIMEOUTS,
)
from addon.mitm.http1 import JsonHttp1Server
from addon.mitm.stream_events import (
    Abandoned,
    AnswerWantedHook,
    AttemptEndedHook,
    CallerLeftHook,
    DeadlinePassed,
    Fed,
    ForStream,
    UpstreamFailedHook,
)
from addon.routing.router import decrypts, is_loopback

if TYPE_CHECKING:
    from mitmproxy.net.server_spec import ServerSpec


# Of an error's body; a longer one is passed on rather than tried again.
_MOST_HELD_BYTES: Final = 2**20


class Deadlines:
    """The streams that wait for a provider. mitmproxy's own timers cost a task for each call and outlive it; one look
    over all of them every quarter of a second costs nothing."""

    LOOK_EVERY_S: Final = 0.25

    def __init__(self) -> None:
        self.streams: set[CallStream] = set()
        # Seconds for a connection that a call may be about to open, by client connection and address.
        self.connect_s: dict[str, dict[tuple[str, int], float]] = {}

    def passed(self) -> "list[CallStream]":
        now = time.monotonic()
        return [stream for stream in self.streams if stream.deadline()[0] <= now]


class CallStream(HttpStream):
    """One request and its answer."""

    deadlines: Deadlines
    _sent_at = 0.0
    _heard_at = 0.0
    _held: list[ResponseHeaders | ResponseData]
    _held_bytes = 0

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, ForStream):
            if event.stream is self:
                yield from self._from_outside(event)
            return
        if isinstance(event, ResponseHeaders | ResponseData):
            self._heard_at = time.monotonic()
        elif isinstance(event, ResponseEndOfMessage):
            self.deadlines.streams.discard(self)
        yield from super()._handle_event(event)

    def _from_outside(self, event: ForStream) -> layer.CommandGenerator[None]:
        if isinstance(event, Fed):
            yield from self._handle_event(event.part)
        elif isinstance(event, Abandoned):
            self.flow.metadata[SHARED] = False
            yield from self.handle_protocol_error(self._nobody_waits())
        elif self in self.deadlines.streams:  # it may have been answered a moment ago
            self.deadlines.streams.discard(self)
            yield from self._give_up()

    def check_invalid(self, request: bool) -> layer.CommandGenerator[bool]:
        if request:  # the first thing that happens to a new flow: the last moment at which its form can be seen
            self.flow.metadata[OWN] = self.mode is HTTPMode.regular and self._is_sent_to_us()
            return (yield from super().check_invalid(request))
        self.flow.metadata[BROKEN_BY] = PROVIDER  # whose fault it is, if it is invalid: the error hook asks at once
        invalid = yield from super().check_invalid(request)
        if not invalid:
            del self.flow.metadata[BROKEN_BY]
        return invalid

    def _is_sent_to_us(self) -> bool:
        """Origin-form, or our own address named in full: a base_url that points here, in a shell whose HTTP_PROXY does, too.
        HTTP/2 has no origin-form; there the port that is asked for tells."""
        request, here = self.flow.request, self.context.client.sockname
        if not request.host:
            return True
        host = request.host.lower()
        return request.port == here[1] and (request.is_http2 or host == here[0] or is_loopback(host))

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        began = time.monotonic()
        if FOLLOWS in self.flow.metadata:
            self._sent_at = self._heard_at = began
            self.deadlines.streams.add(self)
            yield AnswerWantedHook(self)
            return False
        via = self.flow.server_conn.via
        address = via[1] if via else (self.flow.request.host, self.flow.request.port)
        patience = self.deadlines.connect_s.setdefault(self.context.client.id, {})
        self._forget_failures()
        if timeouts := self.flow.metadata.get(TIMEOUTS):
            patience[address] = timeouts.connect_s
        connected = yield from super().make_server_connection()
        patience.pop(address, None)  # a connection that was open already had no use for it
        self._sent_at = self._heard_at = time.monotonic()
        self.flow.metadata[CONNECT_S] = self._sent_at - began
        self.flow.metadata[SENT_AT] = time.time()
        if connected and TIMEOUTS in self.flow.metadata:
            self.deadlines.streams.add(self)
        return connected

    def start_response_stream(self) -> layer.CommandGenerator[None]:
        """As mitmproxy has it, without a log line for each answer."""
        assert self.flow.response
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, end_stream=False), self.context.client)
        self.server_state = self.state_stream_response_body

    def send_response(self, already_streamed: bool = False) -> layer.CommandGenerator[None]:
        self._leave_out_body()
        yield from super().send_response(already_streamed)

    def _leave_out_body(self) -> None:
        """The answer to HEAD ends with its headers; a body of ours would be taken for the next answer."""
        if self.flow.request.method.upper() == "HEAD" and self.flow.response and self.flow.response.raw_content:
            self.flow.response.raw_content = b""

    def deadline_passed(self) -> DeadlinePassed:
        return DeadlinePassed(self)

    def deadline(self) -> tuple[float, str]:
        """When patience ends, on the monotonic clock, and with what message."""
        timeouts: Timeouts = self.flow.metadata[TIMEOUTS]
        what, allowed_s = (
            ("first byte", timeouts.first_byte_s) if self._waits_for_first_byte() else ("next piece", timeouts.idle_s)
        )
        moment = self._heard_at + allowed_s
        if self._sent_at + timeouts.total_s < moment:
            what, allowed_s, moment = "whole answer", timeouts.total_s, self._sent_at + timeouts.total_s
        return moment, f"no {what} within {allowed_s:g} s"

    # Calls that share one answer. The stream that follows is told each part of it as if a provider sent it; the stream that
    # leads does not end with its caller while it is SHARED.

    def fed(self, part: http.Response | bytes) -> Fed:
        """The head, a piece, or the end (b"") of the answer that this stream follows."""
        if isinstance(part, bytes):
            return Fed(self, ResponseData(self.stream_id, part) if part else ResponseEndOfMessage(self.stream_id))
        head = part.copy()
        head.timestamp_start = time.time()
        if "content-length" not in head.headers and not self.flow.request.is_http2:
            head.headers["transfer-encoding"] = "chunked"
        return Fed(self, ResponseHeaders(self.stream_id, head, end_stream=False))

    def fed_failure(self, message: str) -> Fed:
        return Fed(self, ResponseProtocolError(self.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR))

    def abandoned(self) -> Abandoned:
        return Abandoned(self)

    def _nobody_waits(self) -> RequestProtocolError:
        return RequestProtocolError(self.stream_id, "Client disconnected.", ErrorCode.CLIENT_DISCONNECTED)

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        """While we waited for a hook the caller may have left, which ends a call, unless others wait for its answer."""
        waiting = list(self._paused_event_queue)
        if not waiting:
            pass
        elif self.flow.metadata.get(SHARED) and any(isinstance(event, RequestProtocolError) for event in waiting):
            self._paused_event_queue.clear()
            self._paused_event_queue.extend(event for event in waiting if not isinstance(event, RequestProtocolError))
            yield CallerLeftHook(self)
        elif any(isinstance(event, Abandoned) and event.stream is self for event in waiting):
            self._paused_event_queue.append(self._nobody_waits())
        return (yield from super().check_killed(emit_error_hook))

    # Attempts. An answer that may be tried again is held until it is whole, so that its connection can be used again, and so
    # that the last one can still go to the caller as it came.

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> layer.CommandGenerator[None]:
        if _is_held(event.response.status_code, self.flow.metadata.get(HOLD, ())):
            self._held, self._held_bytes = [event], 0
            self.server_state = self.state_hold_answer
            return
        yield from super().state_wait_for_response_headers(event)

    def state_hold_answer(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, ResponseData):
            self._held.append(event)
            self._held_bytes += len(event.data)
            if self._held_bytes > _MOST_HELD_BYTES:
                yield from self._release()
        elif isinstance(event, ResponseEndOfMessage):
            self.flow.response = self._held[0].response  # type: ignore[union-attr]
            if not (yield from self._try_again()):
                yield from self._release()
                yield from self.server_state(event)

    def _release(self) -> layer.CommandGenerator[None]:
        """What was held goes to the caller after all."""
        self.server_state = self.state_wait_for_response_headers
        self.flow.metadata.pop(HOLD, None)
        held, self._held = self._held, []
        for event in held:
            yield from self.server_state(event)

    def _try_again(self) -> layer.CommandGenerator[bool]:
        """Whether this attempt's end was not the call's: the request is out again, or there is nobody left to answer."""
        yield AttemptEndedHook(self.flow)
        self._drop_stale()
        if (yield from self.check_killed(True)):
            return True
        if not self.flow.metadata.pop(AGAIN, False):
            return False
        self.flow.response = self.flow.error = None
        self.flow.metadata.pop(BROKEN_BY, None)
        self.server_state = self.state_wait_for_response_headers
        self._forget_attempt()
        if (yield from self.make_server_connection()):
            content = self.flow.request.raw_content
            yield SendHttp(RequestHeaders(self.stream_id, self.flow.request, not content), self.context.server)
            if content:
                yield SendHttp(RequestData(self.stream_id, content), self.context.server)
            yield SendHttp(RequestEndOfMessage(self.stream_id), self.context.server)
        return True

    def _drop_stale(self) -> None:
        """What came from the provider while a hook ran belongs to the attempt that is over. Left there, the end of its
        connection would be answered on the caller's, where it is taken for the answer to the next call."""
        stale = (ResponseProtocolError, ResponseHeaders, ResponseData, ResponseEndOfMessage)
        left = [event for event in self._paused_event_queue if not isinstance(event, stale)]
        self._paused_event_queue.clear()
        self._paused_event_queue.extend(left)

    def _known_connections(self) -> dict[Connection, layer.Layer]:
        parent = self.context.layers[self.context.layers.index(self) - 1]
        assert isinstance(parent, HttpLayer)
        return parent.connections

    def _forget_failures(self) -> None:
        """mitmproxy remembers a failed connection as failed: no later call of a kept-alive caller would get through."""
        known = self._known_connections()
        for connection in [one for one in known if isinstance(one, Server) and one.error]:
            del known[connection]

    def _forget_attempt(self) -> None:
        """mitmproxy remembers an HTTP/2 stream as used, and tells of a connection that we closed as of one of this attempt."""
        for connection, known in self._known_connections().items():
            client = known.context.layers[-1]
            if isinstance(client, Http2Client):
                client.our_stream_id.pop(self.stream_id, None)
            elif isinstance(client, Http1Client) and client.stream_id == self.stream_id and not connection.connected:
                client.stream_id = client.request = None

    def _give_up(self) -> layer.CommandGenerator[None]:
        _, message = self.deadline()
        self.flow.metadata[BROKEN_BY] = TIMEOUT
        if FOLLOWS not in self.flow.metadata:
            yield SendHttp(RequestProtocolError(self.stream_id, message, ErrorCode.CANCEL), self.context.server)
        yield from self.handle_protocol_error(
            ResponseProtocolError(self.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR)
        )

    def _waits_for_first_byte(self) -> bool:
        waiting = (self.state_uninitialized, self.state_wait_for_response_headers, self.state_hold_answer)
        return self.server_state in waiting

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> layer.CommandGenerator[None]:
        by_caller = isinstance(event, RequestProtocolError)
        if by_caller and self.flow.metadata.get(SHARED):
            yield CallerLeftHook(self)
            return
        self.deadlines.streams.discard(self)
        refused = event.code is ErrorCode.CONNECT_FAILED
        self.flow.metadata.setdefault(BROKEN_BY, CALLER if by_caller else CONNECT if refused else PROVIDER)
        if isinstance(event, RequestProtocolError) and FOLLOWS in self.flow.metadata:
            yield from self._stop_following(event)
            return
        if by_caller or not self._waits_for_first_byte() or self.client_state == self.state_errored:
            if not by_caller:
                yield from self._flush()
            yield from super().handle_protocol_error(event)
            return
        self.flow.error = flow.Error(event.message)
        if HOLD in self.flow.metadata:
            self.flow.response = None
            if (yield from self._try_again()):
                return
        yield UpstreamFailedHook(self.flow)
        if self.flow.response is None:
            yield from super().handle_protocol_error(event)
            return
        yield HttpErrorHook(self.flow)
        self._drop_stale()
        if (yield from self.check_killed(False)):
            return
        yield from self._answer(self.flow.response)

    def _stop_following(self, event: RequestProtocolError) -> layer.CommandGenerator[None]:
        """As mitmproxy does it, but there is no connection of its own upstream that is to be told."""
        if self.server_state not in (self.state_done, self.state_errored):
            self.flow.error = flow.Error(event.message)
            yield HttpErrorHook(self.flow)
        self.client_state = self.server_state = self.state_errored
        self.flow.live = False
        yield DropStream(self.stream_id)

    def _flush(self) -> layer.CommandGenerator[None]:
        """A stream that is cut: what a filter on it still holds is the caller's."""
        cut = getattr(self.flow.response.stream, "cut", None) if self.flow.response else None
        if cut and self.server_state == self.state_stream_response_body and self.client_state != self.state_errored:
            for piece in cut():
                yield SendHttp(ResponseData(self.stream_id, piece), self.context.client)

    def _answer(self, response: http.Response) -> layer.CommandGenerator[None]:
        """Send an answer of our own making in place of the provider's."""
        self._leave_out_body()
        request_is_in = self.client_state == self.state_done
        if not request_is_in:  # what is still to come of the request has nowhere to go
            response.headers["connection"] = "close"
            self.client_state = self.state_errored
        self.server_state = self.state_done
        self.flow.live = False
        yield SendHttp(
            ResponseHeaders(self.stream_id, response, end_stream=not response.raw_content), self.context.client
        )
        if response.raw_content:
            yield SendHttp(ResponseData(self.stream_id, response.raw_content), self.context.client)
        yield DropStream(self.stream_id)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    def handle_connect_regular(self) -> layer.CommandGenerator[None]:
        """Open providers' connections lazily and read them; tunnel all others blindly."""
        via = self.context.layers[self.context.layers.index(self) - 1].via  # type: ignore[attr-defined]
        if decrypts(self.flow.request.host.lower()):
            self.child_layer = layer.NextLayer(self.context)
        elif via:
            self.context.server.via = via
            self.child_layer = upstream_proxy.HttpUpstreamProxy.make(self.context, True)[0]
        else:
            if not self.flow.response and (error := (yield commands.OpenConnection(self.context.server))):
                self.flow.response = http.Response.make(502, f"Cannot connect to {self.flow.request.host}: {error}")
            self.child_layer = tcp.TCPLayer(self.context, ignore=True)
        yield from self.handle_connect_finish()


class CallLayer(HttpLayer):
    """mitmproxy's HTTP layer with our streams. Existing layers become one by `adopt`."""

    via: "ServerSpec | None"
    deadlines: Deadlines

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, ForStream):
            inside = [event.stream] if event.stream in self.streams.values() else list(self.streams.values())
            for stream in inside:  # not one of ours: it is in a tunnel that one of ours carries
                yield from self.event_to_child(stream, event)
            return
        if isinstance(event, events.Start) and self.context.client.alpn not in (b"h2", b"h3"):
            self.connections.setdefault(self.context.client, JsonHttp1Server(self.context.fork()))
        yield from super()._handle_event(event)

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        stream = self.streams[stream_id] = CallStream(self.context.fork(), stream_id)
        stream.deadlines = self.deadlines
        yield from self.event_to_child(self.streams[stream_id], events.Start())


def adopt(next_layer: layer.NextLayer, deadlines: Deadlines, via: "ServerSpec | None") -> None:
    """Make every HTTP layer that was just chosen one of ours. The class is swapped, since a chosen layer may sit inside others."""
    for chosen in next_layer.context.layers:
        if type(chosen) is HttpLayer:
            chosen.__class__ = CallLayer
            chosen.via, chosen.deadlines = via, deadlines  # type: ignore[attr-defined]


def _is_held(status: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= status <= high for low, high in ranges)


_NEEDED: Final[dict[type, str]] = {
    HttpLayer: "make_stream event_to_child",
    HttpStream: "check_invalid check_killed handle_protocol_error make_server_connection send_response "
    "start_response_stream handle_connect_regular handle_connect_finish state_uninitialized "
    "state_wait_for_response_headers state_stream_response_body state_done state_errored",
    Http1Server: "send read_headers",
    Http1Client: "read_headers",
}


def internals_missing() -> list[str]:
    """Names of mitmproxy's internals that we need and that this version does not have."""
    missing = [
        f"{owner.__name__}.{name}"
        for owner, names in _NEEDED.items()
        for name in names.split()
        if not hasattr(owner, name)
    ]
    return missing if hasattr(http1_layers, "ChunkedReader") else [*missing, "_http1.ChunkedReader"]
