"""The parts of our HTTP stream that decide by themselves."""

from collections import deque

import pytest
from mitmproxy import http
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.test.tutils import treq

from addon.calls.failures import Failure
from addon.mitm import queued_events
from addon.mitm.deadlines import Deadline, Deadlines
from addon.mitm.failing import kind_of
from addon.mitm.following import fed_head, fed_piece
from addon.mitm.held_answer import HeldAnswer, is_held
from addon.mitm.internals import internals_missing
from addon.mitm.request_form import is_sent_to_us
from addon.sending.timeouts import Timeouts

TIMEOUTS = Timeouts(connect_s=1, first_byte_s=10, idle_s=5, total_s=60)
LEFT = RequestProtocolError(1, "Client disconnected.", ErrorCode.CLIENT_DISCONNECTED)


def test_the_internals_that_we_rely_on_are_there() -> None:
    assert internals_missing() == []


@pytest.mark.parametrize(
    ("heard_at", "waits", "ends"),
    [
        (100.0, True, (110.0, "no first byte within 10 s")),
        (103.0, False, (108.0, "no next piece within 5 s")),
        (159.0, False, (160.0, "no whole answer within 60 s")),
    ],
)
def test_the_next_timeout_of_an_attempt(heard_at: float, waits: bool, ends: tuple[float, str]) -> None:
    deadline = Deadline()
    deadline.restart(100.0)
    deadline.heard_at = heard_at
    assert deadline.ends(TIMEOUTS, waits) == ends


def test_only_watched_streams_whose_time_is_up_are_told() -> None:
    class Waiting:
        def deadline_ends(self) -> tuple[float, str]:
            return 10.0, "late"

    deadlines, one, other = Deadlines[Waiting](), Waiting(), Waiting()
    deadlines.watch(one)
    deadlines.watch(other)
    deadlines.forget(other)
    assert list(deadlines.passed(9.9)) == []
    assert list(deadlines.passed(10.0)) == [one]


def test_a_held_answer_comes_out_as_it_came() -> None:
    head = ResponseHeaders(1, http.Response.make(503), end_stream=False)
    held, piece = HeldAnswer(head), ResponseData(1, b"x" * 2**20)
    held.add(piece)
    assert not held.is_too_long
    held.add(ResponseData(1, b"y"))
    assert held.is_too_long
    assert list(held.events())[:2] == [head, piece]


@pytest.mark.parametrize(
    ("status", "hold", "held"),
    [(503, ((500, 599),), True), (503, None, False), (503, (), False), (200, ((400, 599),), False)],
)
def test_which_answers_are_held(status: int, hold: tuple[tuple[int, int], ...] | None, held: bool) -> None:
    assert is_held(status, hold) == held


def test_what_the_provider_sent_during_a_hook_is_dropped_with_its_attempt() -> None:
    stale = ResponseProtocolError(1, "closed", ErrorCode.GENERIC_SERVER_ERROR)
    queue = deque([ResponseData(1, b"x"), LEFT, stale, ResponseEndOfMessage(1)])
    queued_events.drop_stale(queue)  # type: ignore[arg-type]
    assert list(queue) == [LEFT]
    assert queued_events.caller_left(queue)  # type: ignore[arg-type]
    queued_events.drop_caller_left(queue)  # type: ignore[arg-type]
    assert not queue


def test_what_ended_a_call_is_told_by_the_event() -> None:
    assert kind_of(LEFT) is Failure.CALLER
    assert kind_of(ResponseProtocolError(1, "refused", ErrorCode.CONNECT_FAILED)) is Failure.CONNECT
    assert kind_of(ResponseProtocolError(1, "closed", ErrorCode.GENERIC_SERVER_ERROR)) is Failure.PROVIDER


def test_each_follower_gets_a_head_of_its_own() -> None:
    head = http.Response.make(200, b"", {})
    del head.headers["content-length"]
    fed = fed_head(3, head, is_http2=False, now=5.0)
    assert fed.response is not head
    assert (fed.response.headers["transfer-encoding"], fed.response.timestamp_start) == ("chunked", 5.0)
    assert "transfer-encoding" not in fed_head(3, head, is_http2=True, now=5.0).response.headers
    assert isinstance(fed_piece(3, b"x"), ResponseData)
    assert isinstance(fed_piece(3, b""), ResponseEndOfMessage)


@pytest.mark.parametrize(
    ("host", "port", "ours"),
    [("", 0, True), ("127.0.0.1", 8787, True), ("localhost", 8787, True), ("api.openai.com", 8787, False)],
)
def test_a_request_in_origin_form_or_to_our_own_address_is_sent_to_us(host: str, port: int, ours: bool) -> None:
    request = treq(host=host, port=port)
    assert is_sent_to_us(request, ("127.0.0.1", 8787)) == ours
