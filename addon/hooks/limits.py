"""Rate limits and budgets: refuses the calls that are over one: acts on what `limits/` decides.

Limits and budgets of heliograph.toml hold for every call; the caller's own policy comes on top. Money and tokens are
charged by the settler, when it knows them. With the store down calls go on, unless the config says otherwise.
"""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Final

from mitmproxy import http

from addon.calls.answers import error_answer
from addon.calls.attempt_outcomes import NoAnswer
from addon.calls.call import Call
from addon.config import controls
from addon.hooks.proxy import Proxy
from addon.hooks.request_body import read_body
from addon.hooks.services import Services
from addon.limits.admission import Admission, admission, needs_body, needs_repository
from addon.limits.redacted import redacted_facts
from addon.limits.refusal import Refusal, closed_refusal, judge_budgets, limit_refusal, standing
from addon.limits.rules import CallFacts
from addon.limits.store import StoreDown
from addon.limits.upper_bound import RateTable, UpperBound, model_of_override, rates_of, upper_bound
from addon.metering.reading import RequestFacts, decode, request_facts
from addon.providers import registry
from addon.sending.json_text import repeats_member

_RATES_S: Final = 60.0
_CALLER_S: Final = 2.0
_NO_RATES_S: Final = 1.0  # the settler has just begun
_REPEATS_MODEL: Final = (
    "the body names its model more than once, so this proxy cannot tell which limits hold; send one member named model"
)


class Limits:
    def __init__(self, proxy: Proxy, services: Services) -> None:
        self.proxy, self.services = proxy, services
        self._rate_table: RateTable = {}
        self._rates_due = 0.0  # monotonic: when they are read again

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        call = self.proxy.calls.of(flow.id)
        if call is None or call.sharing.reference or flow.response or not self.hold_for(call):
            return None
        return self._limit(flow, call)

    async def _limit(self, flow: http.HTTPFlow, call: Call) -> None:
        if refused := await self.admit(call, flow.request.raw_content or b""):
            flow.response = refusal_answer(call, refused)

    def hold_for(self, call: Call) -> bool:
        """Whether there is any limit that the call could be over."""
        settings = self.services.settings
        return bool(call.asked.controls.rate_limit or settings.limits or settings.budgets)

    async def admit(self, call: Call, raw: bytes) -> "Refused | None":
        """Counts the call, unless it is refused. `raw` is the request's body as it came."""
        policy, settings = call.asked.controls.rate_limit, self.services.settings
        if needs_repository(settings.limits, settings.budgets):
            await _caller_process(call)
        facts, body = _facts(call, None), None
        if needs_body(facts, policy, settings.limits, settings.budgets):
            body = await self._read(raw, call)
            facts = _facts(call, body)
            if body.repeats_model:
                call.attempts.made, call.attempts.fallback_index = 0, None
                return Refused(400, "invalid_request_error", _REPEATS_MODEL)
        if redactor := self.services.redactor:
            facts = redacted_facts(redactor, facts)
        now = time.time()
        met = admission(facts, policy, settings.limits, settings.budgets, now)
        call.warnings.extend(met.warnings)
        try:
            refusal = await self._decide(call, met, body or _Body(), now)
        except StoreDown as error:
            call.limits.status = "unchecked"
            self.proxy.counts.unchecked += 1
            refusal = closed_refusal(str(error)) if settings.limits_fail_closed else None
        if refusal is None:
            return None
        call.attempts.made, call.attempts.fallback_index = 0, None
        call.limits.status = refusal.kind
        call.limits.standing = refusal.standing or call.limits.standing
        return Refused(429, refusal.kind, refusal.message, refusal.retry_after_s, refusal)

    @staticmethod
    async def _read(raw: bytes, call: Call) -> "_Body":
        """What limits need to know of the body that will be sent."""
        start = call.asked.start

        def read(body: bytes) -> _Body:
            decoded = decode(body, start.content_encoding)[0]
            facts = request_facts(decoded, read=call.attempts.operation.read_request)
            return _Body(facts, len(decoded), repeats_member(decoded, "model"))

        return await read_body(read, raw, start.content_encoding)

    async def _bound(self, call: Call, body: "_Body") -> UpperBound:
        """What the call may cost at most, at the price of the model that will really be asked."""
        provider = call.attempts.route.provider
        model = (
            model_of_override(_sent_overrides(call)) or (body.facts and body.facts.model) or call.asked.start.path_model
        )
        table = await self._rates()
        seller = provider if provider.name in table else registry.seller_of(provider, model)
        rates = rates_of(table, seller.name, model, has_price_list=seller.prices is not None)
        return upper_bound(rates, body.facts.body if body.facts else None, body.bytes)

    async def _rates(self) -> RateTable:
        """The settler writes them when it starts. Raises StoreDown."""
        now = time.monotonic()
        if now >= self._rates_due:
            self._rate_table = await self.services.limits.rates()
            self._rates_due = now + (_RATES_S if self._rate_table else _NO_RATES_S)
        return self._rate_table

    async def _decide(self, call: Call, met: Admission, body: "_Body", now: float) -> Refusal | None:
        """Money first: a call that a budget refuses takes nothing from a limit. Raises StoreDown."""
        reservation = met.reservation(call.id, await self._bound(call, body)) if met.needs_bound else None
        verdict = await self.services.limits.decide(met.checks, now, reservation)
        refusal, warnings = judge_budgets(met, verdict.spent, now)
        call.warnings.extend(warnings)
        if verdict.trouble and self.services.settings.limits_fail_closed:
            raise StoreDown(verdict.trouble)
        if refusal:
            return refusal
        call.limits.standing = standing(met, verdict)
        if verdict.allowed:
            call.limits.charges = list(met.charges)
            call.limits.status = None
            if met.checks or met.budgets:
                call.limits.status = "unchecked" if verdict.trouble else "allowed"
                self.proxy.counts.unchecked += verdict.trouble is not None
        return limit_refusal(met, verdict)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._tell(flow)

    def upstream_failed(self, failed: NoAnswer) -> None:
        self._tell(failed.flow)

    def _tell(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.of(flow.id)
        stands = call.limits.standing if call else None
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


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a call goes no further, as an HTTP status, an error type and a sentence."""

    status: int
    kind: str
    message: str
    retry_after_s: int | None = None  # None: another try would fare no better
    refusal: Refusal | None = None  # by a limit or a budget


@dataclass(frozen=True, slots=True)
class _Body:
    facts: RequestFacts | None = None
    bytes: int = 0  # decoded
    repeats_model: bool = False


async def _caller_process(call: Call) -> None:
    """Waits until it is known which program calls. One that stays unknown shares the bucket of all calls without a
    repository."""
    if answer := call.connection.caller_process:
        await asyncio.wait([answer], timeout=_CALLER_S)


def _sent_overrides(call: Call) -> Mapping[str, str]:
    """Members of the body that the first target gets in place of the caller's."""
    fallbacks, index = call.attempts.fallbacks, call.attempts.fallback_index
    return fallbacks.entries[index].body if fallbacks and index is not None else {}


def _facts(call: Call, body: _Body | None) -> CallFacts:
    start, facts = call.asked.start, body.facts if body else None
    return CallFacts(
        user=start.user_id or (facts.user if facts else None),
        properties=start.properties,
        model=(facts.model if facts else None) or start.path_model,
        repository=process.repository if (process := call.connection.process) else None,
        key_hash=start.api_key_hash,
        helicone_key_hash=start.helicone_key_hash,
    )


def refusal_answer(call: Call, refused: Refused) -> http.Response:
    response = error_answer(call.attempts.route.provider, refused.status, refused.kind, refused.message)
    if refused.retry_after_s is not None:
        response.headers["retry-after"] = str(refused.retry_after_s)
    if refusal := refused.refusal:
        response.headers[controls.ERROR] = refusal.kind
        if not refusal.should_retry:
            response.headers[controls.SHOULD_RETRY] = "false"
    return response
