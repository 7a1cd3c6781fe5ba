"""Attempts after the first: a failed one is held back before the caller hears of it, and the request may be sent again.

`hooks/retry.py` decides, in the hook `attempt_ended`.
"""

from typing import Final

from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseEndOfMessage, ResponseHeaders

from addon.calls.attempt_outcomes import EndedAttempt
from addon.calls.call import Call
from addon.calls.call_life import CallState
from addon.mitm import queued_events
from addon.mitm.base_stream import BaseStream
from addon.mitm.held_answer import HeldAnswer
from addon.mitm.known_connections import forget_attempt
from addon.mitm.stream_events import AttemptEndedHook
from addon.mitm.whole_messages import WholeRequest

_HTTP1: Final = (None, b"", b"http/1.1", b"http/1.0")  # as TLS names it; without TLS nothing does


def send_request(stream: BaseStream) -> layer.CommandGenerator[None]:
    """All of the request, on the connection that was made for it."""
    server, request = stream.context.server, stream.flow.request
    whole = WholeRequest(stream.stream_id, request, request.raw_content or b"")
    for event in [whole] if server.alpn in _HTTP1 else whole.parts():
        yield SendHttp(event, server)


def hold(stream: BaseStream, head: ResponseHeaders) -> None:
    stream.held = HeldAnswer(head)
    stream.server_state = stream.state_hold_answer


def go_on_holding(stream: BaseStream, call: Call, event: events.Event) -> layer.CommandGenerator[None]:
    if isinstance(event, ResponseData):
        stream.held.add(event)
        if stream.held.is_too_long:
            yield from _release(stream, call)
    elif isinstance(event, ResponseEndOfMessage):
        stream.flow.response = stream.held.response
        if not (yield from try_again(stream, call)):
            yield from _release(stream, call)
            yield from stream.server_state(event)


def _release(stream: BaseStream, call: Call) -> layer.CommandGenerator[None]:
    """The held answer goes to the caller after all."""
    stream.server_state = stream.state_wait_for_response_headers
    call.attempts.hold = None
    for event in stream.held.events():
        yield from stream.server_state(event)


def try_again(stream: BaseStream, call: Call) -> layer.CommandGenerator[bool]:
    """True: the call goes on (the request is sent again), or nobody is left to answer."""
    call.move_to(CallState.DECIDING)
    yield AttemptEndedHook(EndedAttempt(stream.flow, call))
    queued_events.drop_stale(stream.queued)
    if (yield from stream.check_killed(True)):
        return True
    if not call.attempts.again:
        return False
    call.attempts.again = False
    stream.flow.response = stream.flow.error = None
    call.upstream.failure = None
    stream.server_state = stream.state_wait_for_response_headers
    forget_attempt(stream.known_connections, stream.stream_id)
    if (yield from stream.make_server_connection()):
        yield from send_request(stream)
    return True
