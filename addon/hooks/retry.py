"""Retries, then other targets: acts on what `sending/retry.py` and `sending/fallbacks.py` decide, before the caller hears of
a failure.

Decided on the status line or on a failure before the first byte, never later: a retried stream keeps its time to the first
piece. A caller that leaves during a wait ends the call at once; nothing is sent, and billed, that nobody receives.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from mitmproxy import http

from addon.calls.attempt_outcomes import EndedAttempt, NoAnswer
from addon.calls.call import Call
from addon.calls.failures import NEVER_SENT, Failure
from addon.calls.parts import FailedAttempt
from addon.hooks.fallback import move_on
from addon.hooks.proxy import Proxy
from addon.hooks.services import Services
from addon.sending.retry import RETRYABLE, Outcome, delay_before_retry, outcome_of

# Of any error the provider may say that it is worth another try.
_ERRORS: Final = ((400, 599),)


class Retry:
    def __init__(self, proxy: Proxy, services: Services, dice: Callable[[], float] = random.random) -> None:
        self.proxy, self.services = proxy, services
        self._dice = dice

    def request(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.of(flow.id)
        if call and call.asked.controls.retry and not flow.response:
            call.attempts.hold = (*(call.attempts.hold or ()), *_ERRORS)

    async def attempt_ended(self, ended: EndedAttempt) -> None:
        flow, call = ended.flow, ended.call
        outcome = _outcome(flow, call)
        if outcome is None:
            return
        attempts, policy = call.attempts, call.asked.controls.retry
        failed = _failed_attempt(call, outcome, time.time())
        delay_s = delay_before_retry(outcome, attempts.tries, policy, self._dice()) if policy else None
        if delay_s is not None:
            if await _is_still_wanted(call, delay_s):
                attempts.made += 1
                attempts.tries += 1
                attempts.again = True
        elif await move_on(self.proxy, self.services, flow, call, outcome.status):
            attempts.made += 1
            attempts.tries = 1
            attempts.again = True
        elif policy or attempts.has_moved_on:
            attempts.gave_up = outcome.status is None or outcome.status in RETRYABLE
        if attempts.again:
            attempts.failed.append(failed)
            attempts.began_at = time.time()

    def upstream_failed(self, failed: NoAnswer) -> None:
        """A target that the request was not sent to was not asked."""
        call = self.proxy.calls.of(failed.flow.id)
        if call and failed.failure in NEVER_SENT:
            call.attempts.made -= 1


async def _is_still_wanted(call: Call, delay_s: float) -> bool:
    """Waits; False as soon as the caller's connection is gone, unless others wait for the answer as well."""
    wait_until = time.monotonic() + delay_s
    try:
        await asyncio.wait_for(call.connection.gone.wait(), delay_s)
    except TimeoutError:
        return True
    if call.sharing.is_shared:
        await asyncio.sleep(wait_until - time.monotonic())
    return call.sharing.is_shared


def _failed_attempt(call: Call, outcome: Outcome, now: float) -> FailedAttempt:
    attempts, call_began_at = call.attempts, call.asked.start.started_at_us / 1_000_000
    began_at = attempts.began_at or call_began_at
    no_answer = call.consequence_of(call.upstream.failure or Failure.PROVIDER) if outcome.status is None else None
    return FailedAttempt(
        provider_name=attempts.route.provider.name,
        host=attempts.route.host,
        status=outcome.status,
        error_type=no_answer.error_type if no_answer else None,
        started_ms=max(0, round((began_at - call_began_at) * 1000)),
        duration_ms=max(0, round((now - began_at) * 1000)),
    )


def _outcome(flow: http.HTTPFlow, call: Call) -> Outcome | None:
    """How the attempt ended; None: in a way after which nothing else is tried."""
    if flow.response:
        return outcome_of(flow.response.status_code, flow.response.headers.items(multi=True), time.time())
    failed_as = call.consequence_of(call.upstream.failure or Failure.PROVIDER).retry_as
    return Outcome(failure=failed_as) if failed_as else None
