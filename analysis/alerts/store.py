"""Which alerts fire since when, and the messages that nobody took yet: `DATA/alerts.sqlite`.

What begins or ends and the messages about it are one transaction, so a restart tells nothing twice and forgets nothing.
A message is sent twice only where the process dies between the delivery and the note of it.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from addon.storage.sqlite import SqliteFile, erase_deleted, transaction
from analysis.alerts.message import Told

CLAIM_S: Final = 120.0  # longer than a delivery takes
_BUSY_S: Final = 5.0
_SCHEMA: Final = """
create table if not exists firing (
    alert text not null,
    subject text not null,
    since real not null,               -- epoch seconds
    value real not null,               -- the newest
    primary key (alert, subject)
) without rowid;
create table if not exists looked (
    alert text primary key,
    at real not null,
    problem text                       -- why its condition could not be asked; null: it was
) without rowid;
create table if not exists messages (
    id integer primary key,
    recipient text not null,           -- as the settings have it: a variable's name, not what it contains
    message text not null,             -- JSON
    made_at real not null,
    failures integer not null default 0,
    due_at real,                       -- null: it was given up
    failure text
);
"""


@dataclass(frozen=True, slots=True)
class Firing:
    alert: str
    subject: str
    since: float
    value: float


@dataclass(frozen=True, slots=True)
class Message:
    id: int
    recipient: str
    told: Told
    made_at: float
    failures: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that was not taken. `due_at` None: it was given up."""

    alert: str
    recipient: str
    failure: str
    due_at: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """What one look changes of one alert."""

    alert: str
    begun: Sequence[Firing] = ()
    still: Sequence[Firing] = ()
    over: Sequence[str] = ()  # subjects
    messages: Sequence[tuple[str, Told]] = ()  # recipient, what it is told


class AlertStore:
    """Used by one thread at a time. All methods raise sqlite3.Error, OSError; those that read raise FileNotFoundError where
    nothing was ever written."""

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, _SCHEMA, busy_s=_BUSY_S, synchronous="full")

    def claim_look(self, alert: str, now: float, every_s: float) -> bool:
        """Whether it is time to look, and nobody else does: proxies may share a data folder."""
        with self._file.connection(create=True) as connection, transaction(connection):
            last = connection.execute("select at from looked where alert = ?", (alert,)).fetchone()
            if last and now - every_s < last[0] <= now:
                return False
            connection.execute(
                "insert into looked (alert, at) values (?, ?) on conflict (alert) do update set at = excluded.at",
                (alert, now),
            )
        return True

    def firing(self, alert: str | None = None) -> list[Firing]:
        """Of one alert or of all, the oldest first."""
        with self._file.connection() as connection:
            found = connection.execute(
                "select alert, subject, since, value from firing where ?1 is null or alert = ?1 order by since, subject",
                (alert,),
            )
            return [Firing(*row) for row in found]

    def take_over(self, change: Change, problem: str | None, now: float) -> None:
        with self._file.connection(create=True) as connection, transaction(connection):
            connection.execute("update looked set problem = ? where alert = ?", (problem, change.alert))
            for each in (*change.begun, *change.still):
                connection.execute(
                    "insert into firing values (?, ?, ?, ?) on conflict (alert, subject) do update set value = excluded.value",
                    (each.alert, each.subject, each.since, each.value),
                )
            connection.executemany(
                "delete from firing where alert = ? and subject = ?", [(change.alert, each) for each in change.over]
            )
            _add(connection, change.messages, now)

    def tell(self, messages: Iterable[tuple[str, Told]], now: float) -> None:
        with self._file.connection(create=True) as connection, transaction(connection):
            _add(connection, messages, now)

    def forget(self, names: Iterable[str]) -> None:
        """Removes alerts that the settings no longer have."""
        kept = json.dumps(list(names))
        with self._file.connection(create=True) as connection, transaction(connection):
            for table in ("firing", "looked"):
                connection.execute(f"delete from {table} where alert not in (select value from json_each(?))", (kept,))

    def claim_messages(self, now: float, limit: int) -> list[Message]:
        """Messages that are due. They are due again after CLAIM_S, in case this process dies before it is done."""
        with self._file.connection(create=True) as connection, transaction(connection):
            found = connection.execute(
                "select id, recipient, message, made_at, failures from messages where due_at <= ? order by due_at limit ?",
                (now, limit),
            ).fetchall()
            connection.executemany(
                "update messages set due_at = ? where id = ?", [(now + CLAIM_S, row[0]) for row in found]
            )
        return [Message(row[0], row[1], Told(**json.loads(row[2])), row[3], row[4]) for row in found]

    def delivered(self, message: Message) -> None:
        with self._file.connection(create=True) as connection:
            connection.execute("delete from messages where id = ?", (message.id,))

    def failed(self, message: Message, failure: str, due_at: float | None) -> None:
        with self._file.connection(create=True) as connection:
            connection.execute(
                "update messages set failures = failures + 1, failure = ?, due_at = ? where id = ?",
                (failure, due_at, message.id),
            )

    def waiting(self) -> list[Waiting]:
        """Messages that were tried in vain, the newest first."""
        with self._file.connection() as connection:
            found = connection.execute(
                "select message ->> 'alert', recipient, failure, due_at from messages where failure is not null"
                " order by id desc limit 100"
            )
            return [Waiting(*row) for row in found]

    def problems(self) -> Mapping[str, str]:
        """By alert: why its condition could not be asked."""
        with self._file.connection() as connection:
            return dict(connection.execute("select alert, problem from looked where problem is not null"))

    def forget_subjects(self, subjects: Collection[str]) -> int:
        """Removes what these subjects fire and the messages about them, without a trace in the file. Returns how many."""
        named = json.dumps(list(subjects))
        try:
            with self._file.connection(patient=True) as connection:
                with transaction(connection):
                    removed = [
                        connection.execute(
                            f"delete from {table} where {subject} in (select value from json_each(?))", (named,)
                        ).rowcount
                        for table, subject in (("firing", "subject"), ("messages", "message ->> 'subject'"))
                    ]
                erase_deleted(connection)
                return sum(removed)
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        self._file.close()


def _add(connection: sqlite3.Connection, messages: Iterable[tuple[str, Told]], now: float) -> None:
    connection.executemany(
        "insert into messages (recipient, message, made_at, due_at) values (?, ?, ?, ?)",
        [(recipient, json.dumps(asdict(message)), now, now) for recipient, message in messages],
    )
