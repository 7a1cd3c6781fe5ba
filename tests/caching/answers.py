"""Answers for the tests of the store, and a process of its own that stores some."""

import multiprocessing
import sys
from collections.abc import Sequence
from pathlib import Path

from addon.caching.sqlite_store import SqliteCache
from addon.caching.store import Stored

NOW = 1_800_000_000.0
SPAWN = multiprocessing.get_context("spawn")


def answer(text: str = "hello", model: str | None = "m") -> Stored:
    return Stored(
        status=200,
        headers=((b"content-type", b"text/event-stream"), (b"x-odd", b"\xff"), (b"x-odd", b"2")),
        chunks=(text.encode(), b"", b"\x00\xff", b"data: [DONE]\n\n"),
        latency_ms=120,
        request_id="018f0000-0000-7000-8000-000000000000",
        started_at_us=1_799_999_999_000_000,
        model=model,
    )


def put(store: SqliteCache, key: str, stored: Stored | None = None, now: float = NOW, max_age_s: float = 60) -> bool:
    return store.put([key], stored or answer(), now=now, max_age_s=max_age_s, seed=None)


def has(store: SqliteCache, *keys: str, now: float = NOW) -> bool:
    return store.get(keys, now, lambda n: 0) is not None


def fill_slots(path: str, name: str, keys: Sequence[str], tries: int) -> None:
    """In another process: tries to fill the slots; exits with how many it filled."""
    store = SqliteCache(Path(path))
    filled = 0
    for number in range(tries):
        troubles = store.troubles
        filled += store.put(keys, answer(f"{name} {number}"), now=NOW, max_age_s=60, seed=None)
        if store.troubles > troubles and "locked" not in (store.last_trouble or ""):
            sys.exit(99)
    store.close()
    sys.exit(filled)
