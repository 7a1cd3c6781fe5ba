"""The store of cached answers: one SQLite file, DATA/cache.sqlite.

The file can be deleted at any time; a broken one is replaced. Every answer is checked against its checksum when it is read.
While the store is down, each call is a miss, and `troubles` counts it.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Literal

import orjson

from addon.caching.form import checksum, head_of, stored_of
from addon.caching.store import CacheDown, CacheStats, Claimed, Hit, Stored
from addon.storage.folders import make_folder
from addon.storage.sqlite import Broken, SqliteFile, erase_deleted, transaction

# An eviction deletes this share of the cache at once: some 10 ms for 32 MiB. Smaller batches would come too often.
_EVICT_SHARE: Final = 32
_LARGEST_SHARE: Final = 4  # one answer takes a quarter of the cache at most

_TELL_EVERY_S: Final = 60.0

# A hit and a store take well under a millisecond. A call that would wait longer for another process goes on uncached.
_BUSY_S: Final = 0.05

_VERSION: Final = 1
_SCHEMA: Final = """
create table if not exists entries (
    id integer primary key,
    key text not null unique,
    stored_at real not null,  -- epoch seconds, as are the next two
    expires_at real not null,
    last_used real not null,
    size integer not null,    -- bytes of head and body
    seed text,
    model text,
    crc integer not null,     -- of key, head and body
    head blob not null,       -- JSON
    body blob not null        -- all chunks
);
create index if not exists by_use on entries (last_used, size);
create index if not exists by_expiry on entries (expires_at);
-- Answers that processes are making at this moment.
create table if not exists claims (key text primary key, holder text not null, expires_at real not null) without rowid;
"""


class SqliteCache:
    """May be used by several threads and processes at once. `get` and `put` never raise.

    In one process they take turns: a `get` waits for a running `put`, usually a fraction of a millisecond. A `put` that
    has to make room takes some 10 ms, so it belongs in a thread.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int = 2**30,
        on_trouble: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_trouble` is called at most once a minute, in any thread."""
        self.path, self.max_bytes = path, max_bytes
        self._on_trouble, self._clock = on_trouble, clock
        self._tell_again_at = 0.0
        self.troubles = 0
        self.last_trouble: str | None = None
        self._database = SqliteFile(
            path, _SCHEMA, version=_VERSION, busy_s=_BUSY_S, synchronous="off", replace_broken=True
        )
        self._used: dict[str, float] = {}  # key -> time of its last hit; written with the next `put`

    def get(self, keys: Sequence[str], now: float, dice: Callable[[int], int]) -> Hit | None:
        """An answer, if every slot of the bucket has a fresh one; `dice(n)` picks a slot, 0 to n - 1."""
        try:
            with self._database.connection() as connection:
                fresh = f"select count(*) from entries where expires_at > ? and key in ({_marks(keys)})"
                if len(keys) > 1 and connection.execute(fresh, (now, *keys)).fetchone()[0] < len(keys):
                    return None
                index = dice(len(keys))
                one = "select crc, head, body from entries where key = ? and expires_at > ?"
                row = connection.execute(one, (keys[index], now)).fetchone()
                if row is None:
                    return None
                crc, head, body = row
                if checksum(keys[index], head, body) != crc:
                    raise Broken(f"the answer under {keys[index]} is not what was stored")
                stored = stored_of(head, body)
        except FileNotFoundError:
            return None
        except (sqlite3.Error, OSError, Broken) as error:
            self._note(error)
            return None
        self._used[keys[index]] = now
        return Hit(stored, index)

    def put(self, keys: Sequence[str], stored: Stored, *, now: float, max_age_s: float, seed: str | None) -> bool:
        """Fills the first slot that is free or has expired. False: none is, or the answer cannot be stored."""
        if max_age_s <= 0:
            return False
        try:
            head, body = head_of(stored), b"".join(stored.chunks)
            size = len(head) + len(body)
            if size > self.max_bytes // _LARGEST_SHARE:
                return False
            make_folder(self.path.parent)
            with self._database.connection(create=True) as connection, transaction(connection):
                fresh = f"select key from entries where expires_at > ? and key in ({_marks(keys)})"
                taken = {key for (key,) in connection.execute(fresh, (now, *keys))}
                key = next((key for key in keys if key not in taken), None)
                if key is None:
                    return False
                self._write_uses(connection)
                self._make_room(connection, size, now)
                connection.execute(
                    "insert or replace into entries"
                    " (key, stored_at, expires_at, last_used, size, seed, model, crc, head, body)"
                    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (key, now, now + max_age_s, now, size, seed, stored.model, checksum(key, head, body), head, body),
                )
            return True
        except (sqlite3.Error, OSError, ValueError, orjson.JSONEncodeError) as error:
            self._note(error)
            return False

    def claim(self, key: str, holder: str, lease_s: float, now: float) -> Claimed:
        """See AnswerStore. Never raises."""
        try:
            make_folder(self.path.parent)
            with self._database.connection(create=True) as connection, transaction(connection):
                stored = "select 1 from entries where key = ? and expires_at > ?"
                if connection.execute(stored, (key, now)).fetchone():
                    return Claimed.STORED
                taken = connection.execute(
                    "insert into claims values (?, ?, ?) on conflict do update"
                    " set holder = excluded.holder, expires_at = excluded.expires_at"
                    " where holder = excluded.holder or expires_at <= ?",
                    (key, holder, now + lease_s, now),
                ).rowcount
            return Claimed.OURS if taken else Claimed.THEIRS
        except (sqlite3.Error, OSError) as error:
            self._note(error)
            return Claimed.OURS

    def is_claimed(self, key: str, now: float) -> bool:
        """Never raises."""
        try:
            with self._database.connection() as connection:
                one = "select 1 from claims where key = ? and expires_at > ?"
                return connection.execute(one, (key, now)).fetchone() is not None
        except FileNotFoundError:
            return False
        except (sqlite3.Error, OSError) as error:
            self._note(error)
            return False

    def release(self, key: str, holder: str) -> None:
        """Never raises. A claim that stays because of trouble ends with its lease."""
        try:
            with self._database.connection() as connection:
                connection.execute("delete from claims where key = ? and holder = ?", (key, holder))
        except FileNotFoundError:
            pass  # and its claims are gone with it
        except (sqlite3.Error, OSError) as error:
            self._note(error)

    def stats(self) -> CacheStats:
        """Raises CacheDown."""
        try:
            with self._administering() as connection:
                entries, oldest, newest = connection.execute(
                    "select count(*), min(stored_at), max(stored_at) from entries"
                ).fetchone()
                return CacheStats(entries, _bytes_in_use(connection), self.max_bytes, oldest, newest)
        except FileNotFoundError:
            return CacheStats(0, 0, self.max_bytes, None, None)

    def clear(
        self, *, now: float, seed: str | None = None, model: str | None = None, older_than_s: float | None = None
    ) -> int:
        """Removes the answers that meet every given condition; without a condition, all. Returns how many. Raises CacheDown."""
        before = None if older_than_s is None else now - older_than_s
        try:
            with self._administering() as connection:
                removed = connection.execute(
                    "delete from entries where (:seed is null or seed = :seed) and (:model is null or model = :model)"
                    " and (:before is null or stored_at < :before)",
                    {"seed": seed, "model": model, "before": before},
                ).rowcount
                connection.execute("pragma incremental_vacuum").fetchall()  # frees space on the disk
                connection.execute("pragma wal_checkpoint(truncate)").fetchall()
                return removed
        except FileNotFoundError:
            return 0

    def calls(self) -> set[str]:
        """The request ids of the calls whose answers are stored. Raises CacheDown."""
        try:
            with self._administering() as connection:
                return {request_id for _, request_id in _entries(connection)}
        except FileNotFoundError:
            return set()

    def forget(self, request_ids: Collection[str]) -> int:
        """Removes the answers of these calls without a trace in the file. Returns how many. Raises CacheDown."""
        try:
            with self._administering() as connection:
                found = [(entry,) for entry, request_id in _entries(connection) if request_id in request_ids]
                connection.executemany("delete from entries where id = ?", found)
                erase_deleted(connection)
                return len(found)
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Writes the times of the last hits and closes the file. The next use opens it again."""
        try:
            if self._used:
                with self._database.connection() as connection, transaction(connection):
                    self._write_uses(connection)
        except FileNotFoundError:
            pass  # no file, so no entries to update
        except (sqlite3.Error, OSError) as error:
            self._note(error)
        self._database.close()

    @contextmanager
    def _administering(self) -> Iterator[sqlite3.Connection]:
        """For the `cache` command: waits long for locks. Raises CacheDown, FileNotFoundError where there is no store yet."""
        try:
            with self._database.connection(patient=True) as connection:
                yield connection
        except FileNotFoundError:
            raise
        except (sqlite3.Error, OSError) as error:
            raise CacheDown(f"{self.path}: {error}; try again, or delete the file: it is only a cache") from error

    def _write_uses(self, connection: sqlite3.Connection) -> None:
        """A write for each hit would cost more than the hit, so the times are collected and written with the next `put`."""
        used, self._used = self._used, {}
        connection.executemany(
            "update entries set last_used = max(last_used, ?) where key = ?",
            [(at, key) for key, at in list(used.items())],
        )

    def _make_room(self, connection: sqlite3.Connection, size: int, now: float) -> None:
        """Removes expired answers, then the least recently used ones, a batch at a time, so that it is rarely needed."""
        excess = _bytes_in_use(connection) + size - self.max_bytes
        if excess <= 0:
            return
        before = _bytes_in_use(connection)
        connection.execute("delete from entries where expires_at <= ?", (now,))
        excess -= before - _bytes_in_use(connection)
        if excess <= 0:
            return
        excess = max(excess, self.max_bytes // _EVICT_SHARE)
        doomed = []
        with closing(connection.execute("select id, size from entries order by last_used, id")) as oldest:
            for entry, its_size in oldest:
                doomed.append((entry,))
                excess -= its_size
                if excess <= 0:
                    break
        connection.executemany("delete from entries where id = ?", doomed)

    def _note(self, error: Exception) -> None:
        self.troubles += 1
        self.last_trouble = f"{self.path}: {error}"
        if (now := self._clock()) >= self._tell_again_at:
            self._tell_again_at = now + _TELL_EVERY_S
            self._on_trouble(f"the cache cannot be used: {self.last_trouble}; calls go on without it")


class LocalAnswers:
    """The cache of this machine alone. A look-up takes well under a millisecond, on the event loop; storing may have to make
    room, so a thread does it."""

    def __init__(self, store: SqliteCache) -> None:
        self._store = store

    @property
    def troubles(self) -> int:
        return self._store.troubles

    async def get(self, keys: Sequence[str], now: float, dice: Callable[[int], int]) -> Hit | None:
        return self._store.get(keys, now, dice)

    async def put(self, keys: Sequence[str], stored: Stored, *, now: float, max_age_s: float, seed: str | None) -> bool:
        return await asyncio.to_thread(self._store.put, keys, stored, now=now, max_age_s=max_age_s, seed=seed)

    async def get_or_claim(
        self, key: str, holder: str, lease_s: float, now: float
    ) -> Hit | Literal[Claimed.OURS, Claimed.THEIRS]:
        if hit := self._store.get([key], now, lambda _: 0):
            return hit
        claimed = self._store.claim(key, holder, lease_s, now)
        if claimed is not Claimed.STORED:
            return claimed
        # It was stored in between; if it is broken, or deleted again, this call makes it.
        return self._store.get([key], now, lambda _: 0) or Claimed.OURS

    async def claim(self, key: str, holder: str, lease_s: float, now: float) -> Claimed:
        return self._store.claim(key, holder, lease_s, now)

    async def is_claimed(self, key: str, now: float) -> bool:
        return self._store.is_claimed(key, now)

    async def release(self, key: str, holder: str) -> None:
        self._store.release(key, holder)

    async def close(self) -> None:
        self._store.close()


def _entries(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """The number of each entry, and the id of the call that it answers."""
    return connection.execute("select id, cast(head as text) ->> 'request_id' from entries").fetchall()


def _bytes_in_use(connection: sqlite3.Connection) -> int:
    """Bytes used in the file. Freed pages do not count: they are used again before the file grows."""
    pages, free, size = (
        connection.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _marks(keys: Sequence[str]) -> str:
    return ",".join("?" * len(keys))
