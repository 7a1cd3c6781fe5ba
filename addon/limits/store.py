"""What a store of limits and budgets is asked, and what it answers. `sqlite_store.py` and `redis_store.py` are the stores.

The most that a call may cost is reserved in the decision that admits it, so that calls in quick succession do not all
pass before the first one is charged. `settle` replaces the reservation with the real cost.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from addon.limits.bucket import Bucket, Decision, charge, take
from addon.limits.policy import Policy
from addon.limits.upper_bound import RateTable, UpperBound

NANOUSD_PER_CENT: Final = 10_000_000
RETRY_AFTER_S: Final = 1.0  # a failed store is not used for this long; else each call would wait in vain
RESERVED_S: Final = 2 * 3600.0  # longer than any call lasts; older reservations are of calls that died without a trace
SOON_S: Final = 1.0  # the settler charges within a second, which frees what was reserved in excess
KEEP_CHARGED_S: Final = 30 * 86_400.0  # a settler that died between charge and row may be restarted that late


class StoreDown(Exception):
    """The store cannot decide: the file is locked, cannot be written, or is not ours. The message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One bucket that must allow a call."""

    key: str
    policy: Policy
    limit: str | None = None  # the operator's limit; None: the caller's own policy
    per: str = ""  # whose bucket it is, for the message of a refusal


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One budget that must allow a call."""

    key: str
    period: str
    hard_nanousd: int | None  # calls are refused once this much is spent and reserved; None: it only warns


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """The most that a call may use of its budgets and of its limits of money and tokens."""

    call_id: str
    budgets: tuple[BudgetLine, ...]
    bound: UpperBound


@dataclass(frozen=True, slots=True)
class Spent:
    """The spending of one budget."""

    nanousd: int
    reserved_nanousd: int = 0  # by calls under way


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The store's decision. `decisions` belong to the checks and `spent` to the budgets, in their order."""

    decisions: tuple[Decision, ...] = ()
    refused: int | None = None  # the first check that does not allow the call
    spent: tuple[Spent, ...] = ()
    trouble: str | None = (
        None  # why it is not exact: a shared store could not be asked, and this machine's share decided
    )

    @property
    def allowed(self) -> bool:
        return self.refused is None


@dataclass(frozen=True, slots=True)
class BucketCharge:
    """What one call used of one bucket, in the policy's unit."""

    key: str
    policy: Policy
    amount: float | None  # None: unknown, so the reservation is charged


@dataclass(frozen=True, slots=True)
class Spend:
    """What one call cost one budget."""

    budget_key: str
    period: str
    nanousd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that the store holds, for a person who asks. A bucket that is missing is full."""

    buckets: Mapping[str, Bucket] = field(default_factory=dict)
    reserved: Mapping[tuple[str, str], float] = field(default_factory=dict)  # by key and period, as the table has it
    unpriced: Mapping[tuple[str, str], int] = field(default_factory=dict)  # nano-USD by budget key and period


def decided(bucket: Bucket | None, held: float, check: Check, now: float) -> Decision:
    """The decision of one bucket. For money and tokens, what calls under way hold counts as used; in the bucket's unit."""
    decision = take(bucket, check.policy, now)
    if check.policy.unit == "request" or not decision.allowed or not held:
        return decision
    decision = take(charge(bucket, check.policy, now, held), check.policy, now)
    return decision if decision.allowed else replace(decision, wait_s=SOON_S)


class LimitGate(Protocol):
    """What a proxy asks for each call. Called on the event loop, so an answer from a network is awaited."""

    async def decide(self, checks: Sequence[Check], now: float, reservation: Reservation | None = None) -> Verdict:
        """Takes the call's share from all buckets and reserves what it may cost; takes nothing where a budget or a bucket
        refuses the call. A budget that is used up leaves `decisions` empty. `now` in epoch seconds. Raises StoreDown."""
        ...

    async def rates(self) -> RateTable:
        """The price list that the settler wrote; empty before that. Raises StoreDown."""
        ...

    async def close(self) -> None: ...


class LimitLedger(Protocol):
    """What the settler writes, and what a person asks or removes. May wait; every method raises StoreDown."""

    def settle(
        self,
        call_id: str,
        charges: Sequence[BucketCharge],
        spends: Sequence[Spend],
        now: float,
        settled: Sequence[str] = (),
        unpriced: Sequence[Spend] | None = (),
    ) -> None:
        """Replaces a call's reservations with charges. Repeating it charges no key twice.

        `unpriced`: charges of its budgets that its row does not show; None: charge what was reserved. `settled`: earlier
        calls that will not be repeated.
        """
        ...

    def replace_rates(self, table: RateTable) -> None:
        """Stores the price list for the proxies, which do not load it themselves."""
        ...

    def is_recounted(self) -> bool:
        """Whether the budgets of this data folder were ever recounted in this store."""
        ...

    def replace_spend(self, spend: Mapping[tuple[str, str], int], now: float) -> None:
        """Sets what the calls of this data folder spent, by (budget key, period), to what all rows written so far say.

        Some of the calls charged so far may have no row yet. They must be charged again, so their marks are removed, too.
        """
        ...

    def contents(self, now: float) -> Contents:
        """All that it holds. `now` in epoch seconds."""
        ...

    def forget(self, values: Collection[str]) -> int:
        """Removes the buckets and the spending that belong to these users or property values. Returns the number of keys."""
        ...

    def close(self) -> None: ...
