"""Deletes what `[retention]` keeps no longer: once a day in the settler, and by `heliograph forget --expired`.

A day of which everything goes is replaced whole. Of other days the calls are looked up by provider and properties; a
property that was set later counts as in reports. What was said of a call (feedback, scores, properties) goes with its row, an
answer in the cache and a delivery that was given up with its bodies. The rows of `requests` go last, so that a pass that was
killed is finished by the next one.
"""

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from addon.caching.store import AnswerShelf
from addon.config import settings
from addon.config.mistakes import problems_of
from addon.config.retention import Kept, Retention, Rule
from addon.config.stores import answer_shelves
from addon.settling.drop import drop_calls, drop_events, dropped
from addon.settling.merge import is_ours
from addon.settling.merge_order import Stopped
from addon.settling.parquet import arrow_schema, files_as_one
from addon.settling.rewrite import Rewritten, empty
from addon.storage import dead_letters
from addon.storage.disk_use import days
from addon.storage.folders import Folders
from addon.storage.lake import visible_day
from addon.storage.receipts import new_receipt, write_receipt
from addon.storage.record import EVENT_TABLES

_KEY: Final = ["request_id", "started_at"]


@dataclass(frozen=True, slots=True)
class Due:
    """Rows of one day and table that go. `calls` None: all of them."""

    table: Kept
    day: date
    calls: pa.Table | None
    rows: int


class Expiry:
    """What is due on one day, `today`, in UTC. Reads the lake; all methods raise OSError and what pyarrow raises for a
    damaged file."""

    def __init__(
        self, folders: Folders, retention: Retention, today: date, only: Collection[date] | None = None
    ) -> None:
        """`only`: of these days, None: of all."""
        self._folders, self._retention, self._today, self._only = folders, retention, today, only
        self._set_later = _set_later(folders, retention.property_names())

    def due(self) -> Iterator[Due]:
        """By day; bodies before requests."""
        stored = {kept: set(days(self._folders, kept)) for kept in ("bodies", "requests")}
        there = stored["bodies"] | stored["requests"]
        for day in sorted(there if self._only is None else there.intersection(self._only)):
            for kept in ("bodies", "requests"):
                if day in stored[kept] and (found := self._due_of(kept, day)):
                    yield found

    def _due_of(self, kept: Kept, day: date) -> Due | None:
        age = (self._today - day).days
        decisions = [self._retention.expired("requests", age)]
        if kept == "bodies":
            decisions.append(self._retention.expired("bodies", age))
        verdicts = [_of_all(each) for each in decisions]
        if True in verdicts:
            rows = sum(_count(path, kept) for path in _files(self._folders, kept, day))
            return Due(kept, day, None, rows) if rows else None
        if all(verdict is False for verdict in verdicts):
            return None
        calls = self._expired_calls(day, decisions)
        if kept == "bodies" and calls.num_rows:
            calls = _read(self._folders, "bodies", day, _KEY, _has_id(calls)).join(calls, _KEY, join_type="left semi")
        return Due(kept, day, calls, calls.num_rows) if calls.num_rows else None

    def _expired_calls(self, day: date, decisions: Iterable[list[tuple[Rule, bool]]]) -> pa.Table:
        calls = _read(self._folders, "requests", day, [*_KEY, "provider_name", "properties"], None)
        going = pa.array([False] * calls.num_rows)
        for rules in decisions:
            goes = pa.array([False] * calls.num_rows)
            for rule, is_expired in reversed(rules):
                goes = pc.if_else(self._fits(rule, calls), is_expired, goes)
            going = pc.or_(going, goes)
        return calls.select(_KEY).filter(going)

    def _fits(self, rule: Rule, calls: pa.Table) -> pa.Array:
        fits = pa.array([True] * calls.num_rows)
        if rule.provider is not None:
            fits = pc.equal(calls["provider_name"], rule.provider)
        for name, value in rule.properties:
            given = pc.map_lookup(calls["properties"], name, "first")
            later = self._set_later[name]
            position = pc.index_in(calls["request_id"], value_set=later["request_id"])
            given = pc.coalesce(pc.take(later["value"], position), given)
            fits = pc.and_(fits, pc.equal(given, value))
        return pc.fill_null(fits, False)


@dataclass(slots=True)
class Gone:
    """What one pass deleted."""

    rows: dict[str, int] = field(default_factory=dict)
    days: dict[str, list[date]] = field(default_factory=dict)
    beside: dict[str, int] = field(default_factory=dict)

    def add(self, table: str, done: list[Rewritten]) -> None:
        if rows := dropped(done):
            self.rows[table] = self.rows.get(table, 0) + rows
            self.days.setdefault(table, []).extend(each.day for each in done)

    def merge(self, other: "Gone") -> None:
        """Takes another pass in. What is kept beside the lake is in the receipt of each."""
        for table, rows in other.rows.items():
            self.rows[table] = self.rows.get(table, 0) + rows
            self.days.setdefault(table, []).extend(other.days[table])

    def __str__(self) -> str:
        return ", ".join(
            f"{rows:,} rows of {table} ({min(self.days[table])} to {max(self.days[table])})"
            for table, rows in self.rows.items()
        )


def delete_expired(
    folders: Folders,
    retention: Retention,
    now: datetime,
    shelves: Sequence[AnswerShelf],
    stop: threading.Event | None = None,
    told: Callable[[Due], None] | None = None,
    only: Collection[date] | None = None,
) -> Gone:
    """Deletes what is due, and writes a receipt where there was something. The caller holds the lock of all merges; the
    old files stay for the usual grace. `told` gets each part once it is done. `only`: of calls of these days. Raises as
    `Expiry` does, Stopped."""
    gone = Gone()
    if not retention.rules:
        return gone
    found = list(Expiry(folders, retention, now.astimezone(UTC).date(), only).due())
    mentioned = {table: _mentioned(folders, table) for table in EVENT_TABLES}
    for table in EVENT_TABLES:
        if len(mentioned[table]):
            said_of = [_among(mentioned[table], folders, due) for due in found if due.table == "requests"]
            gone.add(table, drop_events(folders, table, pa.concat_arrays([pa.array([], pa.string()), *said_of])))
    gone.beside = _delete_beside(folders, shelves, [due for due in found if due.table == "bodies"])
    for due in found:
        if stop and stop.is_set():
            raise Stopped
        gone.add(due.table, _delete(folders, due, stop))
        if told:
            told(due)
    if gone.rows or any(gone.beside.values()):
        write_receipt(new_receipt(folders, "retention", now), _receipt(retention, gone, now))
    return gone


def _delete(folders: Folders, due: Due, stop: threading.Event | None) -> list[Rewritten]:
    if due.calls is not None:
        return drop_calls(folders, due.table, due.day, due.calls, stop)
    return [empty(path, due.table, due.day) for path in _files(folders, due.table, due.day)]


def _delete_beside(folders: Folders, shelves: Sequence[AnswerShelf], due: list[Due]) -> dict[str, int]:
    """Cached answers and deliveries that were given up: both have bodies. Once for all days: each takes a look at the
    whole file."""
    cached = 0
    for shelf in shelves:
        try:
            expired = _all_among(shelf.calls(), folders, due)
            cached += shelf.forget(expired) if expired else 0
        finally:
            shelf.close()
    letters = _all_among(dead_letters.calls(folders.dead_letters), folders, due)
    return {
        "cached answers": cached,
        "deliveries that were given up": dead_letters.remove(folders.dead_letters, letters) if letters else 0,
    }


def _all_among(ids: set[str], folders: Folders, due: list[Due]) -> set[str]:
    known = pa.array(sorted(ids), pa.string())
    return {found for each in due for found in _among(known, folders, each).to_pylist()}


def _receipt(retention: Retention, gone: Gone, now: datetime) -> dict[str, Any]:
    return {
        "what": "retention",
        "state": "done",
        "ended_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "rules": [str(rule) for rule in retention.rules],
        "removed": gone.rows,
        "removed_beside": gone.beside,
        "days": {table: [min(found).isoformat(), max(found).isoformat()] for table, found in gone.days.items()},
    }


def _of_all(rules: list[tuple[Rule, bool]]) -> bool | None:
    """Whether all rows go (True), none (False), or it depends on the call (None)."""
    verdicts = {is_expired for _, is_expired in rules}
    if not any(rule.fits_all for rule, _ in rules):
        verdicts.add(False)
    return verdicts.pop() if len(verdicts) == 1 else None


def _set_later(folders: Folders, names: set[str]) -> dict[str, pa.Table]:
    """For each property the calls that were given it later, with the newest value."""
    newest: dict[str, dict[str, str]] = {name: {} for name in names}
    if names:
        columns = ["created_at", "request_id", "name", "value"]
        parts = [
            _read(folders, "property_changes", day, columns, pc.field("name").isin(sorted(names)))
            for day in days(folders, "property_changes")
        ]
        for change in pa.concat_tables(parts).sort_by("created_at").to_pylist() if parts else ():
            newest[change["name"]][change["request_id"]] = change["value"]
    kind = pa.string()
    return {
        name: pa.table({"request_id": pa.array(list(found), kind), "value": pa.array(list(found.values()), kind)})
        for name, found in newest.items()
    }


def _mentioned(folders: Folders, table: str) -> pa.Array:
    """The request ids in an event table."""
    parts = [_read(folders, table, day, ["request_id"], None)["request_id"] for day in days(folders, table)]
    return pc.unique(pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string()))


def _among(ids: pa.Array, folders: Folders, due: Due) -> pa.Array:
    """Those of the ids whose rows are due."""
    if not len(ids):
        return ids
    where = pc.field("request_id").isin(ids)
    going = _read(folders, due.table, due.day, ["request_id"], where) if due.calls is None else due.calls
    return ids.filter(pc.is_in(ids, value_set=going["request_id"]))


def _has_id(calls: pa.Table) -> pc.Expression:
    return pc.field("request_id").isin(calls["request_id"])


def _read(folders: Folders, table: str, day: date, columns: list[str], where: pc.Expression | None) -> pa.Table:
    files = _files(folders, table, day)
    schema = arrow_schema(table)
    if not files:
        return pa.schema([schema.field(name) for name in columns]).empty_table()
    return files_as_one(files, schema).to_table(columns=columns, filter=where)


def _files(folders: Folders, table: str, day: date) -> list[Path]:
    return [path for path in visible_day(folders.lake_day(table, day)) if is_ours(path, table)]


def _count(path: Path, table: str) -> int:
    return int(files_as_one([path], arrow_schema(table)).count_rows())


def apply_settings(
    folders: Folders, config: Path | None, say: Callable[[str], None], now: datetime, stop: threading.Event
) -> None:
    """What the settler does once a day: deletes what the settings keep no longer. Nothing where they have a mistake in this.
    The caller holds the lock of all merges. Raises Stopped."""
    loaded, problems = settings.load_beside_proxy(folders.data, config)
    if problems_of(problems, ("retention",)):  # the proxy has reported it
        return
    try:
        gone = delete_expired(folders, loaded.retention, now, answer_shelves(loaded, os.environ), stop)
    except Stopped:
        raise
    except Exception as error:  # a damaged file makes pyarrow raise nearly anything
        say(
            f"[retention] cannot be applied: {error!r:.300}; trying again tomorrow, or with `heliograph forget --expired`"
        )
        return
    if gone.rows:
        say(f"[retention] deleted {gone}")
