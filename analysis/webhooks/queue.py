"""What is to be delivered: `DATA/webhooks.sqlite`, so that neither a restart nor a dead receiver loses a message.

Nobody is told twice of one call, unless the process dies between a delivery and the note of it.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CLAIM_S: Final = 120.0  # longer than a delivery takes
_SCHEMA: Final = """
create table if not exists deliveries (
    url text not null,
    request_id text not null,
    started_at_us integer not null,
    failures integer not null default 0,
    due_at real,                       -- epoch seconds; null: done, or given up
    primary key (url, request_id, started_at_us)
) without rowid;
create index if not exists by_due on deliveries (due_at) where due_at is not null;
create table if not exists looked (began_us integer not null, upto_us integer not null);
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    url: str
    request_id: str
    started_at_us: int
    failures: int


class Queue:
    """Used by one thread of one process."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        self._connection.executescript(f"pragma journal_mode = wal; {_SCHEMA}")

    def looked_us(self, now: float) -> tuple[int, int]:
        """Since when calls are taken in, and until when they have been, in microseconds since 1970."""
        self._connection.execute(
            "insert into looked select ?, ? where not exists (select * from looked)", (int(now * 1e6),) * 2
        )
        began_us, upto_us = self._connection.execute("select began_us, upto_us from looked").fetchone()
        return began_us, upto_us

    def take_in(self, wanted: Iterable[tuple[str, str, int]], now: float) -> None:
        """(url, request id, start) of calls that are to be told, some of them known already."""
        rows = [(*each, now) for each in wanted]
        with self._connection:
            self._connection.execute("begin immediate")
            self._connection.executemany(
                "insert or ignore into deliveries (url, request_id, started_at_us, due_at) values (?, ?, ?, ?)", rows
            )
            self._connection.execute("update looked set upto_us = ?", (int(now * 1e6),))

    def claim(self, now: float, limit: int) -> Sequence[Delivery]:
        """What is due, for this process alone: should it die, it is due again after a while."""
        with self._connection:
            self._connection.execute("begin immediate")
            found = self._connection.execute(
                "select url, request_id, started_at_us, failures from deliveries where due_at <= ? order by due_at limit ?",
                (now, limit),
            )
            deliveries = [Delivery(*row) for row in found]
            for each in deliveries:
                self._set(each, each.failures, now + CLAIM_S)
        return deliveries

    def done(self, delivery: Delivery) -> None:
        self._set(delivery, delivery.failures, None)

    def failed(self, delivery: Delivery, due_at: float | None) -> None:
        self._set(delivery, delivery.failures + 1, due_at)

    def forget(self, before_us: int) -> None:
        """What is done with, and too old to come up again."""
        self._connection.execute("delete from deliveries where due_at is null and started_at_us < ?", (before_us,))

    def close(self) -> None:
        self._connection.close()

    def _set(self, delivery: Delivery, failures: int, due_at: float | None) -> None:
        self._connection.execute(
            "update deliveries set failures = ?, due_at = ? where url = ? and request_id = ? and started_at_us = ?",
            (failures, due_at, delivery.url, delivery.request_id, delivery.started_at_us),
        )
