"""Asks an OpenAI-shaped stream for its usage: `Helicone-Stream-Usage: true`, where the caller sees the chunk that brings
it, or `[usage] inject = true` in the config, where `hide_usage.py` takes it out again.

One of the few wishes for which a request's bytes change; what is journalled is what was sent.
"""

from collections.abc import Awaitable
from typing import Final

from mitmproxy import http

from addon.calls.call import Call, Calls
from addon.hooks.request_body import read_body
from addon.hooks.services import Services
from addon.metering.content_coding import decode
from addon.sending.stream_usage import with_include_usage

_AWS_SIGNED: Final = "AWS4-"  # such a signature covers the body: no byte of it can be changed


class AskUsage:
    def __init__(self, calls: Calls, services: Services) -> None:
        self.calls, self.services = calls, services

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        call, always = self.calls.of(flow.id), self.services.settings.inject_usage
        if call is None or flow.response or not (always or call.asked.controls.stream_usage):
            return None
        return ask_usage(flow, call, always)


async def ask_usage(flow: http.HTTPFlow, call: Call, always: bool) -> None:
    """Asks the current target for its usage, where the target has such an option. `always`: the config asks for it."""
    headers, by_caller = flow.request.headers, call.asked.controls.stream_usage
    call.attempts.hides_usage = False
    if not call.attempts.operation.asks_usage or not (by_caller or always):
        return
    if not by_caller and headers.get("authorization", "").startswith(_AWS_SIGNED):
        return
    encoding = headers.get("content-encoding")
    asking = await read_body(lambda body: _asking(body, encoding), flow.request.raw_content or b"", encoding)
    if asking is None:
        return
    flow.request.content = asking  # compressed again, if it was
    if not by_caller:
        call.attempts.hides_usage = True
        headers["accept-encoding"] = "identity"  # nothing can be taken out of a compressed stream as it passes


def _asking(body: bytes, content_encoding: str | None) -> bytes | None:
    """The decoded request with the wish for usage in it; None where there is nothing to do, or it cannot be decoded."""
    decoded, complete = decode(body, content_encoding)
    return with_include_usage(decoded) if complete else None
