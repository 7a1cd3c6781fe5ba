"""The end of every request and call: it is no longer under way. The last addon in the chain, since all others still need the call."""

from typing import Final

from mitmproxy import http

from addon.hooks.proxy import Proxy

_SWITCHED: Final = 101


class EndCalls:
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    def response(self, flow: http.HTTPFlow) -> None:
        self.proxy.calls.end(flow.id)
        if flow.response and flow.response.status_code != _SWITCHED:  # a WebSocket ends with its connection
            self.proxy.connections.of(flow.client_conn).requests -= 1

    def error(self, flow: http.HTTPFlow) -> None:
        self.proxy.calls.end(flow.id)
        self.proxy.connections.of(flow.client_conn).requests -= 1
