"""Makes the summaries of merged files of `requests` (addon/storage/summary.py), and removes those whose file is gone."""

import contextlib
import io
import os
import shutil
import threading
from datetime import date
from pathlib import Path
from typing import IO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from addon.settling.merge_order import Stopped
from addon.settling.messages import say
from addon.settling.parquet import arrow_schema, read_group
from addon.storage import summary
from addon.storage.disk_use import days
from addon.storage.folders import Folders, make_folder, write_whole
from addon.storage.lake import MERGED_PREFIX, list_day, visible_day

# A question over a summary with half of the rows saves less than the summary takes on the disk.
LEAST_CALLS_A_ROW: Final = 2
LEAST_BYTES: Final = 2**18  # some 3,000 calls: a smaller file is read as soon as its summary
_NEEDED: Final = tuple(
    dict.fromkeys(("started_at", *summary.GROUPS, *summary.SUMS, "time_to_first_token_ms", "usage_raw"))
)


def summarise_all(folders: Folders, stop: threading.Event | None = None, least_bytes: int = LEAST_BYTES) -> int:
    """Makes the summaries that are missing, removes those that nothing needs; returns how many were made. Raises OSError,
    Stopped. The caller holds the lock of all merges."""
    remove_orphans(folders)
    for earlier in summary.folders_of_earlier_versions(folders.data):
        shutil.rmtree(earlier)
    return sum(_summarise_day(folders, day, stop, least_bytes) for day in days(folders, "requests"))


def _summarise_day(folders: Folders, day: date, stop: threading.Event | None, least_bytes: int) -> int:
    folder = folders.lake_day("requests", day)
    names, _ = list_day(folder)
    if all(_is_decided(folders, folder / name, least_bytes) for name in names):  # without opening a file
        return 0
    files = [file for file in visible_day(folder) if not _is_decided(folders, file, least_bytes)]
    return sum(_summarise(file, summary.summary_of(folders.data, file), stop) for file in files)


def _is_decided(folders: Folders, file: Path, least_bytes: int) -> bool:
    target = summary.summary_of(folders.data, file)
    return (
        not file.name.startswith(MERGED_PREFIX)
        or target.exists()
        or summary.not_worth(target).exists()
        or not file.exists()
        or file.stat().st_size < least_bytes
    )


def remove_orphans(folders: Folders) -> None:
    """Removes the summaries whose file is gone: they hold users and sessions as well. Raises OSError."""
    for day in summary.days(folders.data):
        for path in summary.without_file(folders.data, day):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it has more
            (summary.folder(folders.data) / f"date={day.isoformat()}").rmdir()


def _summarise(file: Path, target: Path, stop: threading.Event | None) -> bool:
    """A row group at a time: calls of a quarter of an hour that are in two of them have two rows, which is as right."""
    import duckdb  # only where there is something to do: 60 MB

    make_folder(target.parent.parent)
    make_folder(target.parent)
    kinds = (  # the summary last: it says that the others are there
        (summary.times_of(target), summary.times),
        (summary.brief_of(target), summary.brief),
        (target, summary.summarised),
    )
    parts: dict[Path, list[pa.Table]] = {path: [] for path, _ in kinds}
    schema = arrow_schema("requests")
    calls = 0
    try:
        with pq.ParquetFile(file) as opened, duckdb.connect(config={"threads": 1}) as connection:
            connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
            for number in range(opened.num_row_groups):
                if stop and stop.is_set():
                    raise Stopped
                rows = read_group(opened, number, schema).select(_NEEDED)
                calls += rows.num_rows
                connection.register("calls_of_group", rows)
                for path, sql in kinds:
                    parts[path].append(connection.sql(sql("calls_of_group")).to_arrow_table())
                connection.unregister("calls_of_group")
    except (
        pa.ArrowException,
        duckdb.Error,
    ) as error:  # e.g. sums that no column holds; reports then read the calls
        say(f"{file}: has no summary, reports read its calls: {error!r:.300}")
        parts[target] = []
    if not parts[target] or sum(rows.num_rows for rows in parts[target]) * LEAST_CALLS_A_ROW > calls:
        os.close(os.open(summary.not_worth(target), os.O_CREAT | os.O_WRONLY, 0o600))
        return False
    for path, _ in kinds:
        _write(pa.concat_tables(parts[path]), path)
    return True


def _write(rows: pa.Table, target: Path) -> None:
    out = io.BytesIO()
    write_rows(rows, out)
    write_whole(target, out.getvalue())


def write_rows(rows: pa.Table, out: IO[bytes]) -> None:
    """Numbers as deltas: read in three quarters of the time that a dictionary takes."""
    kinds = {item.name: item.type for item in rows.schema}
    numbers = [name for name, kind in kinds.items() if pa.types.is_integer(kind) or pa.types.is_timestamp(kind)]
    others = [name for name, kind in kinds.items() if name not in numbers and not pa.types.is_map(kind)]
    maps = [name for name, kind in kinds.items() if pa.types.is_map(kind)]
    pq.write_table(
        rows,
        out,
        compression="zstd",
        compression_level=9,
        use_dictionary=[*others, *(f"{name}.key_value.{part}" for name in maps for part in ("key", "value"))],
        column_encoding=dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
    )
