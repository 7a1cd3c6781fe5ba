"""Refuses what is over a rate limit or a budget: acts on what `limits/` decides.

Limits and budgets of heliograph.toml hold for every call; the caller's own policy comes on top. Money and tokens are
charged by the settler, when it knows them. With the store down calls go on, unless the config says otherwise.
"""

import time

from mitmproxy import http

from addon.config import controls
from addon.hooks.answers import error_answer
from addon.hooks.call import Call
from addon.hooks.proxy import Proxy
from addon.hooks.request_body import read_body
from addon.limits.admission import Admission, admission, needs_body
from addon.limits.refusal import Refusal, Standing, closed_refusal, judge_budgets, limit_refusal, standing
from addon.limits.rules import CallFacts
from addon.limits.store import StoreDown
from addon.metering.reading import RequestFacts, decode, request_facts


class Limits:
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self._standings: dict[str, Standing] = {}  # by flow id, until the answer tells it

    async def request(self, flow: http.HTTPFlow) -> None:
        call, settings = self.proxy.calls.get(flow.id), self.proxy.settings
        if call is None or call.reference or flow.response:
            return
        policy = call.controls.rate_limit
        if not (policy or settings.limits or settings.budgets):
            return
        facts = _facts(call, None)
        if needs_body(facts, policy, settings.limits, settings.budgets):
            encoding = call.start.content_encoding
            facts = _facts(
                call,
                await read_body(
                    lambda body: request_facts(decode(body, encoding)[0]), flow.request.raw_content or b"", encoding
                ),
            )
        now = time.time()
        met = admission(facts, policy, settings.limits, settings.budgets, now)
        call.warnings.extend(met.warnings)
        try:
            refusal = self._decide(flow, call, met, now)
        except StoreDown as error:
            call.rate_limit_status = "unchecked"
            refusal = closed_refusal(str(error)) if settings.limits_fail_closed else None
        if refusal:
            call.attempts, call.fallback_index = 0, None
            call.rate_limit_status = refusal.kind
            flow.response = _refused(call, refusal)
            if refusal.standing:
                self._standings[flow.id] = refusal.standing

    def _decide(self, flow: http.HTTPFlow, call: Call, met: Admission, now: float) -> Refusal | None:
        """Money first: a call that a budget refuses takes nothing from a limit. Raises StoreDown."""
        refusal, warnings = judge_budgets(met, self.proxy.limits.spent(met.spent_keys), now)
        call.warnings.extend(warnings)
        if refusal:
            return refusal
        verdict = self.proxy.limits.decide(met.checks, now)
        if stands := standing(met, verdict):
            self._standings[flow.id] = stands
        if verdict.allowed:
            call.charges = list(met.charges)
            call.rate_limit_status = "allowed" if met.checks or met.budgets else None
        return limit_refusal(met, verdict)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._tell(flow)

    def upstream_failed(self, flow: http.HTTPFlow) -> None:
        self._tell(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._standings.pop(flow.id, None)

    def _tell(self, flow: http.HTTPFlow) -> None:
        stands = self._standings.pop(flow.id, None)
        if stands is None or flow.response is None:
            return
        told = {
            controls.RATE_LIMIT_APPLIED: stands.policy,
            controls.RATE_LIMIT_LIMIT: stands.limit,
            controls.RATE_LIMIT_REMAINING: stands.remaining,
            controls.RATE_LIMIT_RESET: stands.reset_s,
        }
        for name, value in told.items():
            if value is not None:
                flow.response.headers[name] = str(value)


def _facts(call: Call, body: RequestFacts | None) -> CallFacts:
    start = call.start
    return CallFacts(
        user=start.user_id or (body.user if body else None),
        properties=start.properties,
        model=(body.model if body else None) or start.path_model,
        key_hash=start.api_key_hash,
        helicone_key_hash=start.helicone_key_hash,
    )


def _refused(call: Call, refusal: Refusal) -> http.Response:
    response = error_answer(call.route.provider, 429, refusal.kind, refusal.message)
    response.headers[controls.ERROR] = refusal.kind
    response.headers["retry-after"] = str(refusal.retry_after_s)
    if not refusal.should_retry:
        response.headers[controls.SHOULD_RETRY] = "false"
    return response
