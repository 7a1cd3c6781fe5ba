"""Parquet files: their schema, and how settled lines become one. The columns are those of `record`, always all of them."""

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from addon.settling.messages import say
from addon.storage.folders import make_folder, open_file, sync_folder
from addon.storage.lake import column_types, is_whole, time_column
from addon.storage.record import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow.dataset as ds

ROW_GROUP_ROWS: Final = 122_880  # measured: larger ones make a lookup slower, smaller ones the file larger
# In memory. DuckDB reads a row group of bodies whole, in each thread: 290 MB of bodies took 480 MB of memory with 64 MiB,
# and 160 MB with 8 MiB, in the same time; the files are as large.
_BODIES_ROW_GROUP_BYTES: Final = 8 * 2**20
_ROW_GROUP_BYTES: Final = 64 * 2**20  # of the other tables
# Row groups follow each other in time; within one, calls that are alike are next to each other: a tenth fewer bytes than in order of
# time, and read as fast or faster.
_ALIKE: Final = ("provider_name", "request_model", "user_id", "session_id", "started_at")
METADATA: Final = {b"heliograph_schema_version": str(SCHEMA_VERSION).encode()}

_ARROW: Final[dict[Any, pa.DataType]] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
    tuple[str, ...]: pa.list_(pa.string()),
    dict[str, str]: pa.map_(pa.string(), pa.string()),
}
# Ids share their first half with the previous row (UUIDv7), and bodies are all different: a dictionary helps neither.
_DELTA_TEXT: Final = ("request_id", "response_id", "cache_reference_id")
# What is left of an id after the deltas is random: level 1 takes 2 % fewer bytes of it than 9, and a tenth of the CPU.
_RANDOM_LEVEL: Final = 1
_PLAIN: Final = ("request_body", "response_body", "response_text", "usage_raw")
# orjson asks for 12 times the length of its text, which a small machine does not give for a long body.
_LONG_LINE_BYTES: Final = 2**23
# The leaf column of a nested one; for a map, that of its keys.
_LEAVES: Final = {tuple[str, ...]: ".list.element", dict[str, str]: ".key_value.key"}


@cache
def arrow_schema(table: str) -> pa.Schema:
    return pa.schema([pa.field(name, _ARROW[kind]) for name, kind in column_types(table).items()], metadata=METADATA)


def read_parts(lines: Iterable[bytes], table: str) -> Iterator[pa.Table]:
    """Settled lines as tables of bounded size, each in order of time."""
    waiting: list[bytes] = []
    size, most = 0, _row_group_bytes(table)
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= most:
            yield read_rows(waiting, table)
            waiting, size = [], 0
    if waiting:
        yield read_rows(waiting, table)


def read_rows(lines: Iterable[bytes], table: str) -> pa.Table:
    """Settled lines as one table in order of time. Raises ValueError for a line that is not a row."""
    schema, kinds = arrow_schema(table), column_types(table)
    rows = list(map(_row, lines))
    columns = [
        _column(values, kind, arrow)
        for values, kind, arrow in zip(_by_column(rows, tuple(kinds)), kinds.values(), schema.types, strict=True)
    ]
    return pa.table(columns, schema=schema).sort_by(time_column(table))


def _by_column(rows: list[Any], names: tuple[str, ...]) -> Iterable[Sequence[Any]]:
    try:
        return zip(*map(itemgetter(*names), rows), strict=True)
    except KeyError:  # a version before this one wrote some of them, without columns that were added since
        return [[row.get(name) for row in rows] for name in names]


def _row(line: bytes) -> Any:
    return json.loads(line) if len(line) > _LONG_LINE_BYTES else orjson.loads(line)


def _column(values: Sequence[Any], kind: Any, arrow: pa.DataType) -> pa.Array:
    """Raises ValueError where the values are not of that kind."""
    if kind is datetime:
        return pa.array(values, pa.string()).cast(arrow)
    if kind == dict[str, str]:
        values = [value and list(value.items()) for value in values]
    return pa.array(values, arrow)


def read_group(file: pq.ParquetFile, number: int, schema: pa.Schema) -> pa.Table:
    """A row group with all columns of `schema`; NULL in those that were added after the file was written."""
    there = file.schema_arrow.names
    read = file.read_row_group(number, [item.name for item in schema if item.name in there])
    if read.schema.equals(schema):
        return pa.Table.from_arrays(read.columns, schema=schema)
    columns = [
        read[item.name].cast(item.type) if item.name in read.column_names else pa.nulls(read.num_rows, item.type)
        for item in schema
    ]
    return pa.table(columns, schema=schema)


def write_parquet(target: Path, table: str, parts: Iterable[pa.Table], *, is_final: bool = False) -> int:
    """Writes the rows of `parts` under a hidden name, syncs and renames. Returns the number of rows. Raises OSError.

    `is_final`: compressed as well as pays, for a file that is read for years.
    """
    make_folder(target.parent)
    hidden = target.parent / f".{target.name}.tmp"
    rows = 0
    try:
        with open(hidden, "wb", opener=_private) as file:
            with pq.ParquetWriter(file, arrow_schema(table), **_options(table, is_final)) as writer:
                for group in _row_groups(parts, _row_group_bytes(table)):
                    if is_final and table == "requests":
                        group = group.sort_by([(name, "ascending") for name in _ALIKE])
                    writer.write_table(group, row_group_size=group.num_rows)
                    rows += group.num_rows
            file.flush()
            os.fsync(file.fileno())
        hidden.rename(target)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
    return rows


def _row_group_bytes(table: str) -> int:
    return _BODIES_ROW_GROUP_BYTES if table == "bodies" else _ROW_GROUP_BYTES


def _row_groups(parts: Iterable[pa.Table], most_bytes: int) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    rows = size = 0
    for part in parts:
        waiting.append(part)
        rows += part.num_rows
        size += part.nbytes
        if rows >= ROW_GROUP_ROWS or size >= most_bytes:
            yield pa.concat_tables(waiting)
            waiting, rows, size = [], 0, 0
    if rows:
        yield pa.concat_tables(waiting)


def _options(table: str, is_final: bool) -> dict[str, Any]:
    kinds = column_types(table)
    delta_text = [name for name in _DELTA_TEXT if name in kinds]
    delta_number = [name for name, kind in kinds.items() if kind in (int, datetime)]
    special = {*delta_text, *delta_number, *_PLAIN}
    keys = {name: name + _LEAVES.get(kind, "") for name, kind in kinds.items()}
    values = [f"{name}.key_value.value" for name, kind in kinds.items() if kind == dict[str, str]]
    # Measured: 9 takes 3 % fewer bytes of rows and 7 % of bodies than 3, and is read as fast. 15 takes ten times as long to write.
    # A file that will be merged is written at 1: 5 % more bytes of bodies than at 3, for two thirds of the CPU.
    levels = dict.fromkeys((*keys.values(), *values), 9 if is_final else 1)
    return {
        "compression": "zstd",
        "compression_level": levels | dict.fromkeys(delta_text, _RANDOM_LEVEL),
        "use_dictionary": [*(keys[name] for name in keys if name not in special), *values],
        "column_encoding": dict.fromkeys(delta_text, "DELTA_BYTE_ARRAY")
        | dict.fromkeys(delta_number, "DELTA_BINARY_PACKED"),
        # A page is compressed by itself. Of bodies it is a whole row group, so that a turn finds the turns before it.
        "data_page_size": _row_group_bytes(table) if table == "bodies" else 2**20,
        "store_schema": True,
    }


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def settled_to_parquet(source: Path, target: Path, table: str) -> None:
    """Writes settled rows into their Parquet file, unless that is there already. Without rows no file is made. A damaged
    or foreign file with its name is moved aside."""
    if not source.exists() or not source.stat().st_size:
        return
    if os.path.lexists(target):
        if is_whole(target):
            return
        aside = target.with_name(f"{target.name}.damaged-{time.time_ns()}")
        say(f"{target}: torn or not ours; moved to {aside.name}, its rows are written again")
        target.rename(aside)
    with os.fdopen(open_file(source), "rb") as lines:
        write_parquet(target, table, read_parts(lines, table))


def files_as_one(paths: Sequence[Path], schema: pa.Schema) -> "ds.Dataset":
    """Parquet files to filter and count; opens none yet."""
    import pyarrow.dataset as ds  # here, as it imports pandas where that is installed: half a second of each settler's start

    return ds.dataset([str(path) for path in paths], schema=schema, format="parquet")
