"""A call that ends early, step by step. What each kind of failure does is in `calls/failures.py`."""

import time
from typing import Final

from mitmproxy import flow, http
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import DropStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpResponseHeadersHook, HttpResponseHook

from addon.calls.attempt_outcomes import NoAnswer
from addon.calls.call_life import CallState
from addon.calls.failures import Failure
from addon.mitm import attempts, queued_events
from addon.mitm.base_stream import BaseStream
from addon.mitm.following import fed_failure
from addon.mitm.stream_events import UpstreamFailedHook

# Of a call the whole body is held: for the cache, for limits and for another attempt. The largest that a provider takes is
# about 100 MB; what is not a call (uploads of files) is streamed.
LONGEST_BODY: Final = 128 * 2**20


def kind_of(event: RequestProtocolError | ResponseProtocolError) -> Failure:
    if isinstance(event, RequestProtocolError):
        return Failure.CALLER
    return Failure.CONNECT if event.code is ErrorCode.CONNECT_FAILED else Failure.PROVIDER


def refuse_form(stream: BaseStream, problem: str) -> layer.CommandGenerator[None]:
    stream.client_state = stream.server_state = stream.state_errored
    stream.flow.live = False
    error = ResponseProtocolError(stream.stream_id, problem, ErrorCode.REQUEST_VALIDATION_FAILED)
    yield SendHttp(error, stream.context.client)
    yield DropStream(stream.stream_id)


def refuse_body(stream: BaseStream, failure: Failure, message: str) -> layer.CommandGenerator[None]:
    stream.setup.deadlines.forget(stream)
    stream.request_body_buf.clear()
    yield from fail_before_first_byte(stream, failure, message)


def too_large(found: str) -> str:
    return f"at most {LONGEST_BODY} bytes are held of a call; this one has {found}"


def no_room(stream: BaseStream) -> str:
    most = stream.setup.calls.held.most_bytes
    return f"at most {most} bytes are held of all calls together ([memory] max_request_bytes); send it again in a while"


def time_out(stream: BaseStream) -> layer.CommandGenerator[None]:
    call = stream.call
    assert call
    _, message = stream.deadline_ends()
    if stream.is_uploading:
        yield from refuse_body(stream, Failure.STALLED, message)
        return
    stream.setup.deadlines.forget(stream)
    call.upstream.failure = Failure.TIMEOUT
    if not call.sharing.is_fed:
        yield SendHttp(RequestProtocolError(stream.stream_id, message, ErrorCode.CANCEL), stream.context.server)
    yield from stream.handle_protocol_error(fed_failure(stream.stream_id, message))


def fail_before_first_byte(stream: BaseStream, failure: Failure, message: str) -> layer.CommandGenerator[bool]:
    """True: it is dealt with, by another attempt or by an error answer. False: no addon had an answer."""
    refusal = stream.refusal()
    if refusal is not None:
        failure, message = Failure.REFUSED, refusal
    stream.flow.error = flow.Error(message)
    if call := stream.call:
        call.upstream.failure = failure
        if call.attempts.hold is not None:
            stream.flow.response = None
            if (yield from attempts.try_again(stream, call)):
                return True
        call.move_to(CallState.FAILED)
    yield UpstreamFailedHook(NoAnswer(stream.flow, failure))
    if stream.flow.response is None:
        return False
    yield HttpErrorHook(stream.flow)
    queued_events.drop_stale(stream.queued)
    if not (yield from stream.check_killed(False)):
        yield from _answer(stream, stream.flow.response)
    return True


def answer_at_once(stream: BaseStream, response: http.Response) -> layer.CommandGenerator[None]:
    """A hook has answered the request's headers: the caller need not send the body, and nothing holds it."""
    response.timestamp_start = time.time()
    yield HttpResponseHeadersHook(stream.flow)
    if (yield from stream.check_killed(True)):
        return
    yield HttpResponseHook(stream.flow)
    yield from _answer(stream, response)


def _answer(stream: BaseStream, response: http.Response) -> layer.CommandGenerator[None]:
    """Send an answer of our own making in place of the provider's."""
    stream.leave_out_body()
    if stream.client_state != stream.state_done:  # what is still to come of the request has nowhere to go
        response.headers["connection"] = "close"
        if not stream.flow.request.is_http2:
            stream.caller.discards_body()
        stream.client_state = stream.state_errored
    stream.server_state = stream.state_done
    stream.flow.live = False
    client, content = stream.context.client, response.raw_content
    yield SendHttp(ResponseHeaders(stream.stream_id, response, end_stream=not content), client)
    if content:
        yield SendHttp(ResponseData(stream.stream_id, content), client)
    yield DropStream(stream.stream_id)
    yield SendHttp(ResponseEndOfMessage(stream.stream_id), client)


def stop_following(stream: BaseStream, message: str) -> layer.CommandGenerator[None]:
    """A caller left that got the answer of another call. As mitmproxy ends a stream, but the stream has no connection of
    its own upstream that must be told."""
    if stream.server_state not in (stream.state_done, stream.state_errored):
        stream.flow.error = flow.Error(message)
        yield HttpErrorHook(stream.flow)
    stream.client_state = stream.server_state = stream.state_errored
    stream.flow.live = False
    yield DropStream(stream.stream_id)


def flush(stream: BaseStream) -> layer.CommandGenerator[None]:
    """An answer is cut: what a filter on it still holds belongs to the caller."""
    response = stream.flow.response
    cut = getattr(response.stream, "cut", None) if response else None
    if cut and stream.server_state == stream.state_stream_response_body and stream.client_state != stream.state_errored:
        for piece in cut():
            yield SendHttp(ResponseData(stream.stream_id, piece), stream.context.client)
