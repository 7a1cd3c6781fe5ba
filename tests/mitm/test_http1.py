"""How HTTP/1 answers of a provider are read."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.options import Options
from mitmproxy.proxy import events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestEndOfMessage, RequestHeaders
from mitmproxy.test import tflow, tutils

from addon.mitm.http1 import PatientHttp1Client, mend

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def asked() -> PatientHttp1Client:
    """A connection to a provider on which a request was sent."""
    mend()
    context = Context(tflow.tclient_conn(), Options())
    context.server = tflow.tserver_conn()
    client = PatientHttp1Client(context)
    list(client.handle_event(events.Start()))
    list(client.handle_event(RequestHeaders(1, tutils.treq(), end_stream=True)))
    list(client.handle_event(RequestEndOfMessage(1)))
    return client


def received(client: PatientHttp1Client, data: bytes) -> list[object]:
    """The pieces of the body that one read brings; other events by their names."""
    commands = client.handle_event(events.DataReceived(client.conn, data))
    found = [command.event for command in commands if isinstance(command, ReceiveHttp)]
    return [getattr(event, "data", type(event).__name__) for event in found]


def test_chunks_that_come_together_are_one_piece() -> None:
    assert received(asked(), HEAD + b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n") == [
        "ResponseHeaders",
        b"abcd",
        "ResponseEndOfMessage",
    ]


def test_odd_but_allowed_chunks_are_read_too() -> None:
    body = b"2;name=value\r\nab\r\n02 \r\ncd\r\n1\r\ne\r\n1\r\nf\r\n0\r\nSome: trailer\r\n\r\n"
    assert received(asked(), HEAD + body) == ["ResponseHeaders", b"ab", b"cd", b"ef", "ResponseEndOfMessage"]


@pytest.mark.parametrize("body", [b"2\r\nabX\n1\r\nc\r\n", b"1\r\na\r\n-1\r\n", b"1\r\na\r\nx\r\n"])
def test_a_malformed_chunk_ends_the_answer(body: bytes) -> None:
    assert received(asked(), HEAD + body)[-1] == "ResponseProtocolError"


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=12),
    cuts=st.lists(st.integers(min_value=0, max_value=600), max_size=6),
)
def test_a_body_is_the_same_however_it_is_cut(chunks: list[bytes], cuts: list[int]) -> None:
    answer = HEAD + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    edges = [0, *sorted(cuts), len(answer)]
    client = asked()
    found = [each for begin, end in pairwise(edges) for each in received(client, answer[begin:end]) if begin < end]
    assert b"".join(each for each in found if isinstance(each, bytes)) == b"".join(chunks)
    assert (found[0], found[-1]) == ("ResponseHeaders", "ResponseEndOfMessage")


def test_chunks_that_come_one_by_one_go_on_one_by_one() -> None:
    client = asked()
    assert received(client, HEAD + b"2\r\nab\r\n") == ["ResponseHeaders", b"ab"]
    assert received(client, b"2\r\ncd\r\n2\r") == [b"cd"]
    assert received(client, b"\nef\r\n0\r\n\r\n") == [b"ef", "ResponseEndOfMessage"]
