"""What a CONNECT opens: providers' connections are opened lazily and read, all others are tunnelled blindly."""

from typing import TYPE_CHECKING

from mitmproxy import http
from mitmproxy.proxy import commands, layer
from mitmproxy.proxy.layers import tcp
from mitmproxy.proxy.layers.http import _upstream_proxy as upstream_proxy

from addon.routing.router import decrypts

if TYPE_CHECKING:
    from mitmproxy.net.server_spec import ServerSpec
    from mitmproxy.proxy.layers.http import HttpStream


def open_tunnel(stream: "HttpStream", via: "ServerSpec | None") -> layer.CommandGenerator[None]:
    """`via`: the proxy that this machine used before us."""
    host, server = stream.flow.request.host, stream.context.server
    if decrypts(host.lower()):
        stream.child_layer = layer.NextLayer(stream.context)
    elif via:
        server.via = via
        stream.child_layer = upstream_proxy.HttpUpstreamProxy.make(stream.context, True)[0]
    else:
        if not stream.flow.response and (error := (yield commands.OpenConnection(server))):
            stream.flow.response = http.Response.make(502, f"Cannot connect to {host}: {error}")
        stream.child_layer = tcp.TCPLayer(stream.context, ignore=True)
