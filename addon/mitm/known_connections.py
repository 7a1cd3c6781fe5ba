"""What mitmproxy remembers of the upstream connections of one caller, where it stands in the way of another attempt."""

from collections.abc import MutableMapping

from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http._http1 import Http1Client
from mitmproxy.proxy.layers.http._http2 import Http2Client

type Known = MutableMapping[Connection, layer.Layer]


def forget_failures(known: Known) -> None:
    """A failed connection is remembered as failed: no later call of a kept-alive caller would get through."""
    for connection in [one for one in known if isinstance(one, Server) and one.error]:
        del known[connection]


def forget_attempt(known: Known, stream_id: int) -> None:
    """An HTTP/2 stream is remembered as used, and the end of a connection that we closed is reported as the end of the
    next attempt's."""
    for connection, child in known.items():
        client = child.context.layers[-1]
        if isinstance(client, Http2Client):
            client.our_stream_id.pop(stream_id, None)
        elif isinstance(client, Http1Client) and client.stream_id == stream_id and not connection.connected:
            client.stream_id = client.request = None
