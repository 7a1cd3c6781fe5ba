"""Overload: a bounded number of calls is under way at once; more wait a moment, and are then refused. Acts on what
`limits/slots.py` decides. `Calls.end_call` gives the slot back.

A hit, and a call that follows an identical one, need no slot.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final

from mitmproxy import http

from addon.calls.attempt_outcomes import NoAnswer
from addon.calls.call import Call
from addon.calls.failures import CONSEQUENCES, Failure, Phase
from addon.hooks.limits import Refused, refusal_answer
from addon.hooks.proxy import Proxy
from addon.hooks.services import Services

_REFUSAL: Final = CONSEQUENCES[Failure.OVERLOADED, Phase.BEFORE_FIRST_BYTE]


class Overload:
    def __init__(self, proxy: Proxy, services: Services) -> None:
        self.proxy, self.services = proxy, services
        self.slots, self.counts = proxy.calls.slots, proxy.counts
        self.slots.use(services.settings.overload.shared_out(proxy.workers))

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        call = self.proxy.calls.of(flow.id)
        if call is None or flow.response or call.sharing.reference or self.slots.take(call.id):
            return None
        return self._wait(flow, call)

    async def _wait(self, flow: http.HTTPFlow, call: Call) -> None:
        if refused := await self.wait_for_slot(call):
            flow.response = refusal_answer(call, refused)

    async def wait_for_slot(self, call: Call) -> Refused | None:
        """Until the call has a slot, within the time that the settings allow; at once where it has one."""
        if self.slots.has(call.id):
            return None
        bound = self.slots.bound
        turn = self.slots.line_up(call.id)
        if turn is None:
            return self._refuse(call, f"and {bound.max_waiting} more wait already")
        gone = asyncio.ensure_future(call.connection.gone.wait())
        await asyncio.wait((turn, gone), timeout=bound.wait_s, return_when=asyncio.FIRST_COMPLETED)
        has_left = gone.done()
        gone.cancel()
        if turn.done() and not has_left:
            return None
        self.slots.leave(call.id)
        return self._refuse(call, f"and none of them ended within {bound.wait_s:g} s", is_counted=not has_left)

    def _refuse(self, call: Call, why: str, is_counted: bool = True) -> Refused:
        """A caller that left is not counted: it is not told."""
        self.counts.overloaded += is_counted
        call.attempts.made, call.attempts.fallback_index = 0, None
        call.refused_as = _REFUSAL.error_type
        most, workers = self.slots.bound.max_calls, self.proxy.workers
        what = "heliograph" if workers == 1 else f"this one of {workers} workers"
        message = f"{what} has {most} calls under way, the most that [overload] max_calls allows, {why}; send it again in a while"
        assert _REFUSAL.answer_status
        return Refused(_REFUSAL.answer_status, _REFUSAL.error_type, message, _REFUSAL.retry_after_s)

    def upstream_failed(self, failed: NoAnswer) -> None:
        """The bodies of all calls together were too much."""
        self.counts.overloaded += failed.failure is Failure.OVERLOADED
