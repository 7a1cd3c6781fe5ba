"""What a CONNECT opens: providers' connections are opened lazily and read, all others are tunnelled blindly."""

from typing import TYPE_CHECKING

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import tcp, tls
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.layers.http import _upstream_proxy as upstream_proxy

from addon.hooks.answers import error_answer
from addon.routing.router import decrypts

if TYPE_CHECKING:
    from mitmproxy.net.server_spec import ServerSpec

    from addon.mitm.stream import CallStream


def open_tunnel(stream: "CallStream", via: "ServerSpec | None") -> layer.CommandGenerator[None]:
    """`via`: the proxy that this machine used before us."""
    host, server = stream.flow.request.host, stream.context.server
    if decrypts(host.lower()):
        stream.caller.waits_for_head(True)  # the TLS handshake in it counts as well
        stream.child_layer = layer.NextLayer(stream.context)
    elif via:
        server.via = via
        stream.child_layer = upstream_proxy.HttpUpstreamProxy.make(stream.context, True)[0]
    else:
        if not stream.flow.response:
            error = yield commands.OpenConnection(server)
            if refusal := stream.refusal():
                stream.flow.response = error_answer(None, 403, "target_not_approved", refusal)
            elif error:
                message = f"heliograph could not connect to {host}:{stream.flow.request.port}: {error}"
                stream.flow.response = error_answer(None, 502, "connection_failed", message)
        stream.child_layer = tcp.TCPLayer(stream.context, ignore=True)


class NoRawBytes(layer.Layer):
    """Closes a tunnel to a provider in which something other than HTTP is sent: it could not be seen."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield commands.CloseConnection(self.context.client)


def refuse_raw_bytes(next_layer: layer.NextLayer, *, needs_tls: bool) -> None:
    """In a tunnel to a provider's host only HTTP passes; with `needs_tls` only HTTP inside TLS."""
    context, chosen = next_layer.context, next_layer.layer
    address = context.server.address
    outer = [index for index, known in enumerate(context.layers) if isinstance(known, HttpStream)]
    if not outer or address is None or not decrypts(address[0].lower()):
        return
    if isinstance(chosen, tls.ServerTLSLayer | tls.ClientTLSLayer):
        return
    is_inside_tls = any(isinstance(known, tls.ClientTLSLayer) for known in context.layers[outer[-1] :])
    if not isinstance(chosen, HttpLayer) or (needs_tls and not is_inside_tls):
        context.layers = [known for known in context.layers if known is not chosen]
        next_layer.layer = NoRawBytes(context)
