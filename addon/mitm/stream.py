"""mitmproxy's HTTP stream, one request and its answer, with what a proxy for APIs needs on top.

- Failures before the first byte are answered in JSON, never as an HTML page (`hooks/error_answers.py` writes the answer).
- Timeouts (`deadlines.py`).
- A failed attempt is held back before the caller hears of it (`held_answer.py`), and another may follow (`hooks/retry.py`).
- An answer may come from an identical or a recorded call (`following.py`), and go on for others when its own caller left.
- A CONNECT to a host that is not a provider is a blind tunnel, opened before it is confirmed.

Relies on mitmproxy's internals; `internals.py` names them.
"""

import time
from collections.abc import Iterable

from mitmproxy import http
from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.commands import StartHook
from mitmproxy.proxy.layers.http import GetHttpConnection, HTTPMode, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook, HttpResponseHeadersHook

from addon.calls.call import Call
from addon.calls.call_life import CallState
from addon.calls.failures import Failure
from addon.calls.marks import ENDED_BY
from addon.calls.own_headers import take_off
from addon.mitm import attempts, failing, queued_events, tunnel
from addon.mitm.base_stream import BaseStream
from addon.mitm.following import fed_failure, fed_head, fed_piece
from addon.mitm.held_answer import is_held
from addon.mitm.http_limits import odd_request
from addon.mitm.known_connections import forget_failures
from addon.mitm.request_form import mark_form
from addon.mitm.stream_events import (
    Abandoned,
    AnswerWantedHook,
    CallerLeftHook,
    Fed,
    ForStream,
    HeadIsLate,
)
from addon.mitm.whole_messages import WholeRequest, WholeResponse


class CallStream(BaseStream):
    _came_whole = False  # the request: all of it is there

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, ForStream):
            if event.stream is self:
                yield from self._from_outside(event)
            return
        if isinstance(event, HeadIsLate):
            return
        if isinstance(event, (WholeRequest, WholeResponse)):
            self._came_whole = type(event) is WholeRequest
            yield from self._call_hooks(self._take_each(event.parts()))
        else:
            yield from self._call_hooks(self._take(event))

    def _take_each(self, parts: Iterable[events.Event]) -> layer.CommandGenerator[None]:
        for part in parts:
            yield from self._take(part)

    def _take(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, (ResponseHeaders, ResponseData)):
            self._deadline.heard_at = time.monotonic()
        elif isinstance(event, ResponseEndOfMessage):
            self.setup.deadlines.forget(self)
        yield from super()._handle_event(event)

    def _call_hooks(self, given: layer.CommandGenerator[None]) -> layer.CommandGenerator[None]:
        """The same commands without the hooks whose handlers wait for nothing: these are called here, and the stream goes on."""
        reply = None
        while True:
            try:
                command = given.send(reply)
            except StopIteration:
                return
            if isinstance(command, StartHook) and command.blocking is True and self.setup.call_at_once(command):
                reply = None
            else:
                reply = yield command

    def _from_outside(self, event: ForStream) -> layer.CommandGenerator[None]:
        if isinstance(event, Fed):
            if event.failure and self.call:
                self.call.upstream.failure = event.failure
            yield from self._handle_event(event.part)
        elif isinstance(event, Abandoned):
            yield from self.handle_protocol_error(self._nobody_waits())
        elif self in self.setup.deadlines:  # it may have been answered a moment ago
            yield from failing.time_out(self)

    def check_invalid(self, request: bool) -> layer.CommandGenerator[bool]:
        if request:  # the first thing that happens to a new flow: the last moment at which its form can be seen
            mark_form(self.flow, self.context, self.mode is HTTPMode.regular)
            if problem := odd_request(self.flow.request):
                yield from failing.refuse_form(self, problem)
                return True
            return (yield from super().check_invalid(request))
        if self.call:  # if the answer is invalid, the error hook asks at once what ended the call
            self.call.upstream.failure = Failure.PROVIDER
        invalid = yield from super().check_invalid(request)
        if self.call and not invalid:
            self.call.upstream.failure = None
        return invalid

    # The request.

    def state_wait_for_request_headers(self, event: RequestHeaders) -> layer.CommandGenerator[None]:
        yield from super().state_wait_for_request_headers(event)
        if self.client_state == self.state_consume_request_body and not event.end_stream:
            if self.flow.response:
                yield from failing.answer_at_once(self, self.flow.response)
            elif self._came_whole:
                pass  # its size is looked at with its bytes, which come next
            elif (expected := expected_http_body_size(self.flow.request)) and expected > failing.LONGEST_BODY:
                yield from failing.refuse_body(self, Failure.TOO_LARGE, failing.too_large(f"{expected} bytes"))
            elif self.call and expected and not self.setup.calls.held.has_room(expected, expected):
                yield from failing.refuse_body(self, Failure.OVERLOADED, failing.no_room(self))
            elif self.call:
                self._upload.marked_at = time.monotonic()
                self.setup.deadlines.watch(self)

    def state_consume_request_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, RequestEndOfMessage):
            yield from self._request_is_whole()
            return
        if isinstance(event, RequestTrailers) and event.trailers:
            take_off(event.trailers)
        yield from super().state_consume_request_body(event)

    def _request_is_whole(self) -> layer.CommandGenerator[None]:
        self.setup.deadlines.forget(self)
        self.flow.request.timestamp_end = time.time()
        self.flow.request.data.content = bytes(self.request_body_buf)
        self.request_body_buf.clear()
        self.client_state = self.state_done
        yield HttpRequestHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        if self.flow.response:
            self.flow.response.timestamp_start = time.time()
            yield HttpResponseHeadersHook(self.flow)
            if not (yield from self.check_killed(True)):
                yield from self.send_response()
        elif (yield from self.make_server_connection()):
            yield from attempts.send_request(self)

    def state_stream_request_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, RequestTrailers) and event.trailers:
            take_off(event.trailers)
        yield from super().state_stream_request_body(event)

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        size = len(self.request_body_buf) if request else 0
        if size > failing.LONGEST_BODY:
            yield from failing.refuse_body(self, Failure.TOO_LARGE, failing.too_large("more bytes than that"))
            return True
        if size and self.call and not self._hold(self.call, size):
            yield from failing.refuse_body(self, Failure.OVERLOADED, failing.no_room(self))
            return True
        return (yield from super().check_body_size(request))

    def _hold(self, call: Call, size: int) -> bool:
        """Whether there is room for the call's body so far."""
        self._upload.has(size, time.monotonic())
        if not self.setup.calls.held.take(size - call.held_bytes, size):
            return False
        call.held_bytes = size
        return True

    # One attempt: a connection, the request, the head of the answer.

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        call = self.call
        if call and call.sharing.is_fed:
            call.move_to(CallState.FOLLOWING)
            self._watch_deadline()
            yield AnswerWantedHook(self)
            return False
        forget_failures(self.known_connections)
        if call is None:
            return (yield from super().make_server_connection())
        call.move_to(CallState.SENDING)
        began = time.monotonic()
        via = self.flow.server_conn.via
        address = via[1] if via else (self.flow.request.host, self.flow.request.port)
        call.connection.connect_within_s[address] = call.asked.timeouts.connect_s
        connected = yield from self._connect(call)
        call.connection.connect_within_s.pop(address, None)  # unused where a connection was open already
        call.upstream.connect_s = time.monotonic() - began
        call.upstream.sent_at = time.time()
        if connected:
            self._watch_deadline()
        return connected

    def _connect(self, call: Call) -> layer.CommandGenerator[bool]:
        request, usual = self.flow.request, self.flow.server_conn
        wanted = GetHttpConnection(
            (request.host, request.port), request.scheme == "https", usual.via, usual.transport_protocol
        )
        if (server := self._layer.open_connection(wanted, call)) is None:
            return (yield from super().make_server_connection())
        self.context.server = self.flow.server_conn = server
        return True

    def _watch_deadline(self) -> None:
        self._deadline.restart(time.monotonic())
        self.setup.deadlines.watch(self)

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> layer.CommandGenerator[None]:
        if self.call and is_held(event.response.status_code, self.call.attempts.hold):
            attempts.hold(self, event)
        else:
            yield from super().state_wait_for_response_headers(event)

    def state_hold_answer(self, event: events.Event) -> layer.CommandGenerator[None]:
        assert self.call
        yield from attempts.go_on_holding(self, self.call, event)

    # The answer on its way out.

    def start_response_stream(self) -> layer.CommandGenerator[None]:
        """As mitmproxy has it, without a log line for each answer."""
        assert self.flow.response
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, end_stream=False), self.context.client)
        self.server_state = self.state_stream_response_body

    def send_response(self, already_streamed: bool = False) -> layer.CommandGenerator[None]:
        self.leave_out_body()
        yield from super().send_response(already_streamed)

    # The call ends early.

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> layer.CommandGenerator[None]:
        by_caller = isinstance(event, RequestProtocolError)
        if by_caller and self._is_shared():
            yield CallerLeftHook(self)
            return
        self.setup.deadlines.forget(self)
        failure = (self.call and self.call.upstream.failure) or failing.kind_of(event)
        if self.call:
            self.call.upstream.failure = failure
        else:
            self.flow.metadata[ENDED_BY] = failure.value
        if by_caller and self.call and self.call.sharing.is_fed:
            yield from failing.stop_following(self, event.message)
        elif not by_caller and self.waits_for_first_byte() and self.client_state != self.state_errored:
            if not (yield from failing.fail_before_first_byte(self, failure, event.message)):
                yield from super().handle_protocol_error(event)
        else:
            if not by_caller:
                yield from failing.flush(self)
            yield from super().handle_protocol_error(event)

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        """While we waited for a hook the caller may have left, which ends a call unless others wait for its answer."""
        if self.queued and self._is_shared() and queued_events.caller_left(self.queued):
            queued_events.drop_caller_left(self.queued)
            yield CallerLeftHook(self)
        elif self.queued and queued_events.is_abandoned(self.queued, self):
            self.queued.append(self._nobody_waits())
        return (yield from super().check_killed(emit_error_hook))

    def _is_shared(self) -> bool:
        return self.call is not None and self.call.sharing.is_shared

    def _nobody_waits(self) -> RequestProtocolError:
        return RequestProtocolError(self.stream_id, "Client disconnected.", ErrorCode.CLIENT_DISCONNECTED)

    # Events for this stream, from `hooks/coalesce.py`.

    def fed(self, part: http.Response | bytes) -> Fed:
        """The head, a piece, or the end (b"") of the answer that this stream follows."""
        if isinstance(part, bytes):
            return Fed(self, fed_piece(self.stream_id, part))
        return Fed(self, fed_head(self.stream_id, part, self.flow.request.is_http2, time.time()))

    def fed_failure(self, failure: Failure, message: str) -> Fed:
        return Fed(self, fed_failure(self.stream_id, message), failure)

    def abandoned(self) -> Abandoned:
        return Abandoned(self)

    def let_go(self) -> None:
        """It is over. Without the circles of references through it, the objects of a call are freed here and now: in place of
        the garbage collector, which took a tenth of the time of a call, and now and then stopped all of them for 100 ms."""
        self.client_state = self.server_state = _is_over
        self.context.layers.remove(self)

    # Tunnels.

    def handle_connect_regular(self) -> layer.CommandGenerator[None]:
        yield from tunnel.open_tunnel(self, self._layer.inside)
        yield from self.handle_connect_finish()


def _is_over(event: events.Event) -> layer.CommandGenerator[None]:
    """The state of a stream that is over: no event comes."""
    yield from ()
