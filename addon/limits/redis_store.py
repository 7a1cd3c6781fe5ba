"""Limits and budgets that several proxies share, in Redis. The scripts are in `redis_scripts.py`.

A proxy that cannot ask Redis decides by its machine's share in `limits.sqlite`: each quota divided by the number of proxies
that asked lately, each budget likewise, against what this machine's own calls spent.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from addon.limits.bucket import Bucket
from addon.limits.policy import LEAST_QUOTA, Policy
from addon.limits.redis_scripts import CORRECT, DECIDE, FORGET, SETTLE
from addon.limits.rules import belongs_to
from addon.limits.sqlite_store import SqliteLimits
from addon.limits.store import (
    NANOUSD_PER_CENT,
    RETRY_AFTER_S,
    BucketCharge,
    BudgetLine,
    Check,
    Contents,
    Reservation,
    Spend,
    Spent,
    StoreDown,
    Verdict,
    decided,
)
from addon.limits.upper_bound import RateTable
from addon.storage.lua import Script
from addon.storage.redis_clients import open_sync, place_of, why
from addon.storage.redis_link import Link, LinkDown

if TYPE_CHECKING:
    from addon.storage.redis_clients import SyncClient

_MOST_AT_ONCE: Final = 500  # keys in one question: Redis serves nobody else meanwhile
_EXACT: Final = 2**53  # Lua's numbers are doubles
SETTLE_PATIENCE_S: Final = 2.0  # of the settler and of commands, which may wait


def tag(prefix: str) -> str:
    """The key that names the server of all limits, and begins all their keys."""
    return f"{{{prefix}}}:"


class SharedGate:
    """The limits of all proxies; of this machine alone while Redis cannot be asked."""

    def __init__(
        self, link: Link, prefix: str, machine: str, local: SqliteLimits, *, trusts_clocks: bool = False
    ) -> None:
        """`machine` names this data folder. `trusts_clocks`: `now` of `decide` counts, in place of the server's time."""
        self.proxies = 1  # that asked lately
        self._link, self._tag, self._machine, self._local = link, tag(prefix), machine, local
        self._trusts_clocks = trusts_clocks

    async def decide(self, checks: Sequence[Check], now: float, reservation: Reservation | None = None) -> Verdict:
        if not checks and reservation is None:
            return Verdict()
        values = [repr(now) if self._trusts_clocks else "", *_question(self._machine, checks, reservation)]
        try:
            answer = await self._link.run(DECIDE, self._tag + "-", values)
        except LinkDown as error:
            verdict = self._local.decide(self._shares(checks), now, self._share(reservation))
            return replace(verdict, trouble=str(error))
        verdict, self.proxies = _verdict(answer, checks, reservation)
        return verdict

    async def rates(self) -> RateTable:
        return self._local.rates()

    async def close(self) -> None:
        await self._link.close()
        self._local.close()

    def _shares(self, checks: Sequence[Check]) -> list[Check]:
        return [replace(check, policy=self._of(check.policy)) for check in checks]

    def _of(self, policy: Policy) -> Policy:
        return replace(policy, quota=max(LEAST_QUOTA, policy.quota / self.proxies))

    def _share(self, reservation: Reservation | None) -> Reservation | None:
        if reservation is None:
            return None
        lines = (
            replace(line, hard_nanousd=None if line.hard_nanousd is None else line.hard_nanousd // self.proxies)
            for line in reservation.budgets
        )
        return replace(reservation, budgets=tuple(lines))


class RedisLedger:
    """The settler's and a person's side. Every method raises StoreDown; after a failure each does so for a second, unasked."""

    def __init__(
        self,
        url: str,
        prefix: str,
        machine: str,
        *,
        timeout_s: float = SETTLE_PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        trusts_clocks: bool = False,
    ) -> None:
        """Raises RedisMissing, ValueError."""
        self._place, self._timeout_s, self._clock = place_of(url), timeout_s, clock
        self._client: SyncClient = open_sync(url, timeout_s)
        self._tag, self._machine, self._trusts_clocks = tag(prefix), machine, trusts_clocks
        self._failed: tuple[float, str] | None = None

    def settle(
        self,
        call_id: str,
        charges: Sequence[BucketCharge],
        spends: Sequence[Spend],
        now: float,
        settled: Sequence[str] = (),
        unpriced: Sequence[Spend] | None = (),
    ) -> None:
        values: list[Any] = [self._machine, call_id, len(charges)]
        for item in charges:
            amount = "" if item.amount is None else repr(float(item.amount))
            values += [*_policy(item.key, item.policy), amount]
        values += [len(spends), *_spends(spends)]
        values += [-1] if unpriced is None else [len(unpriced), *_spends(unpriced)]
        self._run(SETTLE, [repr(now) if self._trusts_clocks else "", *values, *settled])

    def replace_rates(self, table: RateTable) -> None:
        """The settler of each machine writes them into its own `limits.sqlite`, where the proxy reads them."""

    def is_recounted(self) -> bool:
        return bool(self._ask(lambda client: client.hexists(self._tag + "recounted", self._machine)))

    def replace_spend(self, spend: Mapping[tuple[str, str], int], now: float) -> None:
        """The spending of other machines stays. Only this machine's settler writes these numbers, so the differences hold."""
        own = self._named("spends", lambda pipe, name: pipe.hget(f"{self._tag}s:{name}", f"spent@{self._machine}"))
        before = {name: int(nanousd) for name, nanousd in own}
        wanted = {f"{period}:{key}": nanousd for (key, period), nanousd in spend.items()}
        changes = {name: wanted.get(name, 0) - before.get(name, 0) for name in {*before, *wanted}}
        for some in batched([item for item in changes.items() if item[1]], _MOST_AT_ONCE):
            values = [part for name, change in some for part in (*_key_and_period(name), change)]
            self._run(CORRECT, ["", self._machine, *values])
        for call in self._members(f"charged@{self._machine}"):
            self._unmark(f"{self._tag}c:{call}")
        self._ask(lambda client: client.hset(self._tag + "recounted", self._machine, repr(now)))

    def _unmark(self, call_key: str) -> None:
        fields = [_text(field) for field in self._ask(lambda client: client.hkeys(call_key))]
        if marks := [field for field in fields if field.startswith("d:budget|")]:
            self._ask(lambda client: client.hdel(call_key, *marks))

    def contents(self, now: float) -> Contents:
        buckets: dict[str, Bucket] = {}
        keys = list(map(_text, self._ask(lambda client: client.zrange(self._tag + "buckets", 0, -1))))
        found = self._each(keys, lambda pipe, key: pipe.hmget(f"{self._tag}b:{key}", "t", "u"))
        for key, (tokens, updated_at) in zip(keys, found, strict=True):
            if tokens is not None:
                buckets[key] = Bucket(float(tokens), float(updated_at))
        reserved, unpriced = {}, {}
        for name, held in self._named("held", lambda pipe, name: pipe.get(f"{self._tag}h:{name}")):
            key, period = _key_and_period(name)
            reserved[key, period] = int(held) / NANOUSD_PER_CENT if key.endswith("|cents") and not period else int(held)
        for name, cost in self._named("spends", lambda pipe, name: pipe.hget(f"{self._tag}s:{name}", "unpriced")):
            unpriced[_key_and_period(name)] = int(cost)
        return Contents(buckets=buckets, reserved=reserved, unpriced=unpriced)

    def _named(self, index: str, read: Callable[[Any, str], Any]) -> Iterator[tuple[str, bytes]]:
        names = self._members(index)
        for name, value in zip(names, self._each(names, read), strict=True):
            if value is not None:
                yield name, value

    def _members(self, index: str) -> list[str]:
        return list(map(_text, self._ask(lambda client: client.smembers(self._tag + index))))

    def spent(self, keys: Sequence[tuple[str, str]]) -> list[int]:
        """Nano-USD spent of each (budget key, period), without reservations."""
        names = [f"{period}:{key}" for key, period in keys]
        found = self._each(names, lambda pipe, name: pipe.hmget(f"{self._tag}s:{name}", "spent", "unpriced"))
        return [int(spent or 0) + int(unpriced or 0) for spent, unpriced in found]

    def forget(self, values: Collection[str]) -> int:
        def is_theirs(key: str) -> bool:
            return any(belongs_to(key, value) for value in values)

        buckets = self._ask(lambda client: client.zrange(self._tag + "buckets", 0, -1))
        keys = [key for key in map(_text, buckets) if is_theirs(key)]
        names = [
            name for index in ("spends", "held") for name in self._members(index) if is_theirs(_key_and_period(name)[0])
        ]
        self._run(FORGET, ["", len(keys), *keys, len(names), *names])
        return len({*keys, *(_key_and_period(name)[0] for name in names)} | self._forget_calls(is_theirs))

    def _forget_calls(self, is_theirs: Callable[[str], bool]) -> set[str]:
        """What calls under way hold, and marks of calls that were charged: both name the bucket or budget."""
        gone: set[str] = set()
        for key in self._ask(lambda client: list(client.scan_iter(match=f"{self._tag}c:*", count=_MOST_AT_ONCE))):
            gone |= self._forget_fields(key, is_theirs)
        return gone

    def _forget_fields(self, call_key: bytes, is_theirs: Callable[[str], bool]) -> set[str]:
        fields = {field: _bucket_of(_text(field)) for field in self._ask(lambda client: client.hkeys(call_key))}
        if theirs := {field: key for field, key in fields.items() if is_theirs(key)}:
            self._ask(lambda client: client.hdel(call_key, *theirs))
        return set(theirs.values())

    def close(self) -> None:
        self._client.close()

    def _run(self, script: Script, values: list[Any]) -> Any:
        return self._ask(lambda client: script.run_and_wait(client, self._tag + "-", values))

    def _each(self, names: Sequence[str], read: Callable[[Any, str], Any]) -> list[Any]:
        def run(client: "SyncClient", some: Sequence[str]) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            for name in some:
                read(pipe, name)
            return list(pipe.execute())

        return [found for some in batched(names, _MOST_AT_ONCE) for found in self._ask(partial(run, some=some))]

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        import redis.exceptions as errors

        if self._failed and self._clock() - self._failed[0] < RETRY_AFTER_S:
            raise StoreDown(self._failed[1])
        try:
            answer = question(self._client)
        except (errors.RedisError, OSError) as error:
            self._failed = self._clock(), why(error, self._place, self._timeout_s)
            raise StoreDown(self._failed[1]) from error
        self._failed = None
        return answer


def _question(machine: str, checks: Sequence[Check], reservation: Reservation | None) -> list[Any]:
    """The arguments of DECIDE after the time."""
    if reservation is None:
        values: list[Any] = [machine, "", 0, 0, 0]
    else:
        bound, lines = reservation.bound, reservation.budgets
        values = [machine, reservation.call_id, min(bound.nanousd, _EXACT), min(bound.tokens, _EXACT), len(lines)]
        for line in lines:
            values += [line.key, line.period, "" if line.hard_nanousd is None else line.hard_nanousd]
    values.append(len(checks))
    for check in checks:
        values += _policy(check.key, check.policy)
    return values


def _verdict(answer: list[Any], checks: Sequence[Check], reservation: Reservation | None) -> tuple[Verdict, int]:
    """The script's decision, told as the SQLite store tells it, and the number of proxies."""
    now, proxies = float(answer[0]), max(1, int(answer[1]))
    lines: tuple[BudgetLine, ...] = reservation.budgets if reservation else ()
    of_budgets = batched(answer[2 : 2 + 3 * len(lines)], 3)
    spent = tuple(Spent(int(cost) + int(unpriced), int(held)) for cost, unpriced, held in of_budgets)
    found = answer[2 + 3 * len(lines) :]
    if not found:  # a budget refuses, or there are no checks
        return Verdict(spent=spent), proxies
    decisions = tuple(
        decided(Bucket(float(tokens), float(updated)) if tokens else None, _held(held, check), check, now)
        for check, (tokens, updated, held) in zip(checks, batched(found, 3), strict=True)
    )
    refused = next((index for index, decision in enumerate(decisions) if not decision.allowed), None)
    return Verdict(decisions=decisions, refused=refused, spent=spent), proxies


def _held(held: bytes, check: Check) -> float:
    return int(held) / NANOUSD_PER_CENT if check.policy.unit == "cents" else float(int(held))


def _policy(key: str, policy: Policy) -> list[Any]:
    return [key, policy.unit, repr(float(policy.quota)), policy.window_s]


def _spends(spends: Sequence[Spend]) -> list[Any]:
    return [part for spend in spends for part in (spend.budget_key, spend.period, spend.nanousd)]


def _key_and_period(name: str) -> tuple[str, str]:
    period, _, key = name.partition(":")
    return key, period


def _bucket_of(field: str) -> str:
    """The key in a field of a call: `d:KEY` or `r:PERIOD:KEY`."""
    kind, _, rest = field.partition(":")
    return rest if kind == "d" else rest.partition(":")[2]


def _text(value: bytes) -> str:
    return value.decode()
