"""The one way to change rows that are stored: files that have such rows are written again, all others stay as they are.

A file becomes a new one, which a note `<name>.replaces` puts in its place as after a merge (see `merge`): at one rename
readers see the new rows instead of the old ones. A killed pass leaves a hidden file or a note without its file, which
`finish_merges` removes when the next process takes the lock of all merges. A pass that is repeated finds fewer files left to write.

The caller holds that lock (`compact.only_merger`) for the whole pass, and has had all finished calls settled before
(`settled_first`). The rows of a file may still be among the settled lines for a while: the note hides these, too.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from addon.settling.merge import is_ours
from addon.settling.merge_order import Stopped
from addon.settling.parquet import arrow_schema, files_as_one, read_group, write_parquet
from addon.storage.folders import Folders, write_note
from addon.storage.lake import MERGED_PREFIX, read_note, visible_day

# Gets some rows of a file with all columns of the table; returns those that stay, with the same columns.
Change = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A file that was written again. `path` is the new one; it may have no rows left."""

    table: str
    day: date
    path: Path
    rows_before: int
    rows_after: int


def files_with(folders: Folders, table: str, day: date, where: pc.Expression) -> dict[Path, int]:
    """The files of a day with rows that fit, and the number of these rows. Reads the columns of `where`, and of them only
    the row groups that may fit. Raises OSError, and what pyarrow raises for a damaged file."""
    schema = arrow_schema(table)
    found = {}
    for path in visible_day(folders.lake_day(table, day)):
        if is_ours(path, table):
            rows = files_as_one([path], schema).count_rows(filter=where)
            if rows:
                found[path] = rows
    return found


def rewrite(
    folders: Folders,
    table: str,
    day: date,
    where: pc.Expression,
    change: Change,
    *,
    stop: threading.Event | None = None,
) -> list[Rewritten]:
    """Writes each file of a day again that has rows that fit `where`. `change` gets all its rows, the others too, a row
    group at a time.

    Readers see the rows of a file before or after the change, whenever they look. The old files stay until `finish_merges`.
    Raises OSError, Stopped, what `change` raises, and what pyarrow raises for a damaged file; the files that are not
    written then are as they were.
    """
    return [rewrite_file(path, table, day, change, stop=stop) for path in files_with(folders, table, day, where)]


def rewrite_file(
    path: Path,
    table: str,
    day: date,
    change: Change,
    *,
    stop: threading.Event | None = None,
) -> Rewritten:
    """The same for one file that `files_with` found."""
    return _replace(path, table, day, _changed(path, table, change, stop))


def empty(path: Path, table: str, day: date) -> Rewritten:
    """Replaces a file by one without rows, which goes with it."""
    return _replace(path, table, day, ())


def _replace(path: Path, table: str, day: date, parts: Iterable[pa.Table]) -> Rewritten:
    stem = MERGED_PREFIX + hashlib.sha256(path.name.encode()).hexdigest()[:16]
    target = path.with_name(f"{stem}.parquet")
    # What the old file hides is hidden by the new one too, or it would come back when the old one goes first.
    write_note(path.with_name(f"{stem}.replaces"), [path.name, *(read_note(path.with_suffix(".replaces")) or [])])
    rows_before = pq.read_metadata(path).num_rows
    rows_after = write_parquet(target, table, parts, is_final=True)
    return Rewritten(table, day, target, rows_before, rows_after)


def _changed(path: Path, table: str, change: Change, stop: threading.Event | None) -> Iterator[pa.Table]:
    schema = arrow_schema(table)
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            if stop and stop.is_set():
                raise Stopped
            rows = read_group(file, number, schema)
            if (changed := change(rows)).num_rows:
                yield changed.select(schema.names).cast(schema)
