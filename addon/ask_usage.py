"""`Helicone-Stream-Usage: true`: asks an OpenAI-shaped stream for its usage; the caller sees the chunk that brings it.

One of the few wishes for which a request's bytes change; what is journalled is what was sent.
"""

from mitmproxy import http

from addon.bodies import read_body
from addon.proxy import Proxy
from addon.sending.stream_usage import with_include_usage


class AskUsage:
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    async def request(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.get(flow.id)
        if call is None or flow.response or not (call.controls.stream_usage and call.operation.asks_usage):
            return
        body = flow.request.get_content(strict=False) or b""
        if asking := await read_body(with_include_usage, body):
            flow.request.content = asking  # compressed again, if it was
