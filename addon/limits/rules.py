"""The operator's rules, from heliograph.toml: limits and budgets that no caller can loosen. Pure.

A rule depends only on `CallFacts`. They are made from a request (to admit it) and from a row (to charge or recount it);
both must give the same keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, get_args

from addon.limits.policy import Policy, Unit
from addon.wildcard import matches

Period = Literal["day", "month"]
BudgetState = Literal["ok", "warn", "over"]

ANONYMOUS: Final = "anonymous"
NANO: Final = 1_000_000_000
PROPERTY: Final = "property:"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What the rules look at. User and model are those of the row: from the header or path, else from the body."""

    user: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)  # lower-case names
    model: str | None = None  # as requested; None: not named, or the body is not parsed yet
    repository: str | None = None  # git repository of the program that called, on this machine
    key_hash: str | None = None  # of the provider's key
    helicone_key_hash: str | None = None

    @property
    def scope(self) -> str:
        """The key whose calls share a caller's own policy."""
        return self.helicone_key_hash or self.key_hash or ANONYMOUS


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The calls that a rule applies to: every condition that is set must hold."""

    user: str | None = None
    repository: str | None = None
    model: str | None = None  # `*` stands for anything; upper and lower case are one
    key_hash: str | None = None  # of the provider's key or of Helicone-Auth, as the rows have them
    properties: tuple[tuple[str, str], ...] = ()

    def covers(self, facts: CallFacts) -> bool:
        return (
            (self.user is None or self.user == facts.user)
            and (self.repository is None or self.repository == facts.repository)
            and (self.key_hash is None or self.key_hash in (facts.key_hash, facts.helicone_key_hash))
            and all(facts.properties.get(name) == value for name, value in self.properties)
            and (self.model is None or matches(self.model, facts.model or ""))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    name: str
    policy: Policy
    per: str = "all"  # all | key | user | model | repository | property:<name>: each has a bucket of its own
    match: Match = Match()

    def key(self, facts: CallFacts) -> str:
        return storable(f"server|{self.name}|{per_value(self.per, facts)}|{self.policy.unit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    name: str
    usd: Decimal
    period: Period  # of UTC
    per: str = "all"
    match: Match = Match()
    warn_at: Decimal = Decimal("0.8")  # share of `usd`
    hard: bool = True  # refuse calls once it is spent; else warn only

    def key(self, facts: CallFacts) -> str:
        return storable(f"budget|{self.name}|{per_value(self.per, facts)}")


def per_value(per: str, facts: CallFacts) -> str:
    """The user, key, model, repository or property value that a bucket or budget belongs to. All calls that leave the name out share one
    bucket, so leaving it out does not avoid the limit.

    `key` is the provider's key, which must be valid. Helicone-Auth can be any text, even a new one for each call.
    """
    match per:
        case "all":
            return ""
        case "key":
            return facts.key_hash or ANONYMOUS
        case "user":
            return facts.user or ""
        case "model":
            return (facts.model or "").lower()
        case "repository":
            return facts.repository or ""
    return facts.properties.get(per.removeprefix(PROPERTY), "")


def storable(key: str) -> str:
    """Replaces header bytes that are not UTF-8 with "?", as in the rows."""
    return key.encode("utf-8", "replace").decode()


def belongs_to(key: str, value: str) -> bool:
    """Whether a bucket or budget is that of this user, property value, ...: the last part of its key, before the unit."""
    named, _, unit = key.rpartition("|")
    of_budget = key.startswith(("budget|", "unpriced|budget|"))
    return (key if of_budget or unit not in get_args(Unit) else named).endswith(f"|{storable(value)}")


def budget_state(budget: Budget, spent_nanousd: int) -> BudgetState:
    """A budget that is spent exactly is over: the next call would exceed it."""
    whole = budget.usd * NANO
    if spent_nanousd >= whole:
        return "over"
    return "warn" if spent_nanousd >= whole * budget.warn_at else "ok"


def period_of(period: Period, at: datetime) -> str:
    """`2026-11-21` or `2026-11`, in UTC. The date of each day in a period begins with it."""
    day = at.astimezone(UTC).date().isoformat()
    return day if period == "day" else day[:7]


def period_begin(period: Period, at: datetime) -> datetime:
    """When the one that `at` is in began, UTC."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if period == "day" else midnight.replace(day=1)


def period_end(period: Period, at: datetime) -> datetime:
    """When the next one begins, UTC."""
    begin = period_begin(period, at)
    return begin + timedelta(days=1) if period == "day" else (begin + timedelta(days=32)).replace(day=1)
