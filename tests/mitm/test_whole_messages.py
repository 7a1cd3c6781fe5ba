"""Requests and answers that come in one read, in many, and several in one: what is sent, and what the hooks see."""

import gc
import weakref
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mitm.conversation import Conversation

REQUEST = b"POST /v1 HTTP/1.1\r\nhost: provider.example\r\ncontent-length: 8\r\n\r\nquestion"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer"
HOOKS = ["requestheaders", "request", "responseheaders", "response"]


def cut(message: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place for place in places if 0 < place < len(message)}), len(message)]
    return [message[begin:end] for begin, end in pairwise(edges)]


@given(places=st.lists(st.integers(min_value=1, max_value=80), max_size=4), hooks_wait=st.booleans())
def test_a_call_is_the_same_however_its_messages_are_cut(places: list[int], hooks_wait: bool) -> None:
    call = Conversation(hooks_wait=hooks_wait, request=b"")
    for round_number in (1, 2):  # the second on the connection that the first has opened
        assert b"".join(call.asks(part) for part in cut(REQUEST, places)) == b""
        assert call.asked == round_number * REQUEST
        assert b"".join(call.said(part) for part in cut(ANSWER, places)) == ANSWER
        assert call.hooks == round_number * HOOKS
        assert call.flows[-1].request.content == b"question"
    assert b"".join(call.passed) == 2 * b"answer"


@pytest.mark.parametrize("hooks_wait", [True, False])
def test_requests_that_come_together_are_answered_one_after_the_other(hooks_wait: bool) -> None:
    call = Conversation(hooks_wait=hooks_wait, request=REQUEST + REQUEST)
    assert call.asked == REQUEST
    assert call.said(ANSWER) == ANSWER
    assert call.asked == 2 * REQUEST
    assert call.said(ANSWER) == ANSWER
    assert call.hooks == 2 * HOOKS


def test_a_request_in_chunks_goes_on_in_chunks() -> None:
    in_chunks = b"POST /v1 HTTP/1.1\r\nhost: provider.example\r\ntransfer-encoding: chunked\r\n\r\n"
    call = Conversation(request=in_chunks + b"8\r\nquestion\r\n0\r\n\r\n")
    assert call.asked == in_chunks + b"8\r\nquestion\r\n0\r\n\r\n"
    assert call.said(ANSWER) == ANSWER


def test_an_interim_answer_is_not_the_answer() -> None:
    call = Conversation(request=REQUEST)
    assert call.said(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + ANSWER) == ANSWER


def test_an_answer_without_a_length_goes_on_until_the_connection_ends() -> None:
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
    call = Conversation(request=REQUEST)
    assert call.said(head + b"ans") + call.said(b"wer") == head + b"answer"
    assert call.hooks == HOOKS[:3]


def test_a_call_leaves_nothing_for_the_garbage_collector() -> None:
    gc.disable()
    try:
        call = Conversation(request=REQUEST)
        call.said(ANSWER)
        flow = weakref.ref(call.flows.pop())
        assert flow() is None
    finally:
        gc.enable()
