"""How long calls are kept: `[retention]` in heliograph.toml. Pure.

A call of a day is kept for so many whole days after that day, in UTC. The first rule that fits a call and names a time
decides; the time for all other calls comes last. Bodies are kept no longer than the row of their call.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kept = Literal["requests", "bodies"]
KEPT: Final[tuple[Kept, ...]] = ("requests", "bodies")

UNIT_DAYS: Final = {"d": 1, "w": 7, "y": 365}
ALLOWED: Final = 'write days, weeks or years: "30d", "8w", "2y"'
MONTH_DAYS: Final = 31  # the longest period of a budget


def parse_days(text: str) -> int:
    """Whole days of `30d`, `8w` or `2y` (730 days). Raises ValueError that says what is allowed."""
    found = re.fullmatch(r"([0-9]{1,5})([a-z]+)", text)
    if found is None or found[2] not in UNIT_DAYS:
        raise ValueError(f"{text!r} is not a time that calls can be kept for; {ALLOWED}")
    if (days := int(found[1]) * UNIT_DAYS[found[2]]) == 0:
        raise ValueError(f"{text!r} would delete every call when its day is over; the shortest time is 1d")
    return days


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`None` as a time: a later rule decides."""

    provider: str | None = None  # None: any
    properties: tuple[tuple[str, str], ...] = ()  # all of them, names in lower case
    requests_days: int | None = None
    bodies_days: int | None = None

    @property
    def fits_all(self) -> bool:
        return self.provider is None and not self.properties

    def days(self, kept: Kept) -> int | None:
        return self.requests_days if kept == "requests" else self.bodies_days

    def __str__(self) -> str:
        parts = [f"provider {self.provider}"] if self.provider else []
        parts += [f"{name} = {value}" for name, value in self.properties]
        times = [f"{kept} {days:,} d" for kept in ("requests", "bodies") if (days := self.days(kept)) is not None]
        return f"{' and '.join(parts) or 'all'}: {', '.join(times)}"


@dataclass(frozen=True, slots=True)
class Retention:
    """`rules` in the order in which they decide; none: everything is kept."""

    rules: tuple[Rule, ...] = ()

    def expired(self, kept: Kept, age_days: int) -> list[tuple[Rule, bool]]:
        """Each rule that decides on rows of that age, and whether they go; the first that fits a call counts."""
        return [(rule, days < age_days) for rule in self.rules if (days := rule.days(kept)) is not None]

    def verdicts(self, age_days: int) -> str | None:
        """What the rules say of a day of that age, as a text that changes when they say something else; None: all of it stays."""
        found = [self.expired(kept, age_days) for kept in KEPT]
        if not any(is_expired for rules in found for _, is_expired in rules):
            return None
        told = repr([[(str(rule), is_expired) for rule, is_expired in rules] for rules in found])
        return hashlib.sha256(told.encode()).hexdigest()

    def property_names(self) -> set[str]:
        return {name for rule in self.rules for name, _ in rule.properties}


def too_short_for_budgets(retention: Retention, periods: Mapping[str, str]) -> str | None:
    """What is wrong where rows would go before the end of a budget that is counted from them. `periods` by budget."""
    monthly = next((name for name, period in periods.items() if period == "month"), None)
    short = min((rule.requests_days for rule in retention.rules if rule.requests_days is not None), default=MONTH_DAYS)
    if monthly is None or short >= MONTH_DAYS:
        return None
    return (
        f"{short}d is shorter than the month of the budget {monthly!r}, which is counted from the rows; keep requests for"
        f" {MONTH_DAYS}d or more (bodies may go earlier)"
    )
