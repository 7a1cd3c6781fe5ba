"""Which calls a `heliograph forget` means, and their removal from everything in the data folder.

The rows of `requests` go last: what is killed in between finds the same calls again. Imports pyarrow and DuckDB.
"""

import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from addon.caching.store import CacheDown
from addon.commands.options import Failure
from addon.config.stores import Stores
from addon.limits.store import StoreDown
from addon.settling.chains import Chains
from addon.settling.charged_once import ChargedOnce
from addon.settling.drop import Calls, drop_calls, drop_events, dropped
from addon.settling.merge import finish_merges
from addon.settling.released import Released, each_part
from addon.settling.rewrite import Rewritten
from addon.settling.summarise import remove_orphans
from addon.storage import dead_letters
from addon.storage.disk_use import tables_and_days
from addon.storage.folders import Folders, entries
from addon.storage.record import CALL_TABLES, EVENT_TABLES
from analysis.alerts.store import AlertStore
from analysis.lake import Connection, Lake
from analysis.quoting import literal
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import EVER
from analysis.webhooks.queue import Queue

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor

PATIENCE_S: Final = 10.0  # for the lock of the limits: a person's command can wait


_SAID: Final = " union all ".join(f"select request_id, '{table}' as said_in from all_{table}" for table in EVENT_TABLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person wants to be forgotten: calls that fit all that is given. `pseudonyms`: what [redact] makes of the user,
    the session and the property values."""

    user: str | None = None
    session: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)  # lower-case names
    where: str | None = None
    pseudonyms: Mapping[str, str] = field(default_factory=dict)

    def redacted(self, redactor: "Redactor") -> "Wanted":
        """The same, which also finds rows whose texts were redacted."""
        texts = [text for text in (self.session, *self.properties.values()) if text]
        pseudonyms = {text: redactor.text(text) for text in texts}
        return replace(self, pseudonyms=pseudonyms | ({self.user: redactor.user(self.user)} if self.user else {}))

    def condition(self) -> str:
        """As SQL over the columns of `requests`."""
        parts = [self._equals("user_id", self.user)] if self.user else []
        parts += [self._equals("session_id", self.session)] if self.session else []
        parts += [self._equals(f"properties[{literal(name)}]", value) for name, value in self.properties.items()]
        if self.where and parts:
            parts.append(f"(\n{self.where}\n)")  # a comment in it ends with its line
        return " and ".join(parts) or self.where or ""

    def names(self) -> set[str]:
        """The user and the property values: what buckets and alerts are named after."""
        given = [name for name in (self.user, *self.properties.values()) if name]
        return {*given, *(self.pseudonyms.get(name, name) for name in given)}

    def _equals(self, column: str, value: str) -> str:
        either = dict.fromkeys([value, self.pseudonyms.get(value, value)])
        return (
            f"{column} = {literal(value)}" if len(either) == 1 else f"{column} in ({', '.join(map(literal, either))})"
        )


@dataclass(frozen=True, slots=True)
class Found:
    """The calls, and what else goes with them. `names`: users and property values of which no call is left."""

    calls: Calls
    rows: Mapping[str, int]  # by table
    cost_nanousd: int | None
    unpriced: int
    names: frozenset[str]
    responses: frozenset[str]  # keys of chains.sqlite
    said_of: frozenset[str]  # request ids with feedback, scores or properties that were set later

    @property
    def days(self) -> tuple[date, date] | None:
        """The first and the last."""
        return (min(self.calls.by_day), max(self.calls.by_day)) if self.calls.by_day else None


def find(folders: Folders, lake: Lake, wanted: Wanted) -> Found:
    """Raises BadCondition, sqlite3.Error, OSError."""
    links = _links(folders.chains)

    def ask(connection: Connection) -> Found:
        open_scope(connection, Scope(EVER, wanted.condition()))
        calls = connection.sql("select request_id, started_at, date from calls order by date").to_arrow_table()
        rows, cost, unpriced = _row(
            connection, "select count(*), sum(cost_nanousd), count(*) filter (cost_nanousd is null) from calls"
        )
        (bodies,) = _row(connection, "select count(*) from bodies semi join calls using (request_id, started_at)")
        # What was said of an id stays where another call, which stays, has the same id.
        connection.execute(f"""
            create or replace temp table said as
            from ({_SAID}) semi join calls using (request_id)
            anti join (from requests anti join calls using (request_id, started_at)) using (request_id)
        """)
        said = dict.fromkeys(EVENT_TABLES, 0)
        said |= connection.execute("select said_in, count(*) from said group by all").fetchall()
        said_of = connection.execute("select distinct request_id from said").fetchall()
        users, sessions = (_gone(connection, column) for column in ("user_id", "session_id"))
        responses = connection.sql(
            "select provider_name || ' ' || response_id as link from calls where link in (select unnest($links))",
            params={"links": list(links)},
        ).fetchall()
        return Found(
            Calls(_by_day(calls)),
            {"requests": rows, "bodies": bodies} | said,
            cost,
            unpriced,
            frozenset(wanted.names() | users),
            frozenset(link for (link,) in responses)
            | {
                link
                for link, session in links.items()
                if session in sessions | {wanted.session, wanted.pseudonyms.get(wanted.session or "")}
            },
            frozenset(request_id for (request_id,) in said_of),
        )

    return lake.ask(ask)


def _gone(connection: Connection, column: str) -> set[str]:
    """The values of a column that only these calls have."""
    found = connection.execute(f"""
        select {column} from calls
        except select {column} from requests anti join calls using (request_id, started_at)
    """)
    return {value for (value,) in found.fetchall() if value}


def _row(connection: Connection, sql: str) -> tuple[Any, ...]:
    (found,) = connection.execute(sql).fetchall()
    return tuple(found)


def _by_day(calls: pa.Table) -> dict[date, pa.Table]:
    kept = calls.select(["request_id", "started_at"])
    return {day: kept.filter(pc.equal(calls["date"], pa.scalar(day))) for day in calls["date"].unique().to_pylist()}


@dataclass(slots=True)
class Removed:
    """What went. Counts by table of the lake and by kind of what is kept beside it."""

    rows: dict[str, int] = field(default_factory=dict)
    beside: dict[str, int] = field(default_factory=dict)
    files_rewritten: int = 0
    files_removed: int = 0

    def add(self, table: str, done: list[Rewritten]) -> None:
        self.rows[table] = self.rows.get(table, 0) + dropped(done)
        self.files_rewritten += sum(each.rows_after > 0 for each in done)
        self.files_removed += sum(each.rows_after == 0 for each in done)


def remove(
    folders: Folders, stores: Stores, found: Found, told: Callable[[], None], released: Released | None = None
) -> Removed:
    """Removes the calls from everything that is kept. The caller holds the lock of all merges. `told` is called once for
    each day. `released`: the files that are in a bucket only; None: all files are here. Raises Failure, OSError, sqlite3.Error,
    what `released` raises, and what pyarrow raises for a damaged file; what is not removed then is found again."""
    removed = Removed()
    ids = found.calls.ids()
    if released and found.said_of:
        released.recall_events()
    for table in EVENT_TABLES:
        removed.add(table, drop_events(folders, table, pa.array(sorted(found.said_of), pa.string())))
    try:
        removed.beside = _remove_beside(folders, stores, ids, found.names, found.responses)
    finally:
        stores.close()
    for days in each_part(released, found.calls.by_day):
        for day in days:
            for table in reversed(CALL_TABLES):  # bodies, then requests
                removed.add(table, drop_calls(folders, table, day, found.calls.by_day[day]))
            told()
        remove_old_files(folders)
    if released:
        released.send()  # what was said of the calls, and what a pass that was killed has left
    return removed


def remove_old_files(folders: Folders) -> None:
    """At once: what was replaced, what a killed pass left, and the folders of days without a file. Raises OSError."""
    for table, day in list(tables_and_days(folders)):
        finish_merges(folders, table, day, math.inf)
        if not any(entries(folders.lake_day(table, day))):
            with suppress(OSError):  # a settler puts a file there at this moment
                folders.lake_day(table, day).rmdir()
    remove_orphans(folders)  # of what was replaced: they name users and sessions


def _among(known: Iterable[str], ids: pa.ChunkedArray) -> set[str]:
    """Those of the known ids that are among these."""
    array = pa.array(list(known), pa.string())
    return set(array.filter(pc.is_in(array, value_set=ids)).to_pylist())


def _remove_beside(
    folders: Folders, stores: Stores, ids: pa.ChunkedArray, names: frozenset[str], responses: frozenset[str]
) -> dict[str, int]:
    """Removes what is kept of the calls beside the lake."""
    try:
        return {
            "cached answers": sum(shelf.forget(_among(shelf.calls(), ids)) for shelf in stores.shelves),
            "buckets and budgets": sum(ledger.forget(names) for ledger in stores.ledgers),
            "links of conversations": _from_chains(folders.chains, responses),
            "charges of batches": _from_charged(folders.charged, ids),
            "deliveries to webhooks": _from_queue(folders.webhooks, ids),
            "spans to be sent": _from_queue(folders.otlp, ids),
            "deliveries that were given up": dead_letters.remove(
                folders.dead_letters, _among(dead_letters.calls(folders.dead_letters), ids)
            ),
            "alerts": _from_alerts(folders.alerts, names),
        }
    except (CacheDown, StoreDown) as error:
        raise Failure(f"{error}; the rows are still there: run this again") from error
    except sqlite3.Error as error:
        raise Failure(
            f"a file of the data folder cannot be written: {error}; the rows are still there: run this again"
        ) from error


def _from_chains(path: Path, responses: frozenset[str]) -> int:
    chains = Chains(path)
    try:
        chains.remove(responses)
        return len(responses)
    finally:
        chains.close()


def _links(path: Path) -> dict[str, str]:
    chains = Chains(path)
    try:
        return chains.links()
    finally:
        chains.close()


def _from_charged(path: Path, ids: pa.ChunkedArray) -> int:
    charged = ChargedOnce(path)
    try:
        calls = _among(charged.calls(), ids)
        charged.remove(calls)
        return len(calls)
    finally:
        charged.close()


def _from_queue(path: Path, ids: pa.ChunkedArray) -> int:
    queue = Queue(path)
    try:
        return queue.remove(_among(queue.calls(), ids))
    finally:
        queue.close()


def _from_alerts(path: Path, names: frozenset[str]) -> int:
    store = AlertStore(path)
    try:
        return store.forget_subjects(names)
    finally:
        store.close()
