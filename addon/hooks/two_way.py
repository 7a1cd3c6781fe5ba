"""Calls whose request goes on while the answer comes: speech over one HTTP/2 stream.

Both directions pass as they come. The answer is copied as every stream is; of the request, which is sound, only the bytes are
counted. Limits are asked before the request goes out. Cache, retries and fallbacks need a whole request, and do not apply.
"""

from collections.abc import Awaitable, Callable

from mitmproxy import http

from addon.calls.answers import answer_now
from addon.calls.call import Call
from addon.calls.call_life import CallState
from addon.calls.failures import Failure
from addon.calls.marks import ENDED_BY
from addon.config import controls
from addon.hooks.capture import Capture
from addon.hooks.limits import Limits, refusal_answer
from addon.hooks.overload import Overload
from addon.hooks.proxy import Proxy


class TwoWay:
    def __init__(self, proxy: Proxy, capture: Capture, limits: Limits, overload: Overload) -> None:
        self.proxy, self.capture, self.limits, self.overload = proxy, capture, limits, overload

    def requestheaders(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        if (call := self.proxy.two_way.get(flow.id)) is None:
            return None
        if flow.response or flow.error:  # an earlier addon has answered
            del self.proxy.two_way[flow.id]
            return None
        self.proxy.counts.seen += 1
        self.proxy.calls.begin(call, None)
        self.capture.begin(call)
        kept = self.capture.ask(call, b"")
        if self.overload.slots.take(call.id) and kept is None and not self.limits.hold_for(call):
            self._send(flow, call)
            return None
        return self._ask_limits(flow, call, kept)

    async def _ask_limits(self, flow: http.HTTPFlow, call: Call, kept: Awaitable[None] | None) -> None:
        if kept is not None:
            await kept
        refused = await self.overload.wait_for_slot(call)
        if refused is None and self.limits.hold_for(call):
            refused = await self.limits.admit(call, b"")
        if refused is None:
            self._send(flow, call)
            return
        answer = refusal_answer(call, refused)
        answer.headers[controls.ID] = call.asked.start.request_id
        self.capture.begin_answer(call, flow, answer)
        self.capture.keep(call, answer.raw_content or b"")
        self._end(flow, None)
        flow.request.stream = False
        answer_now(flow, answer)

    def _send(self, flow: http.HTTPFlow, call: Call) -> None:
        call.move_to(CallState.SENDING)
        flow.request.stream = _counting(call)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if (call := self.proxy.two_way.get(flow.id)) is None or flow.response is None:
            return
        flow.response.stream = self.capture.begin_answer(call, flow, flow.response)
        flow.response.headers[controls.ID] = call.asked.start.request_id
        if warnings := (*call.asked.controls.warnings, *call.warnings):
            flow.response.headers[controls.WARNING] = "; ".join(warnings)

    def response(self, flow: http.HTTPFlow) -> None:
        self._end(flow, None)

    def error(self, flow: http.HTTPFlow) -> None:
        self._end(flow, Failure(flow.metadata.get(ENDED_BY, Failure.PROVIDER)))

    def _end(self, flow: http.HTTPFlow, failure: Failure | None) -> None:
        if call := self.proxy.two_way.pop(flow.id, None):
            call.upstream.failure = failure
            self.capture.end(call, failure)
            self.proxy.calls.end_call(call)


def _counting(call: Call) -> Callable[[bytes], bytes]:
    def count(piece: bytes) -> bytes:
        call.copied.request_bytes += len(piece)
        return piece

    return count
