"""The store of answers: what it keeps, what it forgets, and what happens when something happens to its file."""

import os
import random
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from addon.caching.sqlite_store import SqliteCache
from addon.caching.store import CacheDown, storable_headers
from tests.caching.answers import NOW, SPAWN, answer, fill_slots, has, put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "cache.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteCache]:
    store = SqliteCache(path)
    yield store
    store.close()


def test_an_answer_comes_back_as_it_was(store: SqliteCache) -> None:
    assert put(store, "k")
    hit = store.get(["k"], NOW, lambda n: 0)
    assert hit is not None
    assert (hit.stored, hit.bucket_idx) == (answer(), 0)
    assert hit.stored.content_type == "text/event-stream"
    assert hit.stored.content_encoding is None
    assert not has(store, "other")
    assert store.troubles == 0


def test_looking_makes_no_file_and_storing_makes_a_private_one(store: SqliteCache, path: Path) -> None:
    assert not has(store, "k")
    assert store.stats().entries == 0
    assert store.clear(now=NOW) == 0
    assert not path.parent.exists()
    assert put(store, "k")
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert store.troubles == 0


def test_an_answer_outlives_the_process_and_expires(path: Path) -> None:
    first = SqliteCache(path)
    assert put(first, "k", max_age_s=60)
    first.close()
    second = SqliteCache(path)
    assert has(second, "k", now=NOW + 59.9)
    assert not has(second, "k", now=NOW + 60)
    second.close()


def test_nothing_is_stored_for_no_time_and_a_fresh_answer_is_never_replaced(store: SqliteCache) -> None:
    assert not put(store, "k", max_age_s=0)
    assert put(store, "k", answer("first"))
    assert not put(store, "k", answer("second"))
    hit = store.get(["k"], NOW, lambda n: 0)
    assert hit and hit.stored == answer("first")


def test_an_expired_answer_is_replaced(store: SqliteCache) -> None:
    assert put(store, "k", answer("first"), max_age_s=60)
    assert put(store, "k", answer("second"), now=NOW + 60)
    hit = store.get(["k"], NOW + 61, lambda n: 0)
    assert hit and hit.stored == answer("second")
    assert store.stats().entries == 1


def test_a_bucket_hits_only_when_every_slot_is_fresh_and_then_the_dice_choose(store: SqliteCache) -> None:
    keys = ["k0", "k1", "k2"]
    for number in range(3):
        assert not has(store, *keys)
        assert store.put(keys, answer(str(number)), now=NOW + number, max_age_s=60, seed=None)
    assert not store.put(keys, answer("3"), now=NOW + 3, max_age_s=60, seed=None)
    for index in range(3):
        hit = store.get(keys, NOW + 3, lambda n, index=index: index if n == 3 else -1)  # type: ignore[misc]
        assert hit and (hit.stored, hit.bucket_idx) == (answer(str(index)), index)
    dice = random.Random(1).randrange
    assert {hit.bucket_idx for _ in range(50) if (hit := store.get(keys, NOW + 3, dice))} == {0, 1, 2}
    assert not has(store, *keys, now=NOW + 60), "slots expire on their own: the first has"
    assert store.put(keys, answer("new"), now=NOW + 60, max_age_s=60, seed=None)
    hit = store.get(keys, NOW + 60.5, lambda n: 0)
    assert hit and hit.stored == answer("new")


def test_the_answer_given_longest_ago_goes_first(path: Path) -> None:
    store = SqliteCache(path, max_bytes=1_000_000)
    for number in range(8):
        assert put(store, f"k{number}", answer("x" * 100_000), now=NOW + number, max_age_s=1000)
    assert has(store, "k0", now=NOW + 10)
    for number in range(8, 12):
        assert put(store, f"k{number}", answer("x" * 100_000), now=NOW + 10 + number, max_age_s=1000)
    kept = {number for number in range(12) if has(store, f"k{number}", now=NOW + 50)}
    assert {0, 11} <= kept
    assert 1 not in kept
    assert kept == {0, *range(min(kept - {0}), 12)}
    store.close()


def test_the_file_stays_within_its_size_and_expired_answers_go_before_fresh_ones(path: Path) -> None:
    store = SqliteCache(path, max_bytes=1_000_000)
    assert put(store, "fresh", answer("x" * 100_000), now=NOW - 1, max_age_s=10_000)
    for number in range(200):
        assert put(store, f"k{number}", answer("x" * (number * 1000)), now=NOW + number * 10, max_age_s=10)
    assert has(store, "fresh", now=NOW + 2000)
    assert store.stats().bytes <= 1_000_000
    store.close()
    assert path.stat().st_size <= 1_100_000


def test_an_answer_that_would_fill_a_quarter_of_the_cache_is_not_stored(path: Path) -> None:
    store = SqliteCache(path, max_bytes=100_000)
    assert not put(store, "k", answer("x" * 25_001))
    assert store.troubles == 0


def test_what_was_used_is_known_after_a_restart(path: Path) -> None:
    first = SqliteCache(path, max_bytes=1_000_000)
    for number in range(8):
        assert put(first, f"k{number}", answer("x" * 100_000), now=NOW + number, max_age_s=1000)
    assert has(first, "k0", now=NOW + 10)
    first.close()
    second = SqliteCache(path, max_bytes=1_000_000)
    for number in range(8, 12):
        assert put(second, f"k{number}", answer("x" * 100_000), now=NOW + 10 + number, max_age_s=1000)
    assert has(second, "k0", now=NOW + 50)
    second.close()


def test_clear_removes_what_meets_every_condition_and_gives_the_space_back(store: SqliteCache, path: Path) -> None:
    def fill() -> None:
        for number, (seed, model) in enumerate([("a", "m"), ("a", "n"), (None, "m"), ("b", None)]):
            stored = answer("x" * 200_000, model=model)
            assert store.put([f"k{number}"], stored, now=NOW + number, max_age_s=60, seed=seed)

    fill()
    assert store.clear(now=NOW, seed="a", model="m") == 1
    assert store.clear(now=NOW, seed="a") == 1
    assert store.clear(now=NOW + 10, older_than_s=7.5) == 1
    assert has(store, "k3", now=NOW + 5)
    assert store.clear(now=NOW) == 1
    assert store.stats().entries == 0
    assert path.stat().st_size < 100_000
    fill()
    assert store.stats().entries == 4


def test_two_processes_fill_each_slot_once(store: SqliteCache, path: Path) -> None:
    keys = [f"k{number}" for number in range(12)]
    workers = [SPAWN.Process(target=fill_slots, args=(str(path), name, keys, 40)) for name in ("one", "other")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(worker.exitcode or 0 for worker in workers) == 12
    given = [hit.stored for index in range(12) if (hit := store.get(keys, NOW, lambda n, i=index: i))]  # type: ignore[misc]
    assert len({stored.chunks[0] for stored in given}) == 12


def test_another_process_sees_what_this_one_stores(store: SqliteCache, path: Path) -> None:
    assert put(store, "k0")
    worker = SPAWN.Process(target=fill_slots, args=(str(path), "other", ["k0", "k1"], 1))
    worker.start()
    worker.join()
    assert worker.exitcode == 1
    hit = store.get(["k1"], NOW, lambda n: 0)
    assert hit and hit.stored == answer("other 0")


def test_threads_share_a_store(store: SqliteCache) -> None:
    wrong: list[str] = []

    def work(name: int) -> None:
        for number in range(50):
            key = f"{name} {number}"
            put(store, key, answer(key))
            hit = store.get([key], NOW, lambda n: 0)
            if hit is None or hit.stored != answer(key):
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert store.troubles == 0


@pytest.mark.parametrize("pattern", ["cache.sqlite", "cache.sqlite*"])
def test_it_may_be_deleted_while_several_use_it(path: Path, pattern: str) -> None:
    first, second = SqliteCache(path), SqliteCache(path)
    for round_number in range(5):
        assert put(first, f"a{round_number}")
        assert has(second, f"a{round_number}")
        assert put(second, f"b{round_number}")
        for file in path.parent.glob(pattern):
            file.unlink()
        assert not has(first, f"a{round_number}")
        assert put(second, "new", answer(str(round_number)))
        hit = first.get(["new"], NOW, lambda n: 0)
        assert hit and hit.stored == answer(str(round_number))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.unlink()
    assert (first.troubles, second.troubles) == (0, 0)
    first.close()
    second.close()


def test_the_whole_folder_may_be_deleted(store: SqliteCache, path: Path) -> None:
    assert put(store, "k")
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    assert not has(store, "k")
    assert put(store, "k")
    assert has(store, "k")


@pytest.mark.parametrize("content", [b"", b"no database", b"x" * 100_000, b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_garbage_file_costs_one_miss_and_is_replaced(store: SqliteCache, path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert not has(store, "k")
    assert store.troubles == 1
    assert store.last_trouble
    assert "cache.sqlite" in store.last_trouble
    assert put(store, "k")
    assert has(store, "k")


def test_a_file_that_is_scribbled_over_never_gives_a_wrong_answer(path: Path) -> None:
    first = SqliteCache(path)
    for number in range(50):
        assert put(first, f"k{number}", answer(str(number) * 3000))
    first.close()
    original = path.read_bytes()
    dice = random.Random(7)
    with path.open("r+b") as file:
        for _ in range(200):
            file.seek(dice.randrange(4096, path.stat().st_size))
            file.write(b"9")
    store = SqliteCache(path)
    for number in range(50):
        hit = store.get([f"k{number}"], NOW, lambda n: 0)
        assert hit is None or hit.stored == answer(str(number) * 3000)
    assert store.troubles > 0
    store.close()

    path.write_bytes(original.replace(b"7777777777", b"7777077777"))
    for _ in range(2):
        assert not has(store, "k7")
    assert "k7 is not what was stored" in (store.last_trouble or "")
    assert put(store, "k7"), "the broken file has gone"
    assert has(store, "k7")
    store.close()


def test_a_database_of_another_shape_costs_one_miss_and_is_replaced(store: SqliteCache, path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.executescript("create table entries (something)")
    other.close()
    assert not has(store, "k")
    assert store.troubles == 1
    assert put(store, "k")
    assert has(store, "k")


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_side_files_may_be_deleted_as_well(path: Path, suffix: str) -> None:
    first, second = SqliteCache(path), SqliteCache(path)
    assert put(first, "k")
    assert has(second, "k")
    path.with_name(path.name + suffix).unlink()
    assert put(first, "l")
    assert has(second, "l")
    assert put(second, "m")
    assert has(first, "m")
    assert (first.troubles, second.troubles) == (0, 0)
    first.close()
    second.close()


def test_a_store_that_is_locked_still_reads_and_does_not_store(store: SqliteCache, path: Path) -> None:
    assert put(store, "k")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin exclusive")
    assert has(store, "k")
    assert not put(store, "l")
    assert store.troubles == 1
    assert "locked" in (store.last_trouble or "")
    other.execute("rollback")
    other.close()
    assert put(store, "l")


def test_a_store_held_by_one_alone_is_a_miss(path: Path) -> None:
    maker = SqliteCache(path)
    assert put(maker, "k")
    maker.close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("pragma locking_mode = exclusive")
    other.execute("update entries set seed = 'x'")
    store = SqliteCache(path)
    assert not has(store, "k")
    assert not put(store, "l")
    assert store.troubles == 2
    other.close()
    assert has(store, "k")
    store.close()


def test_a_folder_in_its_place_or_a_place_that_cannot_be_is_a_miss(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").mkdir()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "cache.sqlite", tmp_path / "file" / "cache.sqlite"):
        store = SqliteCache(path)
        assert not has(store, "k")
        assert not put(store, "k")
        assert store.troubles == 2
        with pytest.raises(CacheDown, match=r"cache\.sqlite"):
            store.stats()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux")
def test_no_file_is_left_open_by_files_that_come_and_go(store: SqliteCache, path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    assert put(store, "k")
    assert has(store, "k")
    before = open_files()
    for _ in range(20):
        path.unlink()
        assert put(store, "k")
        assert has(store, "k")
        path.write_bytes(b"garbage" * 1000)
        store.get(["k"], NOW, lambda n: 0)
        put(store, "k")
        assert put(store, "k") or has(store, "k")
    assert open_files() <= before + 2


def test_headers_of_one_connection_one_moment_or_one_caller_are_not_stored() -> None:
    headers = (
        (b"Content-Type", b"application/json"),
        (b"Connection", b"close, X-Hop"),
        (b"X-Hop", b"1"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Set-Cookie", b"secret=1"),
        (b"Date", b"now"),
        (b"Age", b"3"),
        (b"Helicone-Id", b"x"),
        (b"X-Request-Id", b"r"),
        (b"Content-Encoding", b"gzip"),
    )
    assert [name for name, _ in storable_headers(headers, b"helicone-")] == [
        b"Content-Type",
        b"X-Request-Id",
        b"Content-Encoding",
    ]
