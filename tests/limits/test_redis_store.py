"""Limits and budgets in a real Redis: the same decisions as those of the SQLite file."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from addon.limits.policy import Policy, parse_policy
from addon.limits.redis_store import RedisLedger, SharedGate
from addon.limits.sqlite_store import SqliteLimits
from addon.limits.store import RESERVED_S, BucketCharge, BudgetLine, Check, Reservation, Spend, Spent, Verdict
from addon.limits.upper_bound import UpperBound
from addon.storage.redis_link import Link
from tests.redis_server import RedisServer, needs_redis, running

pytestmark = needs_redis

NOW = 1_795_262_400.0
TEN = Check(key="k|global|request", policy=parse_policy("10;w=3600"))
PATIENT_S = 20.0  # the machine may be busy, and this is not about slow servers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.client().flushall()
    return server


@asynccontextmanager
async def gate(
    redis: RedisServer, folder: Path, machine: str = "here", timeout_s: float = PATIENT_S, **options: Any
) -> AsyncIterator[SharedGate]:
    local = SqliteLimits(folder / f"{machine}.sqlite", patience_s=30)
    opened = SharedGate(Link(redis.url, timeout_s), "test", machine, local, **options)
    try:
        yield opened
    finally:
        await opened.close()


def ledger(redis: RedisServer, machine: str = "here", **options: Any) -> RedisLedger:
    return RedisLedger(redis.url, "test", machine, timeout_s=30, **options)


def play[T](story: Callable[[], Awaitable[T]]) -> T:
    async def told() -> T:
        return await story()

    return asyncio.run(told())


def test_random_sequences_are_decided_as_by_the_sqlite_file(redis: RedisServer, tmp_path: Path) -> None:
    """Reserved amounts are multiples of 1/128 cent, so that the file's floating-point sums are exact as well."""

    async def story() -> None:
        for seed in range(8):
            redis.client().flushall()
            dice, sqlite = random.Random(seed), SqliteLimits(tmp_path / f"{seed}.sqlite")
            async with gate(redis, tmp_path, trusts_clocks=True) as shared:
                settler = ledger(redis, trusts_clocks=True)
                now = NOW
                under_way: list[tuple[float, Reservation, list[Check]]] = []
                for step in range(60):
                    now += dice.choice([0, 0.001, 1.5, 40, -2, -700, 3000, RESERVED_S + 1 if step % 20 == 19 else 7])
                    action = dice.random()
                    if action < 0.6:
                        checks, reservation = some_checks(dice), some_reservation(dice, f"{seed}-{step}")
                        ours = await shared.decide(checks, now, reservation)
                        assert ours == sqlite.decide(checks, now, reservation), (seed, step)
                        if reservation and ours.allowed:
                            under_way.append((now, reservation, checks))
                    elif under_way:
                        began, held, checks = under_way.pop(dice.randrange(len(under_way)))
                        if abs(now - began) > RESERVED_S - 1000:
                            continue  # a dead call: its reservations end by themselves
                        told = some_settlement(dice, held, checks)
                        for store in (settler, sqlite) * dice.choice([1, 1, 2]):  # a settler may repeat itself
                            store.settle(*told[:3], now, unpriced=told[3])
                assert settler.spent(LINES) == sqlite.spent(LINES)
                assert settler.contents(now).unpriced == sqlite.contents(now).unpriced
                settler.close()
            sqlite.close()

    play(story)


LINES = [("budget|day|", "2026-11-21"), ("budget|month|ann", "2026-11")]
POLICIES = [
    Policy(quota=5, window_s=60),  # type: ignore[arg-type]
    parse_policy("0.5;w=60"),
    parse_policy("7;w=3600;u=cents"),
    replace(parse_policy("900;w=60"), unit="tokens"),
]


def some_checks(dice: random.Random) -> list[Check]:
    chosen = dice.sample(range(len(POLICIES)), dice.randrange(4))
    return [
        Check(key=f"server|{which}|{dice.choice(['ann', 'bob'])}|{POLICIES[which].unit}", policy=POLICIES[which])
        for which in chosen
    ]


def some_reservation(dice: random.Random, call_id: str) -> Reservation | None:
    if dice.random() < 0.2:
        return None
    hard = [None, 50_000_000, 200_000_000]
    lines = tuple(BudgetLine(*line, dice.choice(hard)) for line in LINES if dice.random() < 0.5)
    bound = UpperBound(dice.choice([0, dice.randrange(1, 400)]) * 78_125, dice.randrange(500))
    return Reservation(call_id=call_id, budgets=lines, bound=bound)


def some_settlement(
    dice: random.Random, reservation: Reservation, checks: list[Check]
) -> tuple[str, list[BucketCharge], list[Spend], list[Spend] | None]:
    charges = [
        BucketCharge(check.key, check.policy, dice.choice([None, dice.randrange(1, 300) / 128]))
        for check in checks
        if check.policy.unit != "request"
    ]
    spends = [Spend(line.key, line.period, dice.randrange(1, 10**8)) for line in reservation.budgets]
    unpriced = dice.choice([None, [], [Spend(*LINES[0], dice.randrange(1, 10**7))]])
    return reservation.call_id, charges, spends, unpriced


def test_ten_of_a_thousand_parallel_calls_pass_over_four_proxies(redis: RedisServer, tmp_path: Path) -> None:
    async def story() -> tuple[list[Verdict], int]:
        async with AsyncExitStack() as open_gates:
            gates = [await open_gates.enter_async_context(gate(redis, tmp_path, f"proxy{n}")) for n in range(4)]
            verdicts = await asyncio.gather(*(gates[n % 4].decide([TEN], NOW) for n in range(1000)))
            return verdicts, max(each.proxies for each in gates)

    verdicts, proxies = play(story)
    assert [verdict.trouble for verdict in verdicts] == [None] * 1000
    assert sum(verdict.allowed for verdict in verdicts) == 10
    assert proxies == 4


def test_clocks_that_differ_by_an_hour_take_from_one_bucket(redis: RedisServer, tmp_path: Path) -> None:
    async def story() -> list[bool]:
        async with gate(redis, tmp_path, "a") as right, gate(redis, tmp_path, "b") as wrong:
            return [(await each.decide([TEN], now)).allowed for each, now in [(right, NOW), (wrong, NOW + 3600)] * 8]

    assert play(story).count(True) == 10


def test_a_flushed_redis_is_charged_again_by_each_machine(redis: RedisServer) -> None:
    line = ("budget|all|", "2026-11")
    here, there = ledger(redis, "here"), ledger(redis, "there")
    for store, cost in ((here, 100), (there, 20)):
        assert not store.is_recounted()
        store.replace_spend({line: cost}, NOW)
    here.settle("call", [], [Spend(*line, 3)], NOW)
    assert here.spent([line]) == [123]
    here.replace_spend({line: 103}, NOW)
    assert (here.spent([line]), there.is_recounted()) == ([123], True)
    here.settle("call", [], [Spend(*line, 3)], NOW)
    assert here.spent([line]) == [126], "a recount forgets who was charged: rows may be missing"
    redis.client().flushall()
    assert not here.is_recounted()
    here.replace_spend({line: 103}, NOW)
    there.replace_spend({line: 20}, NOW)
    assert there.spent([line]) == [123]
    here.close()
    there.close()


def test_what_belongs_to_a_person_is_forgotten(redis: RedisServer, tmp_path: Path) -> None:
    async def story() -> Verdict:
        checks = [
            Check(key=f"server|cents|{name}|cents", policy=parse_policy("9;w=60;u=cents")) for name in ("ann", "bob")
        ]
        lines = tuple(BudgetLine(f"budget|each|{name}", "2026-11", None) for name in ("ann", "bob"))
        async with gate(redis, tmp_path) as shared:
            return await shared.decide(checks, NOW, Reservation(call_id="c", budgets=lines, bound=UpperBound(1, 1)))

    assert play(story).spent == (Spent(0), Spent(0))
    store = ledger(redis)
    store.settle("d", [], [Spend("budget|each|ann", "2026-11", 5)], NOW)
    assert store.forget(["ann"]) == 2
    kept = b" ".join(
        key + b" " + b" ".join(cast(list[bytes], redis.client().hkeys(key)))
        for key in redis.client().scan_iter()
        if redis.client().type(key) == b"hash"
    )
    assert b"ann" not in kept
    assert b"bob" in kept
    store.close()
