"""Cached answers in a real Redis."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from addon.caching.redis_store import RedisAnswers, RedisShelf
from addon.caching.store import Claimed, Hit, Stored
from addon.storage.redis_link import Link
from tests.caching.answers import answer
from tests.redis_server import RedisServer, needs_redis, running

pytestmark = needs_redis
KEY, OTHER = "a" * 64, "b" * 64
PATIENT_S = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.client().flushall()
    return server


@asynccontextmanager
async def answers(redis: RedisServer, prefix: str = "test", max_bytes: int = 2**30) -> AsyncIterator[RedisAnswers]:
    store = RedisAnswers(Link(redis.url, PATIENT_S), prefix, max_bytes)
    try:
        yield store
        assert store.troubles == 0
    finally:
        await store.close()


def play[T](story: Callable[[], Awaitable[T]]) -> T:
    async def told() -> T:
        return await story()

    return asyncio.run(told())


async def put(store: RedisAnswers, key: str = KEY, stored: Stored | None = None, **options: Any) -> bool:
    return await store.put([key], stored or answer(), now=0.0, max_age_s=options.pop("age", 600), seed=None, **options)


async def get(store: RedisAnswers, *keys: str) -> Stored | None:
    hit = await store.get(keys or (KEY,), 0.0, lambda n: n - 1)
    return hit.stored if hit else None


def large(text: str) -> Stored:
    return replace(answer(), chunks=(text.encode() * 1000, b"\x00\xff"), request_id=text)


def test_an_answer_comes_back_as_it_was_and_is_kept_compressed(redis: RedisServer) -> None:
    async def story() -> None:
        async with answers(redis) as store:
            assert await get(store) is None
            assert await put(store)
            assert await get(store) == answer()
            assert not await put(store, stored=answer("another")), "a fresh answer is not replaced"
            assert await put(store, OTHER, large("hello "))
            assert await get(store, OTHER) == large("hello ")
            noise = replace(answer(), chunks=(random.Random(1).randbytes(100_000),))
            assert await put(store, "c" * 64, noise)
            assert await get(store, "c" * 64) == noise

    play(story)
    shelf = RedisShelf(redis.url, "test")
    found = shelf.stats()
    assert (found.entries, found.bytes < 105_000) == (3, True)
    shelf.close()


def test_age_ends_an_answer(redis: RedisServer) -> None:
    async def story() -> None:
        async with answers(redis) as store:
            assert not await put(store, age=0)
            assert await put(store, age=0.05)
            await asyncio.sleep(0.1)
            assert await get(store) is None
            assert await put(store)

    play(story)


def test_a_bucket_hits_only_when_every_slot_is_fresh(redis: RedisServer) -> None:
    async def story() -> None:
        keys = [KEY, OTHER]
        async with answers(redis) as store:
            for text in ("one", "two"):
                assert await get(store, *keys) is None
                assert await store.put(keys, answer(text), now=0.0, max_age_s=60, seed=None)
            assert not await store.put(keys, answer("three"), now=0.0, max_age_s=60, seed=None)
            assert await get(store, *keys) == answer("two")

    play(story)


def test_the_least_recently_used_answers_make_room(redis: RedisServer) -> None:
    noise = random.Random(2)

    def some(name: int) -> Stored:
        return replace(answer(), chunks=(noise.randbytes(2000),), request_id=str(name))

    async def story() -> list[bool]:
        async with answers(redis, max_bytes=40_000) as store:
            assert not await put(store, "large", replace(answer(), chunks=(noise.randbytes(11_000),)))
            for name in range(40):
                assert await put(store, f"{name:064}", some(name))
                await store.get([f"{0:064}"], 2e9, lambda n: 0)
            return [await get(store, f"{name:064}") is not None for name in range(40)]

    there = play(story)
    assert there[0] and there[39] and not any(there[1:20])
    shelf = RedisShelf(redis.url, "test", 40_000)
    assert shelf.stats().bytes <= 40_000
    assert shelf.stats().entries == there.count(True)
    shelf.close()


def test_a_damaged_answer_is_a_miss_and_removed(redis: RedisServer) -> None:
    async def story() -> None:
        store = RedisAnswers(Link(redis.url, PATIENT_S), "test", 2**30)
        await put(store)
        (entry,) = redis.client().keys("*e:*")
        redis.client().hset(entry, "b", b"other")
        assert await get(store) is None
        assert store.troubles == 1
        assert not redis.client().exists(entry)
        await store.close()

    play(story)


def test_fleets_with_different_prefixes_share_nothing(redis: RedisServer) -> None:
    async def story() -> None:
        async with answers(redis, "one") as one, answers(redis, "two") as two:
            await put(one)
            assert await get(two) is None
            assert await two.claim(KEY, "x", 5, 0.0) == Claimed.OURS

    play(story)


def test_a_claim_is_one_process_until_it_is_released_or_ends(redis: RedisServer) -> None:
    async def story() -> None:
        async with answers(redis) as store:
            assert await store.claim(KEY, "a", 5, 0.0) == Claimed.OURS
            assert await store.claim(KEY, "b", 5, 0.0) == Claimed.THEIRS
            await store.release(KEY, "b")
            assert await store.is_claimed(KEY, 0.0)
            await store.release(KEY, "a")
            assert await store.claim(KEY, "b", 0.05, 0.0) == Claimed.OURS
            await asyncio.sleep(0.1)
            assert not await store.is_claimed(KEY, 0.0)
            await put(store)
            assert await store.claim(KEY, "b", 5, 0.0) == Claimed.STORED

    play(story)


def test_an_answer_or_the_claim_to_make_it_is_one_question(redis: RedisServer) -> None:
    async def story() -> None:
        async with answers(redis) as store:
            asked = redis.client().info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
            assert await store.get_or_claim(KEY, "a", 5, 0.0) is Claimed.OURS
            assert await store.get_or_claim(KEY, "b", 5, 0.0) is Claimed.THEIRS
            assert await store.get_or_claim(KEY, "a", 5, 0.0) is Claimed.OURS
            assert redis.client().info("commandstats")["cmdstat_evalsha"]["calls"] == asked + 3
            for length in (10, 300_000):  # the longer one is read in a thread
                await put(store, OTHER, replace(answer(), chunks=(b"x" * length,)))
                found = await store.get_or_claim(OTHER, "b", 5, 0.0)
                assert isinstance(found, Hit)
                assert found.stored.chunks == (b"x" * length,)
                redis.client().flushall()

    play(story)


def test_a_damaged_answer_is_dropped_and_made_anew(redis: RedisServer) -> None:
    async def story() -> None:
        store = RedisAnswers(Link(redis.url, PATIENT_S), "test", 2**30)
        await put(store)
        redis.client().hset(f"{{test:0}}:e:{KEY}", "b", b"something else")
        assert await store.get_or_claim(KEY, "a", 5, 0.0) is Claimed.OURS
        assert store.troubles == 1
        assert await get(store) is None
        await store.close()

    play(story)


def test_answers_are_cleared_and_forgotten_by_what_they_are(redis: RedisServer) -> None:
    async def story() -> None:
        async with answers(redis) as store:
            for name in range(4):
                stored = replace(answer(model=f"m{name % 2}"), request_id=f"call {name}")
                await store.put([f"{name:064}"], stored, now=0.0, max_age_s=60, seed="s" if name == 3 else None)

    play(story)
    shelf = RedisShelf(redis.url, "test")
    assert shelf.calls() == {f"call {name}" for name in range(4)}
    assert shelf.clear(now=2e9, seed="s", model="m0") == 0
    assert shelf.clear(now=2e9, seed="s", model="m1") == 1
    assert shelf.clear(now=0.0, older_than_s=10) == 0
    assert shelf.forget(["call 0", "call 9"]) == 1
    assert shelf.calls() == {"call 1", "call 2"}
    assert shelf.clear(now=2e9, older_than_s=10) == 2
    assert (shelf.stats().entries, shelf.stats().bytes) == (0, 0)
    shelf.close()
