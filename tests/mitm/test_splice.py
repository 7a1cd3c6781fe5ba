"""Pieces in the middle of an answer: what the caller gets, whichever way they take."""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.addons import proxyserver
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.hooks import Hook
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.http._hooks import HttpResponseHeadersHook
from mitmproxy.test import tflow

from addon.hooks.call import Calls
from addon.hooks.connection import OpenConnections
from addon.mitm.call_layer import CallLayer, StreamSetup
from addon.mitm.chunks import chunk, plain_chunks
from addon.mitm.deadlines import Deadlines
from addon.mitm.http1 import mend
from addon.mitm.upstream_pool import UpstreamPool

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"

OPTIONS: Final = Options()
proxyserver.Proxyserver().load(OPTIONS)  # adds its options

type PassOn = Callable[[bytes], bytes | list[bytes]]


class Conversation:
    """A caller and a provider on either side of our layer, after the request; there is no socket between them."""

    def __init__(self, pass_on: PassOn, *, hooks_wait: bool = False) -> None:
        mend()
        self._hooks_wait = hooks_wait
        self._context = Context(tflow.tclient_conn(), OPTIONS)
        self._context.client.alpn = None
        self._provider = self._context.server = Server(address=("provider.example", 80))
        self._layer = CallLayer(self._context, HTTPMode.transparent)
        self._layer.setup = StreamSetup(
            Calls(),
            OpenConnections(),
            Deadlines(),
            None,
            lambda *_: True,
            UpstreamPool(lambda _: None),
            self._call_at_once,
        )
        self._pass_on = pass_on
        self.passed: list[bytes] = []
        self.hooks: list[str] = []
        self._goes_on(events.Start())
        self._goes_on(events.DataReceived(self._context.client, b"GET / HTTP/1.1\r\nhost: provider.example\r\n\r\n"))

    def said(self, data: bytes) -> bytes:
        """What the caller gets, when the provider says this."""
        return self._goes_on(events.DataReceived(self._provider, data))

    def _call_at_once(self, hook: Hook) -> bool:
        if not self._hooks_wait:
            self._call(hook)
        return not self._hooks_wait

    def _call(self, hook: Hook) -> None:
        self.hooks.append(hook.name)
        if isinstance(hook, HttpResponseHeadersHook) and hook.flow.response:
            hook.flow.response.stream = self._take

    def _goes_on(self, event: events.Event) -> bytes:
        sent = b""
        for command in self._layer.handle_event(event):
            if isinstance(command, commands.SendData) and command.connection is self._context.client:
                sent += command.data
            elif isinstance(command, commands.OpenConnection):
                self._provider = command.connection
                self._provider.state = ConnectionState.OPEN
                sent += self._goes_on(events.OpenConnectionCompleted(command, None))
            elif isinstance(command, commands.StartHook) and command.blocking:
                self._call(command)
                sent += self._goes_on(events.HookCompleted(command))
        return sent

    def _take(self, piece: bytes) -> bytes | list[bytes]:
        self.passed.append(piece)
        return self._pass_on(piece)

    def caller_leaves(self) -> None:
        self._context.client.state = ConnectionState.CLOSED


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
