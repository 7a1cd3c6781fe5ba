"""Charges limits and budgets with what a call used, once its row is made. Runs in the settler.

A call is charged before its row is written: dying in between it is settled again, and the store knows that it is
charged. The other way round the charge would be lost.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from addon.limits.policy import Policy
from addon.limits.redacted import redacted_facts
from addon.limits.rules import Budget, CallFacts, period_of
from addon.limits.store import NANOUSD_PER_CENT, BucketCharge, LimitLedger, Spend
from addon.limits.upper_bound import RateTable, rates_of
from addon.providers import registry
from addon.settling.recount import LOGGED, recount
from addon.storage.journal_lines import CallEnd, Charge
from addon.storage.record import RequestRow

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor

WAITING: Final = 10_000  # calls that wait to be charged while the store is down; of more, the first are dropped


@dataclass(frozen=True, slots=True)
class _Waiting:
    call_id: str
    charges: tuple[BucketCharge, ...]


class Charger:
    """Raises StoreDown where the store cannot be reached: rows do not wait for it, charges do."""

    def __init__(
        self,
        data: Path,
        store: LimitLedger,
        budgets: Sequence[Budget],
        say: Callable[[str], None],
        rates: RateTable | None = None,
        redactor: "Redactor | None" = None,
    ) -> None:
        self._data, self._store, self._budgets, self._say = data, store, budgets, say
        self._rates, self._redactor = rates or {}, redactor
        self._rates_written = False
        self._recount_due = False
        self._waiting: deque[_Waiting] = deque(maxlen=WAITING)
        self._charged: set[str] = set()  # their rows are not written yet
        self._settled: list[str] = []  # now they are

    def use(self, budgets: Sequence[Budget], rates: RateTable, redactor: "Redactor | None" = None) -> None:
        """Charges these budgets at these rates from now on; the store is made exact before the next charge."""
        self._rates, self._rates_written = rates, False
        self._recount_due = self._recount_due or tuple(budgets) != tuple(self._budgets) or redactor != self._redactor
        self._budgets, self._redactor = budgets, redactor

    def recount(self, now: float) -> None:
        """Recounts the budgets from the rows. Only between calls: a call that is charged must have its row."""
        if not self._budgets:
            return
        self._recount_due = True
        self._store.is_recounted()  # raises StoreDown before the lake is read
        self._write_rates()
        at = datetime.fromtimestamp(now, UTC)
        self._store.replace_spend(recount(self._data, self._budgets, at, self._say, self._as_stored), now)
        self._recount_due = False

    def _as_stored(self, facts: CallFacts) -> CallFacts:
        return redacted_facts(self._redactor, facts) if self._redactor else facts

    def charge(
        self, call_id: str, end: CallEnd | None, row: RequestRow, now: float, *, is_renamed: bool = False
    ) -> None:
        """Charges one call. May be repeated. `now` in epoch seconds; `is_renamed`: priced by a name in a header."""
        if not self._budgets and not (end and end.charges):
            return
        charges = bucket_charges(end.charges, row) if end else ()
        spends = spends_of(self._budgets, row)
        is_reserved = bool(end.charges if end else False) or (
            bool(self._budgets) and (end is None or end.rate_limit_status in ("allowed", "unchecked"))
        )
        if not charges and not spends and not is_reserved:
            return
        unpriced = self._unpriced(row, is_renamed)
        try:
            self.catch_up(now)
            if spends and not self._store.is_recounted():  # somebody removed the file: this one is new
                self.recount(now)
            self._write_rates()
            self._store.settle(call_id, charges, spends, now, self._settled, unpriced)
        except Exception:
            # Its row will be there when the budgets are recounted.
            self._recount_due = bool(self._budgets)
            self._waiting.append(_Waiting(call_id, charges))  # also without charges: what it holds must be let go
            raise
        self._charged.add(call_id)
        self._settled.clear()

    def _write_rates(self) -> None:
        if not self._rates_written:
            self._store.replace_rates(self._rates)
            self._rates_written = True

    def _unpriced(self, row: RequestRow, is_renamed: bool) -> tuple[Spend, ...] | None:
        """What the budgets are charged beyond the row's cost: where there is none, the tokens at the model's dearest price,
        and without tokens None: what was reserved. A name in a header makes a call no cheaper."""
        if row.attempts == 0 or row.cost_nanousd == 0 or (row.cost_nanousd is not None and not is_renamed):
            return ()
        if row.input_tokens is None or row.output_tokens is None:
            return None if row.cost_nanousd is None else ()
        provider = registry.by_name(row.provider_name)
        seller = provider if provider.name in self._rates else registry.seller_of(provider, row.request_model)
        rates = rates_of(self._rates, seller.name, row.request_model, has_price_list=seller.prices is not None)
        beyond = rates.cost_nanousd(row.input_tokens, row.output_tokens) - (row.cost_nanousd or 0)
        return spends_of(self._budgets, replace(row, cost_nanousd=max(0, beyond)))

    def settled(self, call_id: str) -> None:
        """The call's row is written: it will not be charged again."""
        if call_id in self._charged:
            self._charged.remove(call_id)
            self._settled.append(call_id)

    def catch_up(self, now: float) -> None:
        """Charges the calls that waited for the store."""
        if self._recount_due:
            self.recount(now)
        while self._waiting:
            self._store.settle(self._waiting[0].call_id, self._waiting[0].charges, (), now)
            self._waiting.popleft()

    def close(self) -> None:
        self._store.close()


class Chargers:
    """Charges several stores: this machine's own, and the one that a fleet shares. Where one is down, the others are
    charged first, and the failure is raised afterwards."""

    def __init__(self, chargers: Iterable[Charger]) -> None:
        self._chargers = tuple(chargers)

    def use(self, budgets: Sequence[Budget], rates: RateTable, redactor: "Redactor | None" = None) -> None:
        for charger in self._chargers:
            charger.use(budgets, rates, redactor)

    def recount(self, now: float) -> None:
        self._each(lambda charger: charger.recount(now))

    def charge(
        self, call_id: str, end: CallEnd | None, row: RequestRow, now: float, *, is_renamed: bool = False
    ) -> None:
        self._each(lambda charger: charger.charge(call_id, end, row, now, is_renamed=is_renamed))

    def settled(self, call_id: str) -> None:
        for charger in self._chargers:
            charger.settled(call_id)

    def catch_up(self, now: float) -> None:
        self._each(lambda charger: charger.catch_up(now))

    def close(self) -> None:
        for charger in self._chargers:
            charger.close()

    def _each(self, act: Callable[[Charger], None]) -> None:
        failure: Exception | None = None
        for charger in self._chargers:
            try:
                act(charger)
            except Exception as error:
                failure = failure or error
        if failure:
            raise failure


def bucket_charges(charges: Sequence[Charge], row: RequestRow) -> tuple[BucketCharge, ...]:
    """What a call takes from its buckets. A hit and a refused call take nothing; of one whose cost or usage is not known
    the amount is None, and what was reserved is taken."""
    if row.cache_status in ("hit", "coalesced") or row.attempts == 0:
        return ()
    used: dict[str, float | None] = {"cents": cents_of(row), "tokens": tokens_of(row)}
    return tuple(
        BucketCharge(
            charge.key,
            Policy(quota=Decimal(str(charge.quota)), window_s=charge.window_s, unit=charge.unit),
            used[charge.unit],
        )
        for charge in charges
        if used[charge.unit] != 0
    )


def spends_of(budgets: Sequence[Budget], row: RequestRow) -> tuple[Spend, ...]:
    """What a call costs which budgets, as `recount` will find it."""
    if not row.cost_nanousd:
        return ()
    facts = CallFacts(
        user=row.user_id,
        properties=row.properties,
        model=row.request_model,
        key_hash=row.api_key_hash,
        helicone_key_hash=row.helicone_key_hash,
    )
    return tuple(
        Spend(budget.key(facts), period_of(budget.period, row.started_at), row.cost_nanousd)
        for budget in budgets
        if budget.match.covers(facts) and not (budget.hard and row.mode == LOGGED)
    )


def cents_of(row: RequestRow) -> float | None:
    return None if row.cost_nanousd is None else row.cost_nanousd / NANOUSD_PER_CENT


def tokens_of(row: RequestRow) -> int | None:
    """Of a call that cost nothing (an error before generation) none, of one that nobody counted None."""
    if row.input_tokens is None and row.output_tokens is None:
        return 0 if row.cost_nanousd == 0 else None
    return (row.input_tokens or 0) + (row.output_tokens or 0)
