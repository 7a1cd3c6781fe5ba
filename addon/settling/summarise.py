"""Makes the summaries of merged files of `requests` (addon/storage/summary.py), and removes those whose file is gone."""

import contextlib
import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from addon.settling.merge_order import Stopped
from addon.settling.messages import say
from addon.settling.parquet import arrow_schema, read_group
from addon.storage import summary, summary_by_day
from addon.storage.disk_use import days
from addon.storage.folders import Folders, make_folder, parse_day, write_whole
from addon.storage.lake import MERGED_PREFIX, list_day, visible_day

# A question over a summary with half of the rows saves less than the summary takes on the disk.
LEAST_CALLS_A_ROW: Final = 2
LEAST_BYTES: Final = 2**18  # some 3,000 calls: a smaller file is read as soon as its summary
_NEEDED: Final = tuple(
    dict.fromkeys(
        (
            "started_at",
            *summary.GROUPS,
            *summary.SUMS,
            "time_to_first_token_ms",
            "usage_raw",
            "cache_reference_id",
            "failed_attempts",
        )
    )
)
# Texts of which the same ones come again and again: as numbers into a list of them they take a fifth less CPU to group by.
_WORDS: Final = [name for name in summary.GROUPS if arrow_schema("requests").field(name).type == pa.string()]
_NEAR_MIDNIGHT: Final = timedelta(minutes=1)


def summarise_all(
    folders: Folders,
    stop: threading.Event | None = None,
    least_bytes: int = LEAST_BYTES,
    seen: Callable[[int, int], None] = lambda days, of: None,
) -> int:
    """Makes the summaries that are missing, removes those that nothing needs; returns how many were made. Raises OSError,
    Stopped. The caller holds the lock of all merges. `seen` is told after each day how many are done, and of how many."""
    remove_orphans(folders)
    for earlier in summary.folders_of_earlier_versions(folders.data):
        shutil.rmtree(earlier)
    wanted, made = list(days(folders, "requests")), 0
    for done, day in enumerate(wanted, start=1):
        made += summarise_day(folders, day, stop, least_bytes)
        seen(done, len(wanted))
    return made


def summarise_day(
    folders: Folders, day: date, stop: threading.Event | None = None, least_bytes: int = LEAST_BYTES
) -> int:
    """Makes the summaries that are missing of one day; returns how many. Raises as `summarise_all`."""
    folder = folders.lake_day("requests", day)
    names, _ = list_day(folder)
    if all(_is_decided(folders, folder / name, least_bytes) for name in names):  # without opening a file
        return 0
    files = [file for file in visible_day(folder) if not _is_decided(folders, file, least_bytes)]
    return sum(_summarise(folders, file, summary.summary_of(folders.data, file), stop) for file in files)


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


def _summarise(folders: Folders, file: Path, target: Path, stop: threading.Event | None) -> bool:
    import duckdb  # only where there is something to do: 60 MB

    make_folder(target.parent.parent)
    make_folder(target.parent)
    try:
        made, calls = _made(folders, file, target, stop)
    except (
        pa.ArrowException,
        duckdb.Error,
    ) as error:  # e.g. sums that no column holds; reports then read the calls
        say(f"{file}: has no summary, reports read its calls: {error!r:.300}")
        made, calls = {}, 0
    if not made or made[target].num_rows * LEAST_CALLS_A_ROW > calls:
        os.close(os.open(summary.not_worth(target), os.O_CREAT | os.O_WRONLY, 0o600))
        return False
    for path in reversed(made):  # the summary last: it says that the others are there
        _write(made[path], path)
    return True


def _made(folders: Folders, file: Path, target: Path, stop: threading.Event | None) -> tuple[dict[Path, pa.Table], int]:
    """The summary and those beside it, none of a file without rows, and how many calls the file has.

    A row group at a time: calls of a quarter of an hour that are in two of them have two rows, which is as right."""
    import duckdb

    with_originals = "(from calls_of_group left join originals using (cache_reference_id))"
    kinds = (
        (target, summary.summarised(with_originals)),
        (summary.times_of(target), summary.times("calls_of_group")),
        (summary.brief_of(target), summary.brief("calls_of_group")),
        (summary.hits_of(target), summary.hits(with_originals)),
        (summary.retried_of(target), summary.retried("retried_of_group")),
    )
    by_day = (  # out of what is made of the row groups
        (summary.sessions_of(target), target, summary_by_day.sessions("found_of_groups")),
        (summary.day_times_of(target), summary.times_of(target), summary_by_day.times("found_of_groups")),
    )
    parts: dict[Path, list[pa.Table]] = {path: [] for path, _ in kinds}
    schema = _schema()
    calls = 0
    with (
        pq.ParquetFile(file, read_dictionary=_WORDS) as opened,
        duckdb.connect(config={"threads": 1}) as connection,
    ):
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        connection.register("found", _originals(folders, file))
        connection.execute(
            "create temp view originals as select request_id as cache_reference_id, any_value(duration_ms) as original_ms"
            " from found group by request_id"
        )
        for number in range(opened.num_row_groups):
            if stop and stop.is_set():
                raise Stopped
            rows = read_group(opened, number, schema)
            calls += rows.num_rows
            connection.register("calls_of_group", rows)
            # Few: DuckDB would make all columns of all calls for them.
            connection.register("retried_of_group", rows.filter(pc.field("attempts") > 1))
            for path, sql in kinds:
                parts[path].append(connection.sql(sql).to_arrow_table())
            connection.unregister("calls_of_group")
            connection.unregister("retried_of_group")
        made = {path: pa.concat_tables(of_groups) for path, of_groups in parts.items() if of_groups}
        for path, finer, sql in by_day if made else ():
            connection.register("found_of_groups", made[finer])
            made[path] = connection.sql(sql).to_arrow_table()
            connection.unregister("found_of_groups")
    return made, calls


def _schema() -> pa.Schema:
    """What is read of the calls."""
    whole, words = arrow_schema("requests"), pa.dictionary(pa.int32(), pa.string())
    return pa.schema([pa.field(name, words if name in _WORDS else whole.field(name).type) for name in _NEEDED])


def _originals(folders: Folders, file: Path) -> pa.Table:
    """`request_id` and `duration_ms` of the calls whose answers the hits in a file gave again, as far as they are in files of
    its day and of the days that their ids tell."""
    days = {parse_day(file.parent.name.removeprefix("date="))}
    wanted = _texts(file, "cache_reference_id")
    for request_id in wanted.to_pylist():
        days |= _days_of(request_id)
    found = [pa.schema([("request_id", pa.string()), ("duration_ms", pa.int64())]).empty_table()]
    if len(wanted):
        for day in filter(None, days):
            for other in visible_day(folders.lake_day("requests", day)):
                found += _calls_with(other, wanted)
    return pa.concat_tables(found)


def _texts(file: Path, column: str) -> pa.Array:
    """The values of a column, each once, without NULL."""
    with pq.ParquetFile(file) as opened:
        values = opened.read([column])[column].cast(pa.string())
    return pc.drop_null(pc.unique(values.combine_chunks()))


def _days_of(request_id: str) -> set[date]:
    """On which days the call with this id began: a UUIDv7 tells when it was made."""
    if request_id[14:15] != "7":
        return set()
    try:
        made = datetime.fromtimestamp(int(request_id[:8] + request_id[9:13], 16) / 1000, UTC)
        return {(made - _NEAR_MIDNIGHT).date(), (made + _NEAR_MIDNIGHT).date()}
    except (ValueError, OverflowError, OSError):  # not a UUID, or of a year that no calendar has
        return set()


def _calls_with(file: Path, ids: pa.Array) -> Iterator[pa.Table]:
    with pq.ParquetFile(file) as opened:
        for number in range(opened.num_row_groups):
            calls = opened.read_row_group(number, ["request_id", "duration_ms"])
            yield calls.filter(pc.is_in(calls["request_id"], value_set=ids))


def _write(rows: pa.Table, target: Path) -> None:
    out = io.BytesIO()
    write_rows(rows, out)
    write_whole(target, out.getvalue())


def write_rows(rows: pa.Table, out: IO[bytes]) -> None:
    """Numbers as deltas: read in three quarters of the time that a dictionary takes."""
    kinds = {item.name: item.type for item in rows.schema}
    numbers = [name for name, kind in kinds.items() if pa.types.is_integer(kind) or pa.types.is_timestamp(kind)]
    ids = [name for name in kinds if name == "cache_reference_id"]  # nearly all different, with the beginning of others
    others = [name for name, kind in kinds.items() if name not in (*numbers, *ids) and not pa.types.is_map(kind)]
    maps = [name for name, kind in kinds.items() if pa.types.is_map(kind)]
    pq.write_table(
        rows,
        out,
        compression="zstd",
        compression_level=9,
        use_dictionary=[*others, *(f"{name}.key_value.{part}" for name in maps for part in ("key", "value"))],
        column_encoding=dict.fromkeys(numbers, "DELTA_BINARY_PACKED") | dict.fromkeys(ids, "DELTA_BYTE_ARRAY"),
    )
