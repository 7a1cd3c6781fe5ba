"""Stored calls priced again: read and worked out a day at a time, then written a file at a time.

All of a file's rows change at one rename (addon/settling/rewrite.py). A pass that was killed has changed some files and not
others; repeated, it finds what is left, as a row that has today's price already does not change.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from addon.metering.price import PriceList
from addon.settling.journal_reader import Call
from addon.settling.reprice import Kept, changes, repriced
from addon.settling.reread import rebuilt, was_not_read
from addon.settling.rewrite import rewrite
from addon.storage.folders import Folders
from addon.storage.record import BodyRow, RequestRow
from analysis.explained import NAMES, as_row, selected_row
from analysis.lake import Connection, Lake
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import Window
from analysis.table import fetch

_AT_ONCE: Final = 500
_BODY: Final = (
    "request_body",
    "response_body",
    "request_truncated",
    "response_truncated",
    "request_headers",
    "response_headers",
)
Reader = Callable[[Call], tuple[RequestRow, BodyRow]]  # addon.settling.row_worker.RowMaker


class Key(NamedTuple):
    """A row, as far as one can be told: ids may repeat. `cost_nanousd`: before; a row that has changed meanwhile is another."""

    request_id: str
    started_at: datetime
    cost_nanousd: int | None


class Model(NamedTuple):
    provider_name: str
    model: str | None


@dataclass(slots=True)
class Sum:
    """The calls of one model, before and after."""

    calls: int = 0
    changed: int = 0
    old_nanousd: int = 0
    new_nanousd: int = 0
    old_unpriced: int = 0
    new_unpriced: int = 0


@dataclass(slots=True)
class Repricing:
    """What would change, or has changed. `kept`: calls that stay as they are, by why."""

    models: dict[Model, Sum] = field(default_factory=dict)
    kept: dict[Kept, int] = field(default_factory=dict)
    changes: dict[Key, Mapping[str, Any]] = field(default_factory=dict)  # of one day

    def add(self, row: RequestRow, new: RequestRow, kept: Kept | None) -> None:
        found = self.models.setdefault(Model(row.provider_name, row.response_model or row.request_model), Sum())
        found.calls += 1
        found.old_nanousd += row.cost_nanousd or 0
        found.new_nanousd += new.cost_nanousd or 0
        found.old_unpriced += row.cost_nanousd is None
        found.new_unpriced += new.cost_nanousd is None
        if kept:
            self.kept[kept] = self.kept.get(kept, 0) + 1
        if new is not row:
            found.changed += 1
            self.changes[Key(row.request_id, row.started_at, row.cost_nanousd)] = changes(row, new)

    def merge(self, other: "Repricing") -> None:
        """Takes the sums of another day in."""
        for model, theirs in other.models.items():
            mine = self.models.setdefault(model, Sum())
            for name in Sum.__slots__:
                setattr(mine, name, getattr(mine, name) + getattr(theirs, name))
        for why, calls in other.kept.items():
            self.kept[why] = self.kept.get(why, 0) + calls

    @property
    def changed(self) -> int:
        return sum(each.changed for each in self.models.values())


@dataclass(frozen=True, slots=True)
class Scoped:
    """Which calls are priced again, and by what."""

    lake: Lake
    window: Window
    where: str | None
    prices: PriceList
    reader: Reader
    now: datetime


def days_of(scoped: Scoped) -> list[date]:
    """The days (UTC) with such calls. Raises BadCondition."""

    def question(connection: Connection) -> list[date]:
        open_scope(connection, Scope(scoped.window, scoped.where))
        return [row["date"] for row in fetch(connection, "select distinct date from calls order by date").records()]

    return scoped.lake.ask(question)


def reprice_day(scoped: Scoped, day: date) -> Repricing:
    """What the calls of one day cost now. Nothing is written."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    window = scoped.window
    since = max(window.since, midnight)
    until = min(window.until or datetime.max.replace(tzinfo=UTC), midnight + timedelta(days=1))

    def question(connection: Connection) -> Repricing:
        found = Repricing()
        open_scope(connection, Scope(Window(since, until, window.zone), scoped.where))
        for row, body in _rows(connection):
            outcome = repriced(row, partial(_read, scoped.reader, row, body), scoped.prices, scoped.now)
            found.add(row, outcome.row, outcome.kept)
        return found

    return scoped.lake.ask(question)


def _rows(connection: Connection) -> Iterator[tuple[RequestRow, BodyRow | None]]:
    bodies = ", ".join(f"bodies.{name}" for name in _BODY)
    answer = connection.execute(
        f"select {selected_row('calls')}, bodies.request_id is not null, {bodies} from calls left join bodies"
        " on bodies.request_id = calls.request_id and bodies.started_at = calls.started_at"
    )
    while rows := answer.fetchmany(_AT_ONCE):
        for values in rows:
            row = as_row(values[: len(NAMES)])
            has_body, *body = values[len(NAMES) :]
            yield row, _body(row, dict(zip(_BODY, body, strict=True))) if has_body else None


def _body(row: RequestRow, values: dict[str, Any]) -> BodyRow:
    for name in ("request_headers", "response_headers"):
        values[name] = dict(values[name] or {})
    for name in ("request_truncated", "response_truncated"):
        values[name] = bool(values[name])
    return BodyRow(request_id=row.request_id, started_at=row.started_at, **values)


def _read(reader: Reader, row: RequestRow, body: BodyRow | None) -> RequestRow | None:
    """The row that the settler makes of the bodies today; the old row where it still fails."""
    if body is None or body.response_body is None:
        return None
    try:
        return reader(rebuilt(row, body))[0]
    except Exception:  # a bug of ours, as the settler takes it: the row tells of it already, or stays as it is
        return row if was_not_read(row) else None


def write_day(folders: Folders, day: date, wanted: Mapping[Key, Mapping[str, Any]]) -> int:
    """Writes the changes into the files of a day. Returns how many rows were changed: those that are not in Parquet yet are
    not. The caller holds the lock of all merges. Raises OSError, and what pyarrow raises for a damaged file."""
    if not wanted:
        return 0
    written = 0

    def change(rows: pa.Table) -> pa.Table:
        nonlocal written
        found = _found(rows, wanted)
        written += len(found)
        for name in {name for index in found for name in found[index]}:
            values = rows[name].to_pylist()
            for index, new in found.items():
                if name in new:
                    values[index] = _stored(new[name])
            position = rows.schema.get_field_index(name)
            rows = rows.set_column(position, rows.schema.field(name), pa.array(values, rows.schema.field(name).type))
        return rows

    ids = pa.array(sorted({key.request_id for key in wanted}))
    rewrite(folders, "requests", day, pc.field("request_id").isin(ids), change)
    return written


def _found(rows: pa.Table, wanted: Mapping[Key, Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """The rows to change, by their place."""
    columns = (rows[name].to_pylist() for name in Key._fields)
    keys = (Key(*values) for values in zip(*columns, strict=True))
    return {index: wanted[key] for index, key in enumerate(keys) if key in wanted}


def _stored(value: object) -> object:
    """As Arrow takes it."""
    return list(value.items()) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else value
