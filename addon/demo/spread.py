"""Spreads the calls of a demo over the days before it, so that reports by day have something to show.

The calls themselves were made in a few seconds; only their times are moved, and their rows to the folders of the new
dates. Their prices stay those of the day on which they were made.
"""

from collections.abc import Mapping
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from addon.settling.parquet import write_parquet
from addon.storage.folders import Folders
from addon.storage.lake import time_column, visible_files
from addon.storage.record import CALL_TABLES

DAYS: Final = 29  # so that the reports' 30 days still show the first call an hour later


def spread(data: Path, days: int = DAYS) -> None:
    """Moves the calls of a folder that only a demo wrote, and where no proxy runs. Raises OSError.

    They lie at equal distances in the order in which they began, the first of them `days` before the last. The calls of a
    session move together with its first.
    """
    files = {table: visible_files(data, table).parquet for table in CALL_TABLES}
    rows = {table: pa.concat_tables(_read(path) for path in paths) for table, paths in files.items() if paths}
    if not rows:
        return
    shifts = _shifts(rows["requests"], timedelta(days=days))
    for table, all_rows in rows.items():
        moved = _moved(all_rows, time_column(table), shifts)
        written = _write(Folders(data), table, files[table][0].stem, moved)
        for path in set(files[table]) - written:
            path.unlink()


def _read(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None)


def _shifts(requests: pa.Table, span: timedelta) -> dict[str, timedelta]:
    """By how much each call moves, by its request id."""
    calls = requests.select(["request_id", "session_id", "started_at"]).sort_by("started_at").to_pylist()
    of_sessions: dict[str, timedelta] = {}
    shifts: dict[str, timedelta] = {}
    for number, call in enumerate(calls):
        shift = -span * (len(calls) - 1 - number) / max(1, len(calls) - 1)
        shifts[call["request_id"]] = of_sessions.setdefault(call["session_id"] or call["request_id"], shift)
    return shifts


def _moved(rows: pa.Table, time: str, shifts: Mapping[str, timedelta]) -> pa.Table:
    place = rows.schema.get_field_index(time)
    times = [
        started + shifts[request_id]
        for request_id, started in zip(rows["request_id"].to_pylist(), rows[time].to_pylist(), strict=True)
    ]
    field = rows.schema.field(place)
    return rows.set_column(place, field, pa.array(times, field.type)).sort_by(time)


def _write(folders: Folders, table: str, segment: str, rows: pa.Table) -> set[Path]:
    """Writes one file for each date; returns their paths."""
    dates = [moment.date() for moment in rows[time_column(table)].to_pylist()]
    paths: set[Path] = set()
    for day, positions in groupby(range(len(dates)), key=dates.__getitem__):
        first, *_ = of_day = list(positions)
        path = folders.parquet(table, segment, day)
        write_parquet(path, table, [rows.slice(first, len(of_day))])
        paths.add(path)
    return paths
