"""What the caller gets of the limits' verdict: a refusal, and the state of the limit. Pure.

A refusal has the facts and the message; the hook writes them in the error format of the called provider.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal

from addon.limits.admission import Admission, BudgetDue
from addon.limits.bucket import ROUNDING, Decision
from addon.limits.policy import Policy
from addon.limits.rules import NANO, budget_state, period_end
from addon.limits.store import Check, Spent, Verdict

# SDKs sleep for as long as Retry-After says. Up to a minute that is useful; longer, the program seems to hang.
LEAST_RETRY_S, LONGEST_SLEEP_S = 1, 60
_UNITS: Final = {"request": "requests", "cents": "cents", "tokens": "tokens"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state of a limit after this call, for the answer's headers. None: that header is left out."""

    policy: str
    limit: str | None = None
    remaining: int | None = None
    reset_s: int | None = None  # until all of the quota is there again


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The 429 of a call that is not let through."""

    kind: Literal["rate_limited", "budget_exceeded"]
    message: str
    retry_after_s: int  # at least 1: when the limit really opens again
    standing: Standing | None = None
    hard: bool = False  # the stop of a budget

    @property
    def should_retry(self) -> bool:
        """Whether an SDK may wait and try again by itself."""
        return not self.hard and self.retry_after_s <= LONGEST_SLEEP_S


def standing(admission: Admission, verdict: Verdict) -> Standing | None:
    """The state of the limit that refuses the call; else of the caller's policy; else of the limit with the least left."""
    pairs = list(zip(admission.checks, verdict.decisions, strict=True))
    if verdict.refused is not None:
        return _standing(*pairs[verdict.refused])
    if admission.policy:
        own = [pair for pair in pairs if pair[0].limit is None]
        return _standing(*own[0]) if own else Standing(policy=str(admission.policy))
    if not pairs:
        return None
    return _standing(*min(pairs, key=lambda pair: pair[1].remaining / float(pair[0].policy.quota)))


def limit_refusal(admission: Admission, verdict: Verdict) -> Refusal | None:
    """The refusal by the first check that does not allow the call."""
    if verdict.refused is None:
        return None
    check, decision = admission.checks[verdict.refused], verdict.decisions[verdict.refused]
    policy = check.policy
    whose = f"limit {check.limit!r} of this proxy" if check.limit is not None else "the policy that this request sent"
    return Refusal(
        kind="rate_limited",
        message=f"{_quota(policy)}{check.per} are used up; the next call may go in "
        f"{_retry_after_s(decision.wait_s)} s ({whose}: {policy})",
        retry_after_s=_retry_after_s(decision.wait_s),
        standing=_standing(check, decision),
    )


def judge_budgets(admission: Admission, spent: Sequence[Spent], now: float) -> tuple[Refusal | None, tuple[str, ...]]:
    """(the refusal by the first hard budget that is used up, warnings of the others). `spent` as LimitGate.decide gives
    it; `now` in epoch seconds."""
    refusal, warnings = None, []
    at = datetime.fromtimestamp(now, UTC)
    for due, used_up in zip(admission.budgets, spent, strict=True):
        budget, nanousd = due.budget, used_up.nanousd
        state = budget_state(budget, nanousd)
        if state != "over" and budget.hard and budget_state(budget, nanousd + used_up.reserved_nanousd) == "over":
            refusal = refusal or _reserved_refusal(due, used_up)
        if state == "ok":
            continue
        used = f"{_usd(Decimal(nanousd) / NANO)} of {_usd(budget.usd)} USD a {budget.period}"
        words = f"budget {budget.name!r}{due.per}: {used} are spent"
        if state == "warn" or not budget.hard:
            warnings.append(words)
        elif refusal is None:
            end = period_end(budget.period, at)
            refusal = Refusal(
                kind="budget_exceeded",
                message=f"{words}; calls are refused until {end:%Y-%m-%d %H:%M} UTC, "
                "unless the budget is raised in heliograph.toml",
                retry_after_s=_retry_after_s((end - at).total_seconds()),
                hard=True,
            )
    return refusal, tuple(warnings)


def _reserved_refusal(due: BudgetDue, spent: Spent) -> Refusal:
    """For a budget whose rest is reserved by calls under way. What they really cost is known soon."""
    return Refusal(
        kind="budget_exceeded",
        message=f"budget {due.budget.name!r}{due.per}: {_usd(Decimal(spent.nanousd) / NANO)} of {_usd(due.budget.usd)} USD "
        f"a {due.budget.period} are spent, and calls under way may cost the rest; try again when they have ended",
        retry_after_s=LEAST_RETRY_S,
    )


def closed_refusal(reason: str) -> Refusal:
    """For a store that is down, where the settings say `fail_closed`."""
    return Refusal(
        kind="rate_limited",
        message=f"this proxy cannot check its limits and is set to refuse calls then ({reason})",
        retry_after_s=LEAST_RETRY_S,
    )


def _standing(check: Check, decision: Decision) -> Standing:
    return Standing(
        policy=str(check.policy),
        limit=check.policy.limit,
        remaining=decision.remaining,
        reset_s=decision.reset_s if decision.reset_s > 0 else None,
    )


def _quota(policy: Policy) -> str:
    return f"{policy.limit} {_UNITS[policy.unit]} per {policy.window_s} s"


def _retry_after_s(seconds: float) -> int:
    return max(LEAST_RETRY_S, math.ceil(seconds - ROUNDING))


def _usd(amount: Decimal) -> str:
    """At least cents; of a smaller amount its first two digits: 5.00, 0.000021."""
    decimals = max(2, 1 - amount.adjusted()) if amount else 2
    text = f"{amount:.{min(decimals, 9)}f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
