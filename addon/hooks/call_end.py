"""The end of every call: it is no longer under way. The last addon in the chain, since all others still need the call."""

from mitmproxy import http

from addon.hooks.call import Calls


class EndCalls:
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def response(self, flow: http.HTTPFlow) -> None:
        self.calls.end(flow.id)

    def error(self, flow: http.HTTPFlow) -> None:
        self.calls.end(flow.id)
