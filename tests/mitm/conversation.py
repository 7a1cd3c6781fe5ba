"""A caller and a provider on either side of our HTTP layer."""

from collections import deque
from collections.abc import Callable
from typing import Final

from mitmproxy.addons import proxyserver
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.hooks import Hook
from mitmproxy.http import HTTPFlow
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.http._hooks import HttpRequestHeadersHook, HttpResponseHeadersHook
from mitmproxy.test import tflow

from addon.calls.call import Calls
from addon.calls.connection import OpenConnections
from addon.mitm.base_stream import StreamSetup
from addon.mitm.call_layer import CallLayer
from addon.mitm.deadlines import Deadlines
from addon.mitm.http1 import mend
from addon.mitm.upstream_pool import UpstreamPool

GET: Final = b"GET / HTTP/1.1\r\nhost: provider.example\r\n\r\n"

OPTIONS: Final = Options()
proxyserver.Proxyserver().load(OPTIONS)  # adds its options

type PassOn = Callable[[bytes], bytes | list[bytes]]


class Conversation:
    """A caller and a provider on either side of our layer; there is no socket between them. Each method returns what the
    caller gets."""

    def __init__(
        self, pass_on: PassOn = lambda piece: piece, *, hooks_wait: bool = False, request: bytes = GET
    ) -> None:
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
            self._call_at_once,
        )
        self._layer.pool = UpstreamPool(lambda _: None)
        self._pass_on = pass_on
        self.passed: list[bytes] = []
        self.hooks: list[str] = []
        self.flows: list[HTTPFlow] = []
        self.asked = b""  # what the provider gets
        self._goes_on(events.Start())
        self.asks(request)

    def asks(self, data: bytes) -> bytes:
        """The caller says this."""
        return self._goes_on(events.DataReceived(self._context.client, data))

    def said(self, data: bytes) -> bytes:
        """The provider says this."""
        return self._goes_on(events.DataReceived(self._provider, data))

    def _call_at_once(self, hook: Hook) -> bool:
        if not self._hooks_wait:
            self._call(hook)
        return not self._hooks_wait

    def _call(self, hook: Hook) -> None:
        self.hooks.append(hook.name)
        if isinstance(hook, HttpRequestHeadersHook):
            self.flows.append(hook.flow)
        if isinstance(hook, HttpResponseHeadersHook) and hook.flow.response:
            hook.flow.response.stream = self._take

    def _goes_on(self, event: events.Event) -> bytes:
        """As mitmproxy's handler of a connection does: an event is handled to its end before the next."""
        sent, left = b"", deque([event])
        while left:
            for command in self._layer.handle_event(left.popleft()):
                if isinstance(command, commands.SendData):
                    if command.connection is self._context.client:
                        sent += command.data
                    else:
                        self.asked += command.data
                elif isinstance(command, commands.OpenConnection):
                    self._provider = command.connection
                    self._provider.state = ConnectionState.OPEN
                    left.append(events.OpenConnectionCompleted(command, None))
                elif isinstance(command, commands.StartHook) and command.blocking:
                    self._call(command)
                    left.append(events.HookCompleted(command))
        return sent

    def _take(self, piece: bytes) -> bytes | list[bytes]:
        self.passed.append(piece)
        return self._pass_on(piece)

    def caller_leaves(self) -> None:
        self._context.client.state = ConnectionState.CLOSED
