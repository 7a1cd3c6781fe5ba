"""What a CONNECT opens: providers' connections are opened lazily and read. All others pass unread, except plain HTTP, from
which our headers are taken off."""

import re
from collections.abc import Callable
from typing import Final

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import tcp, tls
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.layers.http import _upstream_proxy as upstream_proxy

from addon.calls.answers import error_answer
from addon.mitm.base_stream import BaseStream
from addon.mitm.http_limits import LONGEST_LINE

type Inside = Callable[[Context], layer.Layer]  # makes the layer for plain HTTP in a tunnel


def open_tunnel(stream: BaseStream, inside: Inside) -> layer.CommandGenerator[None]:
    host, server, setup = stream.flow.request.host, stream.context.server, stream.setup
    if setup.opens(host.lower(), stream.flow.request.port):
        stream.caller.waits_for_head(True)  # the TLS handshake in it counts as well
        stream.child_layer = layer.NextLayer(stream.context)
    elif setup.via:
        server.via = setup.via
        stack = upstream_proxy.HttpUpstreamProxy.make(stream.context, True)
        stack /= OtherHost(stream.context, inside)
        stream.child_layer = stack[0]
    else:
        if not stream.flow.response:
            error = yield commands.OpenConnection(server)
            if refusal := stream.refusal():
                stream.flow.response = error_answer(None, 403, "target_not_approved", refusal)
            elif error:
                message = f"heliograph could not connect to {host}:{stream.flow.request.port}: {error}"
                stream.flow.response = error_answer(None, 502, "connection_failed", message)
        stream.child_layer = OtherHost(stream.context, inside)


class OtherHost(layer.Layer):
    """The inside of a tunnel to a host that is not a provider. What the client says first decides: plain HTTP is read as such,
    everything else, and every server that speaks first, passes unread."""

    def __init__(self, context: Context, inside: Inside) -> None:
        super().__init__(context)
        self.context.layers.remove(self)  # as mitmproxy's NextLayer: what is chosen takes our place
        self._inside = inside
        self._events: list[events.Event] = []
        self._said = b""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        self._events.append(event)
        is_client = isinstance(event, events.ConnectionEvent) and event.connection is self.context.client
        if isinstance(event, events.Start):
            if not self.context.server.connected and (yield commands.OpenConnection(self.context.server)):
                yield commands.CloseConnection(self.context.client)
            return
        if isinstance(event, events.DataReceived) and is_client:
            self._said += event.data
            is_http = is_plain_http(self._said)
        else:
            is_http = False
        if is_http is None:
            return
        child: layer.Layer = self._inside(self.context) if is_http else tcp.TCPLayer(self.context, ignore=True)
        for earlier in self._events:
            yield from child.handle_event(earlier)
        self._events.clear()
        self.handle_event = self._handle_event = child.handle_event  # type: ignore[method-assign]


_REQUEST_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}[ \t]+[^\r\n]*HTTP/1\.[0-9][ \t]*\r?")
_ITS_BEGINNING: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{0,40}(?:[ \t][^\r\n]*\r?)?")


def is_plain_http(said: bytes) -> bool | None:
    """Whether the first bytes of a client are an HTTP/1 request; None: more are needed to tell."""
    said = said.lstrip(b"\r\n")
    line, newline, _ = said.partition(b"\n")
    if newline:
        return _REQUEST_LINE.fullmatch(line) is not None
    return None if len(line) <= LONGEST_LINE and _ITS_BEGINNING.fullmatch(line) else False


class NoRawBytes(layer.Layer):
    """Closes a tunnel to a provider in which something other than HTTP is sent: it could not be seen."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield commands.CloseConnection(self.context.client)


def refuse_raw_bytes(next_layer: layer.NextLayer, opens: Callable[[str, int], bool], *, needs_tls: bool) -> None:
    """In a tunnel to a provider's host only HTTP passes; with `needs_tls` only HTTP inside TLS."""
    context, chosen = next_layer.context, next_layer.layer
    address = context.server.address
    outer = [index for index, known in enumerate(context.layers) if isinstance(known, HttpStream)]
    if not outer or address is None or not opens(address[0].lower(), address[1]):
        return
    if isinstance(chosen, tls.ServerTLSLayer | tls.ClientTLSLayer):
        return
    is_inside_tls = any(isinstance(known, tls.ClientTLSLayer) for known in context.layers[outer[-1] :])
    if not isinstance(chosen, HttpLayer) or (needs_tls and not is_inside_tls):
        context.layers = [known for known in context.layers if known is not chosen]
        next_layer.layer = NoRawBytes(context)
