"""`DATA/limits.sqlite`: the content of each bucket and the spending of each budget. Shared by all processes of this machine.

A decision is one transaction, so a quota is exact also for simultaneous calls. The file may be deleted while it is in use:
a new one is made, buckets are full again, and the settler recounts the budgets.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from addon.limits.bucket import Bucket, Decision, charge, seconds_to_full
from addon.limits.policy import Policy
from addon.limits.rules import belongs_to
from addon.limits.store import (
    KEEP_CHARGED_S,
    NANOUSD_PER_CENT,
    RESERVED_S,
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
from addon.limits.upper_bound import Rates, RateTable
from addon.storage.sqlite import SqliteFile, erase_deleted, is_broken, transaction

PATIENCE_S: Final = 0.1  # for the file's lock: the event loop is blocked meanwhile
PRUNE_EVERY_S: Final = 3600.0
KEEP_UNPRICED_S: Final = 40 * 86_400.0  # the longest period, and some days
_SCHEMA: Final = """
create table if not exists buckets (
    key text primary key, tokens real not null, updated_at real not null, full_at real not null
) without rowid;
create table if not exists spend (
    budget_key text, period text, nanousd integer not null, primary key (budget_key, period)
) without rowid;
-- Calls that are charged, and whose rows may not be written yet: a settler that starts again must not charge them twice.
create table if not exists charged (call_id text, key text, at real not null, primary key (call_id, key)) without rowid;
create table if not exists recounts (at real not null);
-- Reservations of calls under way. The period is '' for buckets; the amount is in nano-USD for budgets, else in the
-- bucket's unit.
create table if not exists reserved (
    call_id text, key text, period text, amount real not null, expires_at real not null,
    primary key (call_id, key, period)
) without rowid;
create index if not exists reserved_by_key on reserved (key, period, amount);
-- Spent by calls whose rows do not have that cost, so that no recount finds it.
create table if not exists unpriced (
    budget_key text, period text, nanousd integer not null, at real not null, primary key (budget_key, period)
) without rowid;
create table if not exists rates (
    provider text, model text, input_nanousd integer not null, output_nanousd integer not null,
    primary key (provider, model)
) without rowid;
"""


_KEYED: Final = (
    ("buckets", "key"),
    ("spend", "budget_key"),
    ("charged", "key"),
    ("reserved", "key"),
    ("unpriced", "budget_key"),
)


class SqliteLimits:
    """Opens the file when it is first needed. All methods may be called from any thread, and raise StoreDown."""

    def __init__(
        self, path: Path, *, patience_s: float = PATIENCE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        # A power cut may cost the last decisions.
        self._file = SqliteFile(path, _SCHEMA, busy_s=patience_s, synchronous="normal")
        self._failed: tuple[float, str] | None = None  # when, why
        self._prune_at = 0.0  # epoch seconds

    # The proxy's side

    def decide(self, checks: Sequence[Check], now: float, reservation: Reservation | None = None) -> Verdict:
        """Takes the call's share from all buckets and reserves what it may cost; takes nothing where a budget or a bucket
        refuses the call. A budget that is used up leaves `decisions` empty. `now` in epoch seconds."""
        if not checks and reservation is None:
            return Verdict()
        with self._transaction() as connection:
            lines = reservation.budgets if reservation else ()
            spent = tuple(
                Spent(_spent(connection, line.key, line.period), int(_reserved(connection, line.key, line.period, now)))
                for line in lines
            )
            if any(_is_over(line, each) for line, each in zip(lines, spent, strict=True)):
                return Verdict(spent=spent)
            decisions = tuple(_decision(connection, check, now) for check in checks)
            refused = next((index for index, decision in enumerate(decisions) if not decision.allowed), None)
            if refused is None:
                for check, decision in zip(checks, decisions, strict=True):
                    if check.policy.unit == "request":  # money and tokens are charged after the call
                        _write(connection, check.key, check.policy, decision.bucket)
                if reservation:
                    _reserve(connection, reservation, checks, now)
            self._prune(connection, now)
        return Verdict(decisions=decisions, refused=refused, spent=spent)

    def spent(self, keys: Sequence[tuple[str, str]]) -> list[int]:
        """Nano-USD spent of each (budget key, period), without reservations."""
        if not keys:
            return []
        with self._connected() as connection:
            return [_spent(connection, *key) for key in keys]

    def rates(self) -> RateTable:
        """The price list that the settler wrote; empty before that."""
        table: dict[str, dict[str, Rates]] = {}
        with self._connected() as connection:
            for provider, model, *rates in connection.execute("select * from rates"):
                table.setdefault(provider, {})[model] = Rates(*rates)
        return table

    # A person's side

    def contents(self, now: float) -> Contents:
        """What it holds; nothing where there is no file, which is not made. `now` in epoch seconds."""
        if not self.path.exists():
            return Contents()
        sums = "select key, period, sum(amount) from reserved where expires_at >= ? group by key, period"
        with self._connected() as connection:
            buckets = {
                key: Bucket(*row) for key, *row in connection.execute("select key, tokens, updated_at from buckets")
            }
            reserved = {(key, period): amount for key, period, amount in connection.execute(sums, (now,))}
            unpriced = connection.execute("select budget_key, period, nanousd from unpriced").fetchall()
        return Contents(
            buckets=buckets, reserved=reserved, unpriced={(key, period): cost for key, period, cost in unpriced}
        )

    def forget(self, values: Collection[str]) -> int:
        """Removes the buckets and the spending that belong to these users or property values, without a trace in the file.
        Returns the number of keys. Makes no file."""
        if not self.path.exists():
            return 0
        with self._connected() as connection:
            with transaction(connection):
                keys = {
                    key
                    for table, column in _KEYED
                    for (key,) in connection.execute(f"select distinct {column} from {table}")
                    if any(belongs_to(key, value) for value in values)
                }
                for table, column in _KEYED:
                    connection.executemany(f"delete from {table} where {column} = ?", [(key,) for key in keys])
            erase_deleted(connection)
        return len(keys)

    # The settler's side

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
        with self._transaction() as connection:
            for item in charges:
                if _first_time(connection, call_id, item.key, now):
                    amount = item.amount
                    if amount is None:
                        amount = _reserved_by(connection, call_id).get((item.key, ""), 0.0)
                    bucket = charge(_read(connection, item.key), item.policy, now, amount)
                    _write(connection, item.key, item.policy, bucket)
            for spend in spends:
                if _first_time(connection, call_id, spend.budget_key, now):
                    connection.execute(
                        "insert into spend values (?, ?, ?)"
                        " on conflict do update set nanousd = nanousd + excluded.nanousd",
                        (spend.budget_key, spend.period, spend.nanousd),
                    )
            if unpriced is None:
                held = _reserved_by(connection, call_id)
                unpriced = [Spend(key, period, int(amount)) for (key, period), amount in held.items() if period]
            for spend in unpriced:
                if _first_time(connection, call_id, f"unpriced|{spend.budget_key}", now):
                    connection.execute(
                        "insert into unpriced values (?, ?, ?, ?)"
                        " on conflict do update set nanousd = nanousd + excluded.nanousd, at = excluded.at",
                        (spend.budget_key, spend.period, spend.nanousd, now),
                    )
            connection.execute("delete from reserved where call_id = ?", (call_id,))
            connection.executemany("delete from charged where call_id = ?", [(name,) for name in settled])
            self._prune(connection, now)

    def replace_rates(self, table: RateTable) -> None:
        """Stores the price list for the proxies, which do not load it themselves."""
        rows = [
            (provider, model, rates.input_nanousd, rates.output_nanousd)
            for provider, models in table.items()
            for model, rates in models.items()
        ]
        with self._transaction() as connection:
            connection.execute("delete from rates")
            connection.executemany("insert into rates values (?, ?, ?, ?)", rows)

    def is_recounted(self) -> bool:
        """Whether the budgets in this file were ever recounted."""
        with self._connected() as connection:
            return connection.execute("select 1 from recounts").fetchone() is not None

    def replace_spend(self, spend: Mapping[tuple[str, str], int], now: float) -> None:
        """Sets what is spent, by (budget key, period), to what all rows written so far say.

        Some of the calls charged so far may have no row yet. They must be charged again, so their marks are removed, too.
        """
        with self._transaction() as connection:
            connection.execute("delete from spend")
            connection.executemany("insert into spend values (?, ?, ?)", [(*key, cost) for key, cost in spend.items()])
            connection.execute("delete from charged where key glob 'budget|*'")
            connection.execute("delete from recounts")
            connection.execute("insert into recounts values (?)", (now,))

    def close(self) -> None:
        self._file.close()

    # The file

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as connection, transaction(connection):
            yield connection

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._failed and self._clock() - self._failed[0] < RETRY_AFTER_S:
                raise StoreDown(self._failed[1])
            try:
                with self._file.connection(create=True) as connection:
                    yield connection
            except (sqlite3.Error, OSError) as error:
                reason = f"{self.path}: {error}" + ("; remove it, and a new one is made" if is_broken(error) else "")
                self._failed = self._clock(), reason
                raise StoreDown(reason) from error
            self._failed = None

    def _prune(self, connection: sqlite3.Connection, now: float) -> None:
        """Removes full buckets (a missing one counts as full) and what is out of date."""
        if now >= self._prune_at:
            connection.execute("delete from buckets where full_at < ?", (now,))
            connection.execute("delete from charged where at < ?", (now - KEEP_CHARGED_S,))
            connection.execute("delete from reserved where expires_at < ?", (now,))
            connection.execute("delete from unpriced where at < ?", (now - KEEP_UNPRICED_S,))
            self._prune_at = now + PRUNE_EVERY_S


class LocalGate:
    """The limits of this machine alone. A decision is one short transaction on the event loop: a thread would cost more."""

    def __init__(self, store: SqliteLimits) -> None:
        self._store = store

    async def decide(self, checks: Sequence[Check], now: float, reservation: Reservation | None = None) -> Verdict:
        return self._store.decide(checks, now, reservation)

    async def rates(self) -> RateTable:
        return self._store.rates()

    async def close(self) -> None:
        self._store.close()


def _read(connection: sqlite3.Connection, key: str) -> Bucket | None:
    found = connection.execute("select tokens, updated_at from buckets where key = ?", (key,)).fetchone()
    return Bucket(*found) if found else None


def _write(connection: sqlite3.Connection, key: str, policy: Policy, bucket: Bucket) -> None:
    full_at = bucket.updated_at + seconds_to_full(bucket, policy)
    connection.execute(
        "insert or replace into buckets values (?, ?, ?, ?)", (key, bucket.tokens, bucket.updated_at, full_at)
    )


def _spent(connection: sqlite3.Connection, budget_key: str, period: str) -> int:
    """The sum of what the rows have and what they do not have."""
    query = (
        "select (select coalesce(sum(nanousd), 0) from spend where budget_key = :key and period = :period)"
        " + (select coalesce(sum(nanousd), 0) from unpriced where budget_key = :key and period = :period)"
    )
    return int(connection.execute(query, {"key": budget_key, "period": period}).fetchone()[0])


def _is_over(line: BudgetLine, spent: Spent) -> bool:
    return line.hard_nanousd is not None and spent.nanousd + spent.reserved_nanousd >= line.hard_nanousd


def _decision(connection: sqlite3.Connection, check: Check, now: float) -> Decision:
    held = 0.0 if check.policy.unit == "request" else _reserved(connection, check.key, "", now)
    return decided(_read(connection, check.key), held, check, now)


def _reserve(connection: sqlite3.Connection, reservation: Reservation, checks: Sequence[Check], now: float) -> None:
    bound = reservation.bound
    amounts: list[tuple[str, str, float]] = [(line.key, line.period, bound.nanousd) for line in reservation.budgets]
    for check in checks:
        if check.policy.unit == "cents":
            amounts.append((check.key, "", bound.nanousd / NANOUSD_PER_CENT))
        elif check.policy.unit == "tokens":
            amounts.append((check.key, "", bound.tokens))
    connection.executemany(
        "insert or replace into reserved values (?, ?, ?, ?, ?)",
        [(reservation.call_id, *amount, now + RESERVED_S) for amount in amounts],
    )


def _reserved(connection: sqlite3.Connection, key: str, period: str, now: float) -> float:
    query = "select coalesce(sum(amount), 0) from reserved where key = ? and period = ? and expires_at >= ?"
    return float(connection.execute(query, (key, period, now)).fetchone()[0])


def _reserved_by(connection: sqlite3.Connection, call_id: str) -> dict[tuple[str, str], float]:
    query = "select key, period, amount from reserved where call_id = ?"
    return {(key, period): amount for key, period, amount in connection.execute(query, (call_id,))}


def _first_time(connection: sqlite3.Connection, call_id: str, key: str, now: float) -> bool:
    return connection.execute("insert or ignore into charged values (?, ?, ?)", (call_id, key, now)).rowcount > 0
