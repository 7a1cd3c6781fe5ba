"""Merging the Parquet files of a day into one large one, so that reports open few.

Readers must see each row once at every moment: a note `<name>.replaces` with the names of the inputs is written first,
then the merged file appears under `<name>.parquet` and hides them, all at one rename. The inputs go after a grace for
queries that have already listed them, the note goes last. A killed merge leaves a note without its file, which hides
nothing. The process that holds `merge.lock` is the only one that merges: a settler, or `heliograph compact`.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from addon.settling import named, shipped
from addon.settling.merge_order import Stopped, by_session, rows_as_they_are, sorted_rows
from addon.settling.messages import say
from addon.settling.parquet import write_parquet
from addon.settling.summarise import summarise_all
from addon.storage.disk_use import tables_and_days
from addon.storage.folders import Folders, entries, sync_folder, tried_lock, write_note
from addon.storage.lake import MERGED_PREFIX, column_types, is_whole, list_day, read_note, replaced_names, visible_day
from addon.storage.record import ADDED_COLUMNS

MANY_FILES: Final = 100
SMALL_BYTES: Final = 64 * 2**20  # smaller files are always worth a merge
# A larger file is written again only with so much of new rows that each row is written a few times in all.
MOST_TIMES_THE_REST: Final = 4
GRACE_S: Final = 60.0  # a query may take that long to open what it has listed
QUIET_S: Final = 600.0  # a day that is over and was not touched for so long is finished
EVERY_S: Final = 30.0


class Merger:
    """Merges in a thread beside the settler's loop; a merge may take longer than a row may wait.

    `daily` is called once in each day of UTC, with the lock of all merges held. It raises as `merge_all` does.
    """

    def __init__(self, folders: Folders, daily: Callable[[datetime, threading.Event], object]) -> None:
        self.folders = folders
        self._daily = daily
        self._done_on: date | None = None
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
            with tried_lock(self.folders.merge_lock) as ours:
                if ours:
                    merge_all(self.folders, time.time(), self._stop)
                    self._do_daily(datetime.now(UTC))
        except Stopped:
            return
        except OSError as error:
            say(f"cannot merge: {error}; the files stay as they are")

    def _do_daily(self, now: datetime) -> None:
        if self._done_on != now.date():
            self._done_on = now.date()  # a failure is told once a day
            self._daily(now, self._stop)


def merge_all(folders: Folders, now: float, stop: threading.Event | None = None) -> int:
    """One round over all tables and days; `now` in epoch seconds. Returns the number of merged files.

    A day that cannot be merged is named, and the others are. Raises Stopped, and OSError where no folder can be listed.
    """
    merged = 0
    for table, day in tables_and_days(folders):
        try:
            merged += _merge_if_due(folders, table, day, now, stop)
        except Stopped:
            raise
        except Exception as error:  # a damaged file makes pyarrow raise nearly anything
            say(f"{folders.lake_day(table, day)}: cannot be merged: {error!r:.300}; its files stay as they are")
    summarise_all(folders, stop)
    return merged


def _merge_if_due(folders: Folders, table: str, day: date, now: float, stop: threading.Event | None) -> bool:
    folder = folders.lake_day(table, day)
    finish_merges(folders, table, day, now)
    least = 2 if _is_finished(folder, day, now) else MANY_FILES + 1
    if len(list_day(folder)[0]) < least:
        return False
    names = worth_merging(mergeable(folders, table, day))
    return len(names) >= least and merge_files(folders, table, day, names, stop) is not None


def worth_merging(sizes: Mapping[str, int]) -> list[str]:
    """Of files and their bytes those to merge: the small ones, and a larger one if it is not too large beside them."""
    chosen: list[str] = []
    total = 0
    for name, size in sorted(sizes.items(), key=lambda item: item[1]):
        if size >= SMALL_BYTES and size > MOST_TIMES_THE_REST * total:
            break
        chosen.append(name)
        total += size
    return sorted(chosen)


def merge_day(folders: Folders, table: str, day: date, stop: threading.Event | None = None) -> Path | None:
    """Merges what is worth it of one day; None: fewer than two files. Raises OSError, Stopped."""
    names = worth_merging(mergeable(folders, table, day))
    return merge_files(folders, table, day, names, stop) if len(names) > 1 else None


def merge_files(
    folders: Folders,
    table: str,
    day: date,
    names: list[str],
    stop: threading.Event | None = None,
    told: Callable[[int], None] | None = None,
) -> Path:
    """Makes one file of these and returns it. `told` gets the number of rows after each part. Raises OSError, Stopped."""
    target = _noted_target(folders, table, day, names)
    paths = [target.parent / name for name in names]
    if table == "bodies":
        rows = by_session(paths, visible_day(folders.lake_day("requests", day)), stop)
    else:
        rows = sorted_rows(paths, table, stop)
    write_parquet(target, table, _told(rows, told) if told else rows, is_final=True)
    return target


def gather_files(folders: Folders, table: str, day: date, names: list[str]) -> Path:
    """Makes one file of a few small ones at a third of the CPU of `merge_files`: their rows follow each other as they are. For
    files that go on their way every few seconds; a later merge puts them into order. Raises OSError."""
    target = _noted_target(folders, table, day, names)
    write_parquet(target, table, rows_as_they_are((target.parent / name for name in names), table))
    return target


def _noted_target(folders: Folders, table: str, day: date, names: list[str]) -> Path:
    """The path of a merged file. The note beside it, of what it replaces, is written."""
    stem = MERGED_PREFIX + hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    target = folders.lake_day(table, day) / f"{stem}.parquet"
    write_note(target.with_suffix(".replaces"), names)
    return target


def _told(parts: Iterator[pa.Table], told: Callable[[int], None]) -> Iterator[pa.Table]:
    for part in parts:
        yield part
        told(part.num_rows)


def finish_merges(folders: Folders, table: str, day: date, now: float) -> None:
    """Removes what published merges of a day replace, after the grace, the notes that have done their work, and what a
    killed merge left. `now` in epoch seconds; `math.inf`: no query is waited for. The caller holds the lock of all merges.
    Raises OSError, Forgotten."""
    folder = folders.lake_day(table, day)
    for name in shipped.released_names(folders, table, day):
        (folder / name).unlink(missing_ok=True)  # killed while it was released: its rows are in a lake in a bucket
    for entry in list(entries(folder)):
        if entry.name.startswith(f".{MERGED_PREFIX}"):
            Path(entry.path).unlink()  # of a merge that was killed: nobody else writes one while we hold the lock
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
            if now - merged.stat().st_mtime < named.LONGEST_HOLD_S:
                held = named.held(folders, day, now)
                if any(f"{table}/{name}" in held for name in set(replaced) - {merged.name}):
                    continue  # an Iceberg table names them until the next commit
            for name in set(replaced) - {merged.name}:
                (folder / name).unlink(missing_ok=True)
            sync_folder(folder)  # before the note goes, or a power cut could bring inputs back that nothing hides
            if any(is_settled_elsewhere(folders, table, day, folder / name) for name in replaced):
                continue  # the note also hides these lines, and the file that a settler may make of them once more
            if shipped.may_count(folders, table, day, set(replaced) - {merged.name}):
                continue  # the note tells what the merged file replaces in a lake in a bucket, once it is shipped
            if not pq.read_metadata(merged).num_rows:
                merged.unlink()  # it only stood for files whose rows have all gone
        if note.is_file() and not note.is_symlink():
            note.unlink()


def mergeable(folders: Folders, table: str, day: date, but: Collection[str] = ()) -> dict[str, int]:
    """Names and bytes of the whole files of a day that no merge or settled file still speaks of. `but`: names that are left
    out, and not opened."""
    folder = folders.lake_day(table, day)
    names, _ = list_day(folder)
    hidden = replaced_names(folder, names)
    found = {}
    for name in sorted(names - hidden - set(but)):
        path = folder / name
        if (
            not path.with_suffix(".replaces").exists()
            and not is_settled_elsewhere(folders, table, day, path)
            and is_whole(path)
            and is_ours(path, table)
        ):
            found[name] = path.stat().st_size
    return found


def is_settled_elsewhere(folders: Folders, table: str, day: date, path: Path) -> bool:
    """Whether the rows of a Parquet file are among the settled lines too: these count as soon as the file is gone."""
    return folders.settled_file(table, path.stem, day).exists()


def is_ours(path: Path, table: str) -> bool:
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
