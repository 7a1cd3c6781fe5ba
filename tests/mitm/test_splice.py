"""Pieces in the middle of an answer: what the caller gets, whichever way they take."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.mitm.chunks import chunk, plain_chunks
from tests.mitm.conversation import Conversation, PassOn

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def body_of(sent: bytes) -> bytes:
    """A whole body in chunks, decoded."""
    held, end = plain_chunks(sent)
    assert sent[end:] == END
    return held


def test_whole_chunks_go_out_as_the_provider_framed_them() -> None:
    call = Conversation(lambda piece: piece)
    assert call.said(HEAD).startswith(b"HTTP/1.1 200 OK\r\n")
    first, two = b"0009\r\ndata: 1\n\n\r\n", b"09\r\ndata: 2\n\n\r\n" + chunk(b"data: 3\n\n")
    assert (call.said(first), call.said(two), call.said(END)) == (first, two, END)
    assert call.passed == [b"data: 1\n\n", b"data: 2\n\ndata: 3\n\n", b""]


@pytest.mark.parametrize("hooks_wait", [True, False])
def test_a_call_goes_the_same_way_whether_its_hooks_wait_or_not(hooks_wait: bool) -> None:
    call = Conversation(lambda piece: piece, hooks_wait=hooks_wait)
    answer = HEAD + chunk(b"ab") + END
    assert call.said(answer) == answer
    assert call.hooks == ["requestheaders", "request", "responseheaders", "response"]


@pytest.mark.parametrize(
    ("odd", "sent"),
    [
        (b"02;name=value\r\nab\r\n", chunk(b"ab")),
        (b"02\r\na", chunk(b"a")),
        (b"02\r\nab\r", chunk(b"ab")),
        (b"02\r\nab\r\n1", chunk(b"ab")),
        (b"02\r\nab\r\n" + END, chunk(b"ab") + END),
    ],
)
def test_what_is_odd_takes_the_way_of_the_layers_which_frame_it_anew(odd: bytes, sent: bytes) -> None:
    call = Conversation(lambda piece: piece)
    call.said(HEAD)
    assert call.said(odd) == sent


@pytest.mark.parametrize(
    ("pass_on", "sent"),
    [
        (lambda piece: piece.upper(), chunk(b"AB")),
        (lambda piece: [b"x", b"", b"y"], chunk(b"x") + chunk(b"y")),
        (lambda piece: [], b""),
        (lambda piece: b"", b""),
    ],
)
def test_what_the_stream_function_changes_is_framed_anew(pass_on: PassOn, sent: bytes) -> None:
    call = Conversation(pass_on)
    call.said(HEAD)
    assert call.said(chunk(b"ab")) == sent


def test_nothing_is_written_to_a_caller_that_left() -> None:
    call = Conversation(lambda piece: piece)
    call.said(HEAD)
    call.caller_leaves()
    assert call.said(chunk(b"ab")) == b""
    assert call.passed == [b"ab"]


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=20), max_size=10),
    cuts=st.lists(st.integers(min_value=0, max_value=300), max_size=12),
)
def test_the_callers_body_is_the_same_however_it_is_cut(chunks: list[bytes], cuts: list[int]) -> None:
    answer = b"".join(map(chunk, chunks)) + END
    edges = [0, *sorted(cut for cut in cuts if cut < len(answer)), len(answer)]
    call = Conversation(lambda piece: piece)
    call.said(HEAD)
    sent = b"".join(call.said(answer[begin:end]) for begin, end in pairwise(edges) if begin < end)
    assert body_of(sent) == b"".join(chunks) == b"".join(call.passed)
