"""The deliveries that are due: `DATA/webhooks.sqlite` (of spans `otlp.sqlite`), so that neither a restart nor a dead receiver loses a message.

A call is delivered to a webhook once, unless the process dies between the delivery and the note of it.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from addon.storage.sqlite import SqliteFile, erase_deleted, transaction

CLAIM_S: Final = 120.0  # longer than a delivery takes
_BUSY_S: Final = 5.0
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
    """Used by one thread of one process. All methods raise sqlite3.Error, OSError."""

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, _SCHEMA, busy_s=_BUSY_S, synchronous="full")

    def looked_us(self, now: float) -> tuple[int, int]:
        """Since when calls are taken in, and until when they have been, in microseconds since 1970."""
        with self._file.connection(create=True) as connection:
            connection.execute(
                "insert into looked select ?, ? where not exists (select * from looked)", (int(now * 1e6),) * 2
            )
            began_us, upto_us = connection.execute("select began_us, upto_us from looked").fetchone()
        return began_us, upto_us

    def take_in(self, wanted: Iterable[tuple[str, str, int]], now: float) -> None:
        """(url, request id, start) of calls that are to be delivered. Those that are known already are skipped."""
        rows = [(*each, now) for each in wanted]
        with self._file.connection(create=True) as connection, transaction(connection):
            connection.executemany(
                "insert or ignore into deliveries (url, request_id, started_at_us, due_at) values (?, ?, ?, ?)", rows
            )
            connection.execute("update looked set upto_us = ?", (int(now * 1e6),))

    def claim(self, now: float, limit: int) -> Sequence[Delivery]:
        """Deliveries that are due. They are due again after CLAIM_S, in case this process dies before it is done."""
        with self._file.connection(create=True) as connection, transaction(connection):
            found = connection.execute(
                "select url, request_id, started_at_us, failures from deliveries where due_at <= ? order by due_at limit ?",
                (now, limit),
            )
            deliveries = [Delivery(*row) for row in found]
            for each in deliveries:
                _set(connection, each, each.failures, now + CLAIM_S)
        return deliveries

    def done(self, delivery: Delivery) -> None:
        with self._file.connection(create=True) as connection:
            _set(connection, delivery, delivery.failures, None)

    def failed(self, delivery: Delivery, due_at: float | None) -> None:
        with self._file.connection(create=True) as connection:
            _set(connection, delivery, delivery.failures + 1, due_at)

    def settle(self, deliveries: Iterable[Delivery], due_at: float | None) -> None:
        """Several at once, whose failures do not count. None: they are done."""
        with self._file.connection(create=True) as connection, transaction(connection):
            for each in deliveries:
                _set(connection, each, each.failures, due_at)

    def give_up_beyond(self, most: int) -> int:
        """Keeps the newest deliveries that are not done. Returns how many older ones are given up."""
        with self._file.connection(create=True) as connection:
            return connection.execute(
                "update deliveries set due_at = null where due_at is not null and (url, request_id, started_at_us) in ("
                "select url, request_id, started_at_us from deliveries where due_at is not null"
                " order by started_at_us desc limit -1 offset ?)",
                (most,),
            ).rowcount

    def forget(self, before_us: int) -> None:
        """Removes deliveries that are done, or given up, and too old to be taken in again."""
        with self._file.connection(create=True) as connection:
            connection.execute("delete from deliveries where due_at is null and started_at_us < ?", (before_us,))

    def calls(self) -> set[str]:
        """The request ids of all deliveries, due or done."""
        try:
            with self._file.connection(patient=True) as connection:
                return {request_id for (request_id,) in connection.execute("select request_id from deliveries")}
        except FileNotFoundError:
            return set()

    def remove(self, request_ids: Iterable[str]) -> int:
        """Removes the deliveries of these calls, without a trace in the file. Returns how many were still due."""
        try:
            with self._file.connection(patient=True) as connection:
                due = 0
                for request_id in request_ids:
                    due += connection.execute(
                        "select count(*) from deliveries where request_id = ? and due_at is not null", (request_id,)
                    ).fetchone()[0]
                    connection.execute("delete from deliveries where request_id = ?", (request_id,))
                erase_deleted(connection)
                return due
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        self._file.close()


def _set(connection: sqlite3.Connection, delivery: Delivery, failures: int, due_at: float | None) -> None:
    connection.execute(
        "update deliveries set failures = ?, due_at = ? where url = ? and request_id = ? and started_at_us = ?",
        (failures, due_at, delivery.url, delivery.request_id, delivery.started_at_us),
    )
