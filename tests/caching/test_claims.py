"""Identical calls of different processes: one makes the answer, the others wait for it. Each `Claims` here stands for a process."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from addon.caching.claims import LEASE_S, LONGEST_WAIT_S, RENEW_EVERY_S, Claim, Claims
from addon.caching.sqlite_store import LocalAnswers, SqliteCache
from addon.caching.store import Claimed, Hit
from tests.caching.answers import answer

KEY = "a" * 64
START = 1_800_000_000.0


class Clock:
    """Time passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[SqliteCache]:
    cache = SqliteCache(tmp_path / "cache.sqlite")
    yield cache
    cache.close()


@pytest.fixture
def store(cache: SqliteCache) -> LocalAnswers:
    return LocalAnswers(cache)


def process(store: LocalAnswers, clock: Clock) -> Claims:
    return Claims(store, clock, clock.sleep)


async def take(claims: Claims) -> Claim | Hit | None:
    """As a call does that no call of its process answers meanwhile."""
    found = await claims.look_up(KEY)
    return await claims.wait(KEY) if found is Claimed.THEIRS else found


def put(cache: SqliteCache, clock: Clock) -> None:
    assert cache.put((KEY,), answer(), now=clock(), max_age_s=600, seed=None)


async def settle(steps: int = 30) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


def test_the_second_process_waits_for_the_stored_answer_of_the_first(store: LocalAnswers, cache: SqliteCache) -> None:
    async def play() -> None:
        clock = Clock()
        ours, theirs = process(store, clock), process(store, clock)
        claim = await take(ours)
        assert isinstance(claim, Claim)
        waiting = asyncio.create_task(take(theirs))
        await settle(3)
        assert not waiting.done()
        put(cache, clock)
        claim.release()
        hit = await waiting
        assert isinstance(hit, Hit)
        assert hit.stored == answer()

    asyncio.run(play())


def test_a_call_of_the_process_that_has_the_claim_goes_on_and_finds_its_flight(store: LocalAnswers) -> None:
    async def play() -> None:
        ours = process(store, Clock())
        assert isinstance(await take(ours), Claim)
        assert await take(ours) is None

    asyncio.run(play())


def test_an_answer_that_was_stored_since_the_look_up_is_given(store: LocalAnswers, cache: SqliteCache) -> None:
    async def play() -> None:
        clock = Clock()
        put(cache, clock)
        assert isinstance(await take(process(store, clock)), Hit)

    asyncio.run(play())


def test_all_waiters_go_on_at_once_where_the_claim_ends_without_an_answer(store: LocalAnswers) -> None:
    async def play() -> None:
        clock = Clock()
        first, *others = (process(store, clock) for _ in range(4))
        claim = await take(first)
        assert isinstance(claim, Claim)
        waiting = [asyncio.create_task(take(other)) for other in others]
        await settle(3)
        claim.release()
        assert await asyncio.gather(*waiting) == [None] * 3
        assert clock() - START < LEASE_S

    asyncio.run(play())


def test_the_lease_of_a_dead_process_ends(store: LocalAnswers) -> None:
    async def play() -> None:
        clock = Clock()
        assert isinstance(await take(process(store, clock)), Claim)  # and is never heard of again
        assert await take(process(store, clock)) is None
        assert LEASE_S <= clock() - START < LEASE_S + 1

    asyncio.run(play())


def test_a_kept_claim_outlives_its_lease_and_the_wait_is_bounded_all_the_same(store: LocalAnswers) -> None:
    async def play() -> None:
        clock = Clock()
        ours = process(store, clock)
        claim = await take(ours)
        assert isinstance(claim, Claim)

        async def wait_while_kept() -> None:
            waited = asyncio.create_task(take(process(store, clock)))
            while not waited.done():
                await store.claim(KEY, ours.holder, LEASE_S, clock())  # as `keep` does, by this clock
                await asyncio.sleep(0)
            assert await waited is None

        await wait_while_kept()
        assert LONGEST_WAIT_S <= clock() - START < LONGEST_WAIT_S + 1

    asyncio.run(play())


def test_keeping_a_claim_renews_its_lease_and_releasing_it_ends_that(store: LocalAnswers) -> None:
    async def play() -> None:
        clock = Clock()
        claim = await take(process(store, clock))
        assert isinstance(claim, Claim)
        claim.keep()
        while clock() < START + 2 * LEASE_S:  # noqa: ASYNC110  time passes in the renewal's sleep
            await asyncio.sleep(0)
        assert await store.is_claimed(KEY, clock())
        claim.release()
        claim.release()
        await settle()
        assert not await store.is_claimed(KEY, clock())
        assert clock() < START + 2 * LEASE_S + 2 * RENEW_EVERY_S

    asyncio.run(play())


def test_only_the_holder_releases_a_claim(store: LocalAnswers) -> None:
    async def play() -> None:
        assert await store.claim(KEY, "a", LEASE_S, START) == Claimed.OURS
        await store.release(KEY, "b")
        assert await store.claim(KEY, "b", LEASE_S, START) == Claimed.THEIRS
        assert await store.claim(KEY, "a", LEASE_S, START + 1) == Claimed.OURS
        await store.release(KEY, "a")
        assert await store.claim(KEY, "b", LEASE_S, START + 1) == Claimed.OURS

    asyncio.run(play())
