"""`DATA/limits.sqlite`: what is left in each bucket, and what is spent of each budget. Shared by all processes.

A decision is one transaction, so of calls at the same moment exactly as many go as the quota has. The file may be
deleted while in use: a new one is made, buckets are full again, and the settler recounts the budgets.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from addon.limits.bucket import Bucket, Decision, charge, seconds_to_full, take
from addon.limits.policy import Policy

PATIENCE_S: Final = 0.1  # how long a decision waits for the file's lock: the proxy's loop waits with it
RETRY_AFTER_S: Final = 1.0  # a store that failed is left alone for so long, or each call would wait in vain
PRUNE_EVERY_S: Final = 3600.0
KEEP_CHARGED_S: Final = 30 * 86_400.0  # a settler that died between charge and row may come back that late
_SCHEMA: Final = (
    "create table if not exists buckets (key text primary key, tokens real not null, updated_at real not null,"
    " full_at real not null) without rowid",
    "create table if not exists spend (budget_key text, period text, nanousd integer not null,"
    " primary key (budget_key, period)) without rowid",
    # Calls that were charged and whose rows may not be written yet: a settler that comes back charges them no more.
    "create table if not exists charged (call_id text, key text, at real not null,"
    " primary key (call_id, key)) without rowid",
    "create table if not exists recounts (at real not null)",
)


class StoreDown(Exception):
    """No decision can be had: the file is locked, cannot be written, or is not ours. The message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One bucket that must allow a call."""

    key: str
    policy: Policy
    limit: str | None = None  # the operator's limit; None: the caller's own policy
    per: str = ""  # whose bucket it is, for the message of a refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the buckets say. `decisions` are those of the checks, in their order."""

    decisions: tuple[Decision, ...] = ()
    refused: int | None = None  # the first check that does not allow the call

    @property
    def allowed(self) -> bool:
        return self.refused is None


@dataclass(frozen=True, slots=True)
class BucketCharge:
    """What one call used of one bucket, in the policy's unit."""

    key: str
    policy: Policy
    amount: float


@dataclass(frozen=True, slots=True)
class Spend:
    """What one call cost one budget."""

    budget_key: str
    period: str
    nanousd: int


class LimitStore:
    """Opens the file when it is first needed. All methods may be called from any thread, and raise StoreDown."""

    def __init__(
        self, path: Path, *, patience_s: float = PATIENCE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self._patience_s, self._clock = patience_s, clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # device and inode of what is open
        self._failed: tuple[float, str] | None = None  # when, why
        self._prune_at = 0.0  # epoch seconds

    # The proxy's side

    def decide(self, checks: Sequence[Check], now: float) -> Verdict:
        """Takes the call's part from all buckets, or from none if one refuses. `now` in epoch seconds."""
        if not checks:
            return Verdict()
        with self._transaction() as connection:
            decisions = tuple(take(_read(connection, check.key), check.policy, now) for check in checks)
            refused = next((index for index, decision in enumerate(decisions) if not decision.allowed), None)
            if refused is None:
                for check, decision in zip(checks, decisions, strict=True):
                    if check.policy.unit == "request":  # the others are only looked at
                        _write(connection, check.key, check.policy, decision.bucket)
            self._prune(connection, now)
        return Verdict(decisions=decisions, refused=refused)

    def spent(self, keys: Sequence[tuple[str, str]]) -> list[int]:
        """Nano-USD spent of each (budget key, period)."""
        if not keys:
            return []
        with self._connected() as connection:
            return [_spent(connection, *key) for key in keys]

    # The settler's side

    def charge(
        self,
        call_id: str,
        charges: Sequence[BucketCharge],
        spends: Sequence[Spend],
        now: float,
        settled: Sequence[str] = (),
    ) -> None:
        """Charges a call, each key once however often it is repeated. `settled`: earlier calls that will not be."""
        with self._transaction() as connection:
            for item in charges:
                if _first_time(connection, call_id, item.key, now):
                    bucket = charge(_read(connection, item.key), item.policy, now, item.amount)
                    _write(connection, item.key, item.policy, bucket)
            for spend in spends:
                if _first_time(connection, call_id, spend.budget_key, now):
                    connection.execute(
                        "insert into spend values (?, ?, ?)"
                        " on conflict do update set nanousd = nanousd + excluded.nanousd",
                        (spend.budget_key, spend.period, spend.nanousd),
                    )
            connection.executemany("delete from charged where call_id = ?", [(name,) for name in settled])
            self._prune(connection, now)

    def is_recounted(self) -> bool:
        """Whether the budgets in this very file were ever recounted."""
        with self._connected() as connection:
            return connection.execute("select 1 from recounts").fetchone() is not None

    def replace_spend(self, spend: Mapping[tuple[str, str], int], now: float) -> None:
        """Sets what is spent, by (budget key, period), to what all rows written so far say.

        Of the calls charged so far some may have no row: they are to be charged again then, so their marks go too.
        """
        with self._transaction() as connection:
            connection.execute("delete from spend")
            connection.executemany("insert into spend values (?, ?, ?)", [(*key, cost) for key, cost in spend.items()])
            connection.execute("delete from charged where key glob 'budget|*'")
            connection.execute("delete from recounts")
            connection.execute("insert into recounts values (?)", (now,))

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    # The file

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as connection:
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                raise

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._failed and self._clock() - self._failed[0] < RETRY_AFTER_S:
                raise StoreDown(self._failed[1])
            try:
                yield self._open()
            except (sqlite3.Error, OSError) as error:
                reason = f"{self.path}: {error}"
                if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
                    reason += "; remove it, and a new one is made"
                self._failed = self._clock(), reason
                self._disconnect()
                raise StoreDown(reason) from error
            self._failed = None

    def _open(self) -> sqlite3.Connection:
        """The connection to the file that is there now. Raises sqlite3.Error, OSError."""
        if self._connection is not None:
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(self.path)  # noqa: PTH116 -- on every decision: a third of what Path.stat takes
                if self._file == (found.st_dev, found.st_ino):
                    return self._connection
            self._disconnect()
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        found = self.path.stat()
        connection = sqlite3.connect(
            self.path, timeout=self._patience_s, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._file = connection, (found.st_dev, found.st_ino)
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        give_up_at = self._clock() + self._patience_s
        while True:
            try:
                connection.execute("pragma journal_mode = wal")
                break
            except sqlite3.OperationalError:  # of two processes that make the file at once one is not made to wait
                if self._clock() >= give_up_at:
                    raise
                time.sleep(0.005)
        connection.execute("pragma synchronous = normal")  # a power cut may cost the last decisions, not the file
        if connection.execute("select count(*) from sqlite_schema where type = 'table'").fetchone()[0] < len(_SCHEMA):
            connection.execute("begin immediate")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("commit")

    def _disconnect(self) -> None:
        connection, self._connection, self._file = self._connection, None, None
        if connection is not None:
            connection.close()

    def _prune(self, connection: sqlite3.Connection, now: float) -> None:
        """A bucket that is full again is as good as none."""
        if now >= self._prune_at:
            connection.execute("delete from buckets where full_at < ?", (now,))
            connection.execute("delete from charged where at < ?", (now - KEEP_CHARGED_S,))
            self._prune_at = now + PRUNE_EVERY_S


def _read(connection: sqlite3.Connection, key: str) -> Bucket | None:
    found = connection.execute("select tokens, updated_at from buckets where key = ?", (key,)).fetchone()
    return Bucket(*found) if found else None


def _write(connection: sqlite3.Connection, key: str, policy: Policy, bucket: Bucket) -> None:
    full_at = bucket.updated_at + seconds_to_full(bucket, policy)
    connection.execute(
        "insert or replace into buckets values (?, ?, ?, ?)", (key, bucket.tokens, bucket.updated_at, full_at)
    )


def _spent(connection: sqlite3.Connection, budget_key: str, period: str) -> int:
    query = "select nanousd from spend where budget_key = ? and period = ?"
    found = connection.execute(query, (budget_key, period)).fetchone()
    return int(found[0]) if found else 0


def _first_time(connection: sqlite3.Connection, call_id: str, key: str, now: float) -> bool:
    return connection.execute("insert or ignore into charged values (?, ?, ?)", (call_id, key, now)).rowcount > 0
