"""The end of every request and call: it is no longer under way. The last addon in the chain, since all others still need
the call.
"""

from mitmproxy import http
from mitmproxy.net.http import status_codes

from addon.hooks.proxy import Proxy


class EndCalls:
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    def response(self, flow: http.HTTPFlow) -> None:
        self.proxy.calls.end(flow.id)
        if (
            flow.response and flow.response.status_code != status_codes.SWITCHING
        ):  # a WebSocket ends with its connection
            self.proxy.connections.of(flow.client_conn).requests -= 1

    def error(self, flow: http.HTTPFlow) -> None:
        self.proxy.calls.end(flow.id)
        self.proxy.connections.of(flow.client_conn).requests -= 1
