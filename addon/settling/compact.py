"""Merging all that can be merged, at once and by hand: each day of each table into one file."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import pyarrow.parquet as pq

from addon.settling.merge import finish_merges, merge_files, mergeable
from addon.settling.summarise import remove_orphans
from addon.storage.disk_use import tables_and_days
from addon.storage.folders import Folders, tried_lock
from addon.storage.lake import column_types

LOCK_PATIENCE_S: Final = 10.0  # a proxy's settler looks for merges every 30 s, mostly for milliseconds


class Busy(Exception):
    """Another process merges in this folder."""


@dataclass(frozen=True, slots=True)
class Merge:
    """Files of one day that become one."""

    table: str
    day: date
    names: list[str]
    rows: int


def planned(folders: Folders) -> list[Merge]:
    """The merges that are left to do: of days with several files, or with a file that lacks newer columns."""
    found = []
    for table, day in tables_and_days(folders):
        names = list(mergeable(folders, table, day))
        heads = [pq.read_metadata(folders.lake_day(table, day) / name) for name in names]
        needed = set(column_types(table))
        if len(names) > 1 or any(needed - set(head.schema.to_arrow_schema().names) for head in heads):
            found.append(Merge(table, day, names, sum(head.num_rows for head in heads)))
    return found


def run(folders: Folders, merge: Merge, stop: threading.Event, told: Callable[[int], None]) -> None:
    """Does one. `told` gets the number of rows after each part. Raises OSError, Stopped, and what pyarrow raises for a
    damaged file; the files stay as they are then."""
    merge_files(folders, merge.table, merge.day, merge.names, stop, told)


def remove_replaced(folders: Folders, now: float) -> None:
    """Removes the files that merges replaced, whose grace is over at `now` in epoch seconds. Raises OSError."""
    for table, day in tables_and_days(folders):
        finish_merges(folders, table, day, now)
    remove_orphans(folders)


@contextlib.contextmanager
def only_merger(folders: Folders, patience_s: float = LOCK_PATIENCE_S) -> Iterator[None]:
    """Nobody else merges meanwhile; a proxy's settler goes on settling. Raises Busy, OSError."""
    with tried_lock(folders.merge_lock, patience_s) as ours:
        if not ours:
            raise Busy
        yield
