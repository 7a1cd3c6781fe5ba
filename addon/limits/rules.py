"""The operator's rules, from heliograph.toml: limits and budgets that no caller can loosen. Pure.

What a rule depends on is in `CallFacts`, which a request gives (while it waits to be admitted) and a row gives as well
(when it is charged or recounted): both must come to the same keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from addon.limits.policy import Policy
from addon.wildcard import matches

Period = Literal["day", "month"]
BudgetState = Literal["ok", "warn", "over"]

ANONYMOUS: Final = "anonymous"
NANO: Final = 1_000_000_000
PROPERTY: Final = "property:"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """Who calls what. User and model are what the row will have: the header's or path's, else the body's."""

    user: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)  # lower-case names
    model: str | None = None  # as requested; None: not named, or the body is not parsed yet
    key_hash: str | None = None  # of the provider's key
    helicone_key_hash: str | None = None

    @property
    def scope(self) -> str:
        """Whose limits a caller's own policy is about."""
        return self.helicone_key_hash or self.key_hash or ANONYMOUS


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The calls that a rule is about: all that is set must be so."""

    user: str | None = None
    model: str | None = None  # `*` stands for anything; upper and lower case are one
    key_hash: str | None = None  # of the provider's key or of Helicone-Auth, as the rows have them
    properties: tuple[tuple[str, str], ...] = ()

    def covers(self, facts: CallFacts) -> bool:
        return (
            (self.user is None or self.user == facts.user)
            and (self.key_hash is None or self.key_hash in (facts.key_hash, facts.helicone_key_hash))
            and all(facts.properties.get(name) == value for name, value in self.properties)
            and (self.model is None or matches(self.model, facts.model or ""))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    name: str
    policy: Policy
    per: str = "all"  # all | key | user | model | property:<name>: each has a bucket of its own
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
    """Whose bucket or budget it is. Who leaves a name out shares with all who do: that must not be a way around.

    A key is the provider's, which has to be a good one; Helicone-Auth may be anything, a new one for each call too.
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
    return facts.properties.get(per.removeprefix(PROPERTY), "")


def storable(key: str) -> str:
    """Header bytes that are no UTF-8 as the rows have them: "?" each."""
    return key.encode("utf-8", "replace").decode()


def budget_state(budget: Budget, spent_nanousd: int) -> BudgetState:
    """Spent to the last cent is over: the next call would cost more."""
    whole = budget.usd * NANO
    if spent_nanousd >= whole:
        return "over"
    return "warn" if spent_nanousd >= whole * budget.warn_at else "ok"


def period_of(period: Period, at: datetime) -> str:
    """`2026-11-21` or `2026-11`, in UTC. The date of each day in a period begins with it."""
    day = at.astimezone(UTC).date().isoformat()
    return day if period == "day" else day[:7]


def period_end(period: Period, at: datetime) -> datetime:
    """When the next one begins, UTC."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return midnight + timedelta(days=1)
    return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
