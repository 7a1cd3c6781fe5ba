"""Which limits and budgets apply to a call. Pure: the result is what the store is asked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from addon.limits.policy import Policy
from addon.limits.rules import NANO, PROPERTY, Budget, CallFacts, Limit, period_of, storable
from addon.limits.store import BudgetLine, Check, Reservation
from addon.limits.upper_bound import UpperBound
from addon.storage.journal_lines import Charge


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDue:
    """A budget that the call is paid from."""

    budget: Budget
    key: str
    period: str  # `2026-11-21` or `2026-11`
    per: str  # whose budget it is, for messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The limits and budgets that must allow the call, and that it is charged to."""

    checks: tuple[Check, ...] = ()  # for LimitGate.decide: the operator's limits, then the caller's policy
    charges: tuple[Charge, ...] = ()  # for the closing line of the journal
    budgets: tuple[BudgetDue, ...] = ()
    policy: Policy | None = None  # the caller's, also if it does not apply
    warnings: tuple[str, ...] = ()

    @property
    def needs_bound(self) -> bool:
        """Whether the call's upper bound is to be reserved."""
        return bool(self.budgets or self.charges)

    def reservation(self, call_id: str, bound: UpperBound) -> Reservation:
        """For LimitGate.decide."""
        lines = (
            BudgetLine(due.key, due.period, math.ceil(due.budget.usd * NANO) if due.budget.hard else None)
            for due in self.budgets
        )
        return Reservation(call_id=call_id, budgets=tuple(lines), bound=bound)


def admission(
    facts: CallFacts, policy: Policy | None, limits: Sequence[Limit], budgets: Sequence[Budget], now: float
) -> Admission:
    """`policy` is the caller's own; `now` in epoch seconds.

    As long as the body is not parsed, the model (and a user that only the body names) is None: rules that match a model
    or user then leave the call out, rules per model or user take it to the bucket of all calls without one. So where
    `needs_body` says so, ask after the body was parsed, once: asking twice takes twice. A body without a model, or one
    that cannot be read, stays with None.
    """
    checks = [
        Check(key=limit.key(facts), policy=limit.policy, limit=limit.name, per=_whose(limit.per, facts))
        for limit in limits
        if limit.match.covers(facts)
    ]
    warnings = []
    if policy:
        own = _own_check(facts, policy)
        if own:
            checks.append(own)
        else:
            warnings.append(f"the rate limit is per {policy.segment}, and this request names none; it is not limited")
    at = datetime.fromtimestamp(now, UTC)
    return Admission(
        checks=tuple(checks),
        charges=tuple(
            Charge(
                key=check.key,
                unit=check.policy.unit,
                quota=float(check.policy.quota),
                window_s=check.policy.window_s,
            )
            for check in checks
            if check.policy.unit != "request"
        ),
        budgets=tuple(
            BudgetDue(
                budget=budget,
                key=budget.key(facts),
                period=period_of(budget.period, at),
                per=_whose(budget.per, facts),
            )
            for budget in budgets
            if budget.match.covers(facts)
        ),
        policy=policy,
        warnings=tuple(warnings),
    )


def needs_body(facts: CallFacts, policy: Policy | None, limits: Sequence[Limit], budgets: Sequence[Budget]) -> bool:
    """Whether the body must be parsed first: `facts` are those of headers and path, and a rule asks for more."""
    rules: list[Limit | Budget] = [*limits, *budgets]
    if budgets or (policy and policy.unit != "request") or any(limit.policy.unit != "request" for limit in limits):
        return True  # the body decides what the call may cost
    model = any(rule.per == "model" or rule.match.model is not None for rule in rules)
    user = any(rule.per == "user" or rule.match.user is not None for rule in rules)
    user = user or (policy is not None and policy.segment == "user")
    return (model and facts.model is None) or (user and facts.user is None)


def needs_repository(limits: Sequence[Limit], budgets: Sequence[Budget]) -> bool:
    """Whether a rule depends on the program that calls."""
    rules: list[Limit | Budget] = [*limits, *budgets]
    return any(rule.per == "repository" or rule.match.repository is not None for rule in rules)


def _own_check(facts: CallFacts, policy: Policy) -> Check | None:
    """The caller's policy; None where the request does not name what it is per. Quota and window are not part of the
    key, as in Helicone: a changed policy continues with what is left."""
    segment = policy.segment
    if segment is None:
        return Check(key=f"{facts.scope}|global|{policy.unit}", policy=policy, per=_whose("key", facts))
    value = facts.user if segment == "user" else facts.properties.get(segment)
    if not value:
        return None
    per = _whose(segment if segment == "user" else PROPERTY + segment, facts)
    return Check(key=storable(f"{facts.scope}|{segment}|{value}|{policy.unit}"), policy=policy, per=per)


def _whose(per: str, facts: CallFacts) -> str:
    if per == "all":
        return ""
    if per == "key":
        return " for this key"
    name = per.removeprefix(PROPERTY)
    value = (
        {"user": facts.user, "model": facts.model, "repository": facts.repository}.get(per)
        if name == per
        else facts.properties.get(name)
    )
    return f" for {name} {value!r}" if value else f" for calls without a {name}"
