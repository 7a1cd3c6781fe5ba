"""Dropping the rows of calls from the lake, given the calls: what `forget` and retention have in common."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from addon.settling.rewrite import Rewritten, rewrite
from addon.storage.disk_use import days
from addon.storage.folders import Folders


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of some days: of each day a table with the columns `request_id` and `started_at`, since ids may repeat."""

    by_day: Mapping[date, pa.Table]

    def ids(self) -> pa.ChunkedArray:
        return pa.chunked_array(
            [chunk for calls in self.by_day.values() for chunk in calls["request_id"].chunks], pa.string()
        )


def drop_calls(
    folders: Folders, table: str, day: date, calls: pa.Table, stop: threading.Event | None = None
) -> list[Rewritten]:
    """Drops the rows of these calls of one day from `requests` or `bodies`; see `rewrite`."""
    keys = _keys(calls)
    times = pc.min_max(calls["started_at"])
    started = pc.field("started_at")
    where = (started >= times["min"]) & (started <= times["max"]) & pc.field("request_id").isin(calls["request_id"])

    def kept(rows: pa.Table) -> pa.Table:
        return rows.filter(pc.invert(pc.is_in(_keys(rows), value_set=keys)))

    return rewrite(folders, table, day, where, kept, stop=stop)


def drop_events(folders: Folders, table: str, request_ids: pa.Array) -> list[Rewritten]:
    """Drops what was said of these calls from one of the event tables, on all days; see `rewrite`."""
    if not len(request_ids):
        return []

    def kept(rows: pa.Table) -> pa.Table:
        return rows.filter(pc.invert(pc.is_in(rows["request_id"], value_set=request_ids)))

    where = pc.field("request_id").isin(request_ids)
    return [done for day in list(days(folders, table)) for done in rewrite(folders, table, day, where, kept)]


def dropped(done: list[Rewritten]) -> int:
    """Rows that went."""
    return sum(each.rows_before - each.rows_after for each in done)


def _keys(calls: pa.Table) -> pa.ChunkedArray:
    """The id and the start of each call as one text."""
    started = calls["started_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).cast(pa.string())
    return pc.binary_join_element_wise(calls["request_id"], started, "|")
