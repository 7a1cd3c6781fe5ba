"""The rows of several Parquet files in the order that a merged file has, in bounded memory.

Most tables are in order of time: queries of a few days or hours then skip most row groups (within a group of `requests`
parquet.py puts calls that are alike together). Bodies are in order of session:
a turn of a conversation repeats the turns before it, and next to them it takes a tenth of the bytes.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from addon.settling.messages import say
from addon.settling.parquet import arrow_schema, read_group
from addon.storage.lake import time_column

# Long calls make all files of some minutes overlap in time, and their bodies fill gigabytes.
WAITING_BYTES: Final = 256 * 2**20
# Bodies are sorted by session within so many bytes or rows: each row group may be read once for each part of them.
WINDOW_BYTES: Final = 2 * 2**30
WINDOW_ROWS: Final = 500_000
PART_BYTES: Final = 64 * 2**20
PIECE_BYTES: Final = 2**20  # handed on at a time: row groups of any size can be made of them

Indexes = npt.NDArray[np.int64]


class Stopped(Exception):
    """The settler shall stop; the merge is abandoned."""


@dataclass(frozen=True, slots=True)
class _Group:
    """One row group of an input: what a merge reads at a time."""

    earliest: datetime
    path: Path
    number: int
    rows: int
    size: int  # bytes, decompressed

    def read(self, schema: pa.Schema, stop: threading.Event | None) -> pa.Table:
        """All columns of `schema`; NULL in those that were added after the file was written. Raises Stopped."""
        if stop and stop.is_set():
            raise Stopped
        with pq.ParquetFile(self.path) as file:
            return read_group(file, self.number, schema)


def sorted_rows(
    paths: Sequence[Path], table: str, stop: threading.Event | None, most_bytes: int = WAITING_BYTES
) -> Iterator[pa.Table]:
    """All rows in order of time, a row group of an input at a time.

    Groups are taken in order of their earliest row. Rows earlier than the next group's earliest can go out; the rest
    waits, so memory holds as many groups as overlap in time. Above `most_bytes` all go out: order only makes queries
    faster.
    """
    column = time_column(table)
    groups = _groups(paths, column)
    schema = arrow_schema(table)
    waiting = schema.empty_table()
    for index, group in enumerate(groups):
        waiting = pa.concat_tables([waiting, group.read(schema, stop)]).sort_by(column)
        if waiting.nbytes > most_bytes:
            yield waiting
            waiting = schema.empty_table()
        elif index + 1 < len(groups):
            early = pc.less(waiting[column], pa.scalar(groups[index + 1].earliest, schema.field(column).type))
            count = pc.sum(early).as_py() or 0
            yield waiting.slice(0, count)
            waiting = waiting.slice(count)
    yield waiting


def rows_as_they_are(paths: Iterable[Path], table: str) -> Iterator[pa.Table]:
    """The rows of one file after the other, a row group at a time."""
    schema = arrow_schema(table)
    for path in paths:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                yield read_group(file, number, schema)


def by_session(
    paths: Sequence[Path],
    requests: Sequence[Path],
    stop: threading.Event | None,
    *,
    window_bytes: int = WINDOW_BYTES,
    part_bytes: int = PART_BYTES,
) -> Iterator[pa.Table]:
    """All bodies, those of a session together and in order of time; sessions in order of their first call.

    `requests`: the files that say which session a call is of. A call without a session has its place by its own time.
    Memory holds a part, and one row group of an input.
    """
    schema = arrow_schema("bodies")
    for groups in _windows(_groups(paths, "started_at"), window_bytes):
        index = _index(groups, schema, stop)
        order = _session_order(index, requests)
        ends = np.cumsum(index["size"].to_numpy()[order]) // part_bytes
        cuts = [0, *(np.flatnonzero(np.diff(ends)) + 1), len(order)]
        for begin, end in pairwise(cuts):
            part = _rows_at(order[begin:end], index, groups, schema, stop)
            step = max(1, part.num_rows * PIECE_BYTES // max(part.nbytes, 1))
            yield from (part.slice(first, step) for first in range(0, part.num_rows, step))


def _windows(groups: Iterable[_Group], window_bytes: int) -> Iterator[list[_Group]]:
    window: list[_Group] = []
    for group in groups:
        window.append(group)
        if sum(one.size for one in window) >= window_bytes or sum(one.rows for one in window) >= WINDOW_ROWS:
            yield window
            window = []
    if window:
        yield window


def _index(groups: Sequence[_Group], schema: pa.Schema, stop: threading.Event | None) -> pa.Table:
    """One row a body: its id, time and size in bytes, and where it is: the group's number in `groups`, the row in it."""
    parts = []
    for number, group in enumerate(groups):
        read = group.read(schema, stop)
        texts = [pc.fill_null(pc.binary_length(read[item.name]), 0) for item in schema if item.type == pa.string()]
        size = np.sum([text.to_numpy() for text in texts], axis=0, dtype=np.int64)
        columns = {
            "request_id": read["request_id"],
            "started_at": read["started_at"],
            "size": size,
            "group": np.full(read.num_rows, number),
            "row": np.arange(read.num_rows),
        }
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def _session_order(index: pa.Table, requests: Sequence[Path]) -> Indexes:
    """The rows of `index` in the order of `by_session`."""
    started = index["started_at"].cast(pa.int64()).to_numpy()
    session = _sessions(index, requests)
    known = session >= 0
    first = started.copy()
    if known.any():
        firsts = np.full(int(session.max()) + 1, np.iinfo(np.int64).max)
        np.minimum.at(firsts, session[known], started[known])
        first[known] = firsts[session[known]]
    return np.lexsort((started, session, first))


def _sessions(index: pa.Table, requests: Sequence[Path]) -> Indexes:
    """A number for the session of each row, -1 for none."""
    times = pc.min_max(index["started_at"]).as_py()
    started = pc.field("started_at")
    within = (started >= times["min"]) & (started <= times["max"]) & pc.field("session_id").is_valid()
    found = []
    for path in requests:
        try:
            found.append(pq.read_table(path, columns=["request_id", "session_id"], filters=within))
        except (pa.ArrowException, OSError) as error:  # the order saves bytes, and nothing else
            say(f"{path}: cannot be read: {error!r:.300}; bodies of its calls are not sorted by session")
    if not found:
        return np.full(index.num_rows, -1)
    calls = pa.concat_tables(found)
    position = pc.index_in(index["request_id"], value_set=calls["request_id"].combine_chunks())
    session = pc.take(calls["session_id"], position).combine_chunks().dictionary_encode()
    numbers: Indexes = pc.fill_null(session.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return numbers


def _rows_at(
    places: Indexes, index: pa.Table, groups: Sequence[_Group], schema: pa.Schema, stop: threading.Event | None
) -> pa.Table:
    """The bodies at these places of `index`, in that order."""
    of_group, row = index["group"].to_numpy()[places], index["row"].to_numpy()[places]
    parts: list[Any] = []
    taken: list[Indexes] = []
    for number in np.unique(of_group):
        wanted = np.flatnonzero(of_group == number)
        parts.append(groups[number].read(schema, stop).take(pa.array(row[wanted])))
        taken.append(wanted)
    back = np.argsort(np.concatenate(taken), kind="stable")
    return pa.concat_tables(parts).take(pa.array(back))


def _groups(paths: Iterable[Path], column: str) -> list[_Group]:
    """The row groups of all files in order of their earliest row."""
    return sorted((group for path in paths for group in _groups_of(path, column)), key=lambda group: group.earliest)


def _groups_of(path: Path, column: str) -> Iterator[_Group]:
    with pq.ParquetFile(path) as file:
        leaf = next(
            index
            for index in range(file.metadata.num_columns)
            if file.metadata.row_group(0).column(index).path_in_schema == column
        )
        for number in range(file.num_row_groups):
            found = file.metadata.row_group(number)
            yield _Group(found.column(leaf).statistics.min, path, number, found.num_rows, found.total_byte_size)
