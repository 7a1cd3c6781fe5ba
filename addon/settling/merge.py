"""Merging small Parquet files of a day, so that reports open few.

Readers must see each row once at every moment: a note `<name>.replaces` with the names of the inputs is written first,
then the merged file appears under `<name>.parquet` and hides them, all at one rename. The inputs go after a grace for
queries that have already listed them, the note goes last. A killed merge leaves a note without its file, which hides
nothing. The settler that holds the data folder's lock is the only one who merges.
"""

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from addon.settling.messages import say
from addon.settling.parquet import arrow_schema, write_parquet
from addon.storage.folders import Folders, entries, parse_day, sync_folder, write_note
from addon.storage.lake import (
    MERGED_PREFIX,
    column_types,
    is_whole,
    list_day,
    read_note,
    replaced_names,
    time_column,
)
from addon.storage.record import ADDED_COLUMNS, TABLES

MANY_FILES: Final = 100
SMALL_BYTES: Final = 64 * 2**20  # larger files stay as they are: rewriting them costs more than it gains
# Long calls make all files of some minutes overlap in time, and their bodies fill gigabytes.
WAITING_BYTES: Final = 256 * 2**20
GRACE_S: Final = 60.0  # a query may take that long to open what it has listed
QUIET_S: Final = 600.0  # a day that is over and was not touched for so long is finished
EVERY_S: Final = 30.0


class Stopped(Exception):
    """The settler shall stop; the merge is abandoned."""


@dataclass(frozen=True, slots=True)
class _Group:
    """One row group of an input: what a merge reads at a time."""

    earliest: datetime
    path: Path
    number: int


class Merger:
    """Merges in a thread beside the settler's loop; a merge may take longer than a row may wait."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._next_at = time.monotonic() + EVERY_S

    def start_if_due(self) -> None:
        now = time.monotonic()
        if now >= self._next_at and not (self._thread and self._thread.is_alive()):
            self._next_at = now + EVERY_S
            self._thread = threading.Thread(target=self._pass, name="merge")
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _pass(self) -> None:
        try:
            merge_all(self.folders, time.time(), self._stop)
        except Stopped:
            return
        except OSError as error:
            say(f"cannot merge: {error}; the files stay as they are")


def merge_all(folders: Folders, now: float, stop: threading.Event | None = None) -> int:
    """One round over all tables and days; `now` in epoch seconds. Returns the number of merged files.

    A day that cannot be merged is named, and the others are. Raises Stopped, and OSError where no folder can be listed.
    """
    merged = 0
    for table in TABLES:
        for folder in sorted(entries(folders.lake(table)), key=lambda entry: entry.name):
            day = parse_day(folder.name.removeprefix("date="))
            if day and folder.name.startswith("date=") and folder.is_dir():
                try:
                    merged += _merge_if_due(folders, table, day, now, stop)
                except Stopped:
                    raise
                except Exception as error:  # a damaged file makes pyarrow raise nearly anything
                    say(f"{folder.path}: cannot be merged: {error!r:.300}; its files stay as they are")
    return merged


def _merge_if_due(folders: Folders, table: str, day: date, now: float, stop: threading.Event | None) -> bool:
    folder = folders.lake_day(table, day)
    finish_merges(folder, now)
    least = 2 if _is_finished(folder, day, now) else MANY_FILES + 1
    if len(list_day(folder)[0]) < least or len(_mergeable(folders, table, day)) < least:
        return False
    return merge_day(folders, table, day, stop) is not None


def merge_day(folders: Folders, table: str, day: date, stop: threading.Event | None = None) -> Path | None:
    """Merges the small files of one day into one and returns it; None: fewer than two. Raises OSError, Stopped."""
    folder = folders.lake_day(table, day)
    names = _mergeable(folders, table, day)
    if len(names) < 2:
        return None
    stem = MERGED_PREFIX + hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    target, note = folder / f"{stem}.parquet", folder / f"{stem}.replaces"
    write_note(note, names)
    write_parquet(target, table, sorted_rows([folder / name for name in names], table, stop))
    return target


def finish_merges(folder: Path, now: float) -> None:
    """Removes what published merges replace, after the grace, and the notes that have done their work. Raises OSError."""
    for entry in list(entries(folder)):
        if entry.name.startswith(f".{MERGED_PREFIX}") and now - entry.stat().st_mtime >= QUIET_S:
            Path(entry.path).unlink()  # a merge that was killed
        if not entry.name.endswith(".replaces") or not entry.name.startswith(MERGED_PREFIX):
            continue
        note = Path(entry.path)
        merged = note.with_suffix(".parquet")
        if merged.exists():
            if now - merged.stat().st_mtime < GRACE_S:
                continue
            replaced = read_note(note)
            if replaced is None or not is_whole(merged):
                say(f"{note}: not a note of ours, or of a torn file; skipped, nothing is removed for it")
                continue
            for name in set(replaced) - {merged.name}:
                (folder / name).unlink(missing_ok=True)
            sync_folder(folder)  # before the note goes, or a power cut could bring inputs back that nothing hides
        if note.is_file() and not note.is_symlink():
            note.unlink()


def _mergeable(folders: Folders, table: str, day: date) -> list[str]:
    """Names of the small, whole files of a day that no merge or settled file still speaks of."""
    folder = folders.lake_day(table, day)
    names, _ = list_day(folder)
    hidden = replaced_names(folder, names)
    settled = folders.settled(table)
    chosen = []
    for name in sorted(names - hidden):
        path, stem = folder / name, name.removesuffix(".parquet")
        if (
            path.stat().st_size < SMALL_BYTES
            and not path.with_suffix(".replaces").exists()
            and not (settled / f"{stem}.{day.isoformat()}.jsonl").exists()
            and is_whole(path)
            and _is_ours(path, table)
        ):
            chosen.append(name)
    return chosen


def _is_ours(path: Path, table: str) -> bool:
    """Whether there are rows of the table in it. What is foreign stays as it is, and must not keep ours from a merge."""
    try:
        metadata = pq.read_metadata(path)
    except pa.ArrowException:
        return False
    names = set(metadata.schema.to_arrow_schema().names)
    needed = set(column_types(table))
    return bool(metadata.num_rows) and needed - ADDED_COLUMNS.get(table, frozenset()) <= names <= needed


def _is_finished(folder: Path, day: date, now: float) -> bool:
    if day >= datetime.fromtimestamp(now, UTC).date():
        return False
    touched = max((entry.stat().st_mtime for entry in entries(folder)), default=0.0)
    return now - touched >= QUIET_S


def sorted_rows(
    paths: list[Path], table: str, stop: threading.Event | None, most_bytes: int = WAITING_BYTES
) -> Iterator[pa.Table]:
    """All rows in order of time, a row group of an input at a time.

    Groups are taken in order of their earliest row. Rows earlier than the next group's earliest can go out; the rest
    waits, so memory holds as many groups as overlap in time. Above `most_bytes` all go out: order only makes queries
    faster.
    """
    column = time_column(table)
    groups = sorted((group for path in paths for group in _groups(path, column)), key=lambda group: group.earliest)
    schema = arrow_schema(table)
    waiting = schema.empty_table()
    for index, group in enumerate(groups):
        if stop and stop.is_set():
            raise Stopped
        read = _with_all_columns(pq.ParquetFile(group.path).read_row_group(group.number), schema)
        waiting = pa.concat_tables([waiting, read]).sort_by(column)
        if waiting.nbytes > most_bytes:
            yield waiting
            waiting = schema.empty_table()
        elif index + 1 < len(groups):
            early = pc.less(waiting[column], pa.scalar(groups[index + 1].earliest, schema.field(column).type))
            count = pc.sum(early).as_py() or 0
            yield waiting.slice(0, count)
            waiting = waiting.slice(count)
    yield waiting


def _with_all_columns(read: pa.Table, schema: pa.Schema) -> pa.Table:
    """NULL in the columns that were added after the file was written."""
    columns = [
        read[item.name].cast(item.type) if item.name in read.column_names else pa.nulls(read.num_rows, item.type)
        for item in schema
    ]
    return pa.table(columns, schema=schema)


def _groups(path: Path, column: str) -> Iterator[_Group]:
    with pq.ParquetFile(path) as file:
        leaf = next(
            index
            for index in range(file.metadata.num_columns)
            if file.metadata.row_group(0).column(index).path_in_schema == column
        )
        for number in range(file.num_row_groups):
            yield _Group(file.metadata.row_group(number).column(leaf).statistics.min, path, number)
