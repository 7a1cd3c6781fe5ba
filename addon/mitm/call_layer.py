"""mitmproxy's HTTP layer with our streams under every connection."""

from typing import cast

from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    GetHttpConnectionCompleted,
    HttpLayer,
    HTTPMode,
    RegisterHttpConnection,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestHeaders
from mitmproxy.proxy.server_hooks import ServerConnectedHook, ServerConnectionHookData

from addon.calls.call import Call
from addon.mitm import tunnel
from addon.mitm.base_stream import StreamSetup
from addon.mitm.http1 import JsonHttp1Server
from addon.mitm.http2 import JsonHttp2Server
from addon.mitm.stream import CallStream
from addon.mitm.stream_events import ForStream, HeadIsLate, ProxyLeaves, ReadNext
from addon.mitm.upstream_pool import Scope, UpstreamPool
from addon.mitm.whole_messages import WholeRequest


class CallLayer(HttpLayer):
    """Existing layers become one by `adopt`."""

    setup: StreamSetup
    pool: UpstreamPool
    _http1: JsonHttp1Server | None = None  # speaks to the caller
    _ended: list[CallStream]  # while the event is handled with which they ended

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, ForStream):
            inside = [event.stream] if event.stream in self.streams.values() else list(self.streams.values())
            for stream in inside:  # not one of ours: it is in a tunnel that one of ours carries
                yield from self.event_to_child(stream, event)
            return
        if isinstance(event, HeadIsLate):
            for child in (*self.streams.values(), self.connections[self.context.client]):
                yield from self.event_to_child(child, event)
            return
        if isinstance(event, ProxyLeaves):
            speaker = self.connections[self.context.client]
            for child in [speaker] if isinstance(speaker, JsonHttp2Server) else list(self.streams.values()):
                yield from self.event_to_child(child, event)
            return
        if isinstance(event, events.Start):
            self._ended = []
            self._speak()
        yield from super()._handle_event(event)

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Nothing in this layer waits: only its children do, each for itself."""
        speaker = self.connections.get(event.connection) if type(event) is events.DataReceived else None
        yield from self._handle_event(event) if speaker is None else self.event_to_child(speaker, event)
        while self._http1 and self._http1.has_next:
            yield from self.event_to_child(self._http1, ReadNext())
        while self._ended:
            self._ended.pop().let_go()

    def event_to_child(self, child: layer.Layer, event: events.Event) -> layer.CommandGenerator[None]:
        """As mitmproxy has it, but the commands that come most are told first."""
        for command in child.handle_event(event):
            if isinstance(command, SendHttp):
                yield from self.event_to_child(self.connections[command.connection], command.event)
            elif isinstance(command, ReceiveHttp):
                yield from self._to_stream(command.event)
            elif isinstance(command, commands.SendData):
                yield command
            else:
                yield from self._do(child, command)

    def _to_stream(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        if type(event) is RequestHeaders or type(event) is WholeRequest:
            yield from self.make_stream(event.stream_id)
        if stream := self.streams.get(event.stream_id):  # None: it is over, and more came
            yield from self.event_to_child(stream, event)

    def _do(self, child: layer.Layer, command: commands.Command) -> layer.CommandGenerator[None]:
        if command.blocking or isinstance(command, commands.RequestWakeup):
            self.command_sources[command] = child
        if isinstance(command, DropStream):
            if stream := self.streams.pop(command.stream_id, None):
                self._ended.append(cast(CallStream, stream))
        elif isinstance(command, GetHttpConnection):
            yield from self.get_connection(command)
        elif isinstance(command, RegisterHttpConnection):
            yield from self.register_connection(command)
        else:
            if isinstance(command, commands.OpenConnection):
                self.connections[command.connection] = child
            yield command

    def open_connection(self, wanted: GetHttpConnection, call: Call) -> Server | None:
        """The connection of this caller that is open and that `get_connection` would find, without its detour."""
        is_http2 = self.context.client.alpn == b"h2"
        for known in self.connections:
            if isinstance(known, Server) and wanted.connection_spec_matches(known):
                if known in self.waiting_for_establishment or known.error:
                    return None
                if known.connected and (known.alpn == b"h2" or not is_http2):
                    self.pool.note(self, _credential(call))
                    return known
        return None

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> layer.CommandGenerator[None]:
        credential = self._credential(event)
        self.pool.note(self, credential)
        if credential is not None and (server := self._left_by_another(event, credential)):
            # As for a new connection: an address may not be for every caller (`hooks/guard.py`).
            hook = ServerConnectedHook(ServerConnectionHookData(client=self.context.client, server=server))
            hook.blocking = False
            yield hook
            stream = self.command_sources.pop(event)
            yield from self.event_to_child(stream, GetHttpConnectionCompleted(event, (server, None)))
        else:
            yield from super().get_connection(event, reuse=reuse)

    def _credential(self, wanted: GetHttpConnection) -> str | None:
        """A hash of the key of the call that wants a connection, "" without a key; None: it is not a call."""
        stream = self.command_sources.get(wanted)
        call = stream.call if isinstance(stream, CallStream) else None
        return _credential(call) if call else None

    def _left_by_another(self, wanted: GetHttpConnection, credential: str) -> Server | None:
        """A connection of the pool, where mitmproxy would open one."""
        if wanted.via or wanted.transport_protocol != "tcp" or self.context.client.alpn == b"h2":
            return None
        for known in (self.context.server, *self.connections):
            is_of_use = known.connected or known.error or known in self.waiting_for_establishment
            if is_of_use and wanted.connection_spec_matches(known):
                return None
        scope = Scope(*wanted.address, self._sni(wanted.address) if wanted.tls else None, credential)
        return self.pool.take(scope, self)

    def _sni(self, address: tuple[str, int]) -> str:
        """As mitmproxy chooses it: a transparent caller may have named the host in its own handshake."""
        server = self.context.server
        if self.mode is HTTPMode.transparent and address == server.address:
            return server.sni or self.context.client.sni or address[0]
        return address[0]

    def inside(self, context: Context) -> "CallLayer":
        """A layer for plain HTTP in a tunnel that one of our streams carries."""
        made = CallLayer(context, HTTPMode.transparent)
        made.setup, made.pool = self.setup, self.pool
        return made

    def _speak(self) -> None:
        """Choose who speaks to the caller."""
        client, known = self.context.client, self.setup.connections
        if client.alpn == b"h2":
            self.connections.setdefault(client, JsonHttp2Server(self.context.fork(), known))
        elif client.alpn != b"h3":
            self._http1 = JsonHttp1Server(self.context.fork(), known.of(client))
            self.connections.setdefault(client, self._http1)

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        stream = self.streams[stream_id] = CallStream(self.context.fork(), stream_id, self)
        yield from self.event_to_child(stream, events.Start())


def _credential(call: Call) -> str:
    """A hash of the call's key, "" without one."""
    return call.asked.start.api_key_hash or ""


def for_plain_http(context: Context, setup: StreamSetup, pool: UpstreamPool) -> CallLayer:
    """For the caller of a proxy that begins with plain HTTP."""
    made = CallLayer(context, HTTPMode.regular)
    made.setup, made.pool = setup, pool
    return made


def adopt(next_layer: layer.NextLayer, setup: StreamSetup, pool: UpstreamPool, *, needs_tls: bool) -> None:
    """Make every HTTP layer that was just chosen one of ours. The class is swapped, since a chosen layer may sit inside others.
    `needs_tls`: a tunnel to a provider's host must have TLS in it."""
    tunnel.refuse_raw_bytes(next_layer, setup.opens, needs_tls=needs_tls)
    for chosen in next_layer.context.layers:
        if type(chosen) is HttpLayer:
            chosen.__class__ = CallLayer
            chosen.setup, chosen.pool = setup, pool  # type: ignore[attr-defined]
