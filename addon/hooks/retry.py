"""Retries, then other targets: acts on what `sending/retry.py` and `sending/fallbacks.py` decide, while the caller hears
nothing.

Decided on the status line or on a failure before the first byte, never later: a retried stream keeps its time to the first
piece. A caller who leaves while we wait ends the call at once; nothing is sent, and billed, for nobody.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from mitmproxy import connection, http

from addon.hooks.fallback import move_on
from addon.hooks.marks import AGAIN, BROKEN_BY, CONNECT, HOLD, PROVIDER, REFUSED, SHARED, TIMEOUT
from addon.hooks.proxy import Proxy
from addon.sending.retry import RETRYABLE, Failure, Outcome, delay_before_retry, outcome_of

# Of any error the provider may say that it is worth another try.
_ERRORS: Final = ((400, 599),)
_FAILURES: Final[dict[str, Failure]] = {CONNECT: "connect", TIMEOUT: "timeout", PROVIDER: "disconnected"}


class Resend:
    def __init__(self, proxy: Proxy, dice: Callable[[], float] = random.random) -> None:
        self.proxy = proxy
        self._dice = dice
        self._waits: dict[str, dict[http.HTTPFlow, asyncio.Event]] = {}  # by client connection: set when it is gone

    def request(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.get(flow.id)
        if call and call.controls.retry and not flow.response:
            flow.metadata[HOLD] = (*flow.metadata.get(HOLD, ()), *_ERRORS)

    async def attempt_ended(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.get(flow.id)
        if call is None or flow.metadata.get(BROKEN_BY) == REFUSED:
            return
        outcome, policy = _outcome(flow), call.controls.retry
        delay_s = delay_before_retry(outcome, call.tries, policy, self._dice()) if policy else None
        if delay_s is not None:
            if await self._is_still_there(flow, delay_s):
                call.attempts += 1
                call.tries += 1
                flow.metadata[AGAIN] = True
        elif await move_on(self.proxy, flow, call, outcome.status):
            call.attempts += 1
            call.tries = 1
            flow.metadata[AGAIN] = True
        elif policy or call.has_moved_on:
            call.gave_up = outcome.status is None or outcome.status in RETRYABLE

    async def _is_still_there(self, flow: http.HTTPFlow, delay_s: float) -> bool:
        """Waits; False as soon as the caller's connection is gone, unless others wait for the answer as well."""
        client_id, gone = flow.client_conn.id, asyncio.Event()
        self._waits.setdefault(client_id, {})[flow] = gone
        try:
            await asyncio.wait_for(gone.wait(), delay_s)
        except TimeoutError:
            return True
        finally:
            waits = self._waits[client_id]
            del waits[flow]
            if not waits:
                del self._waits[client_id]
        return False

    def client_disconnected(self, client: connection.Client) -> None:
        for flow, gone in self._waits.get(client.id, {}).items():
            if not flow.metadata.get(SHARED):
                gone.set()


def _outcome(flow: http.HTTPFlow) -> Outcome:
    if flow.response:
        return outcome_of(flow.response.status_code, flow.response.headers.items(multi=True), time.time())
    return Outcome(failure=_FAILURES.get(flow.metadata.get(BROKEN_BY, PROVIDER), "disconnected"))
