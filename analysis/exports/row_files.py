"""Rows as CSV, JSON lines or Parquet, as they come: the same forms as those of reports and of the dashboard's downloads."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import IO, Any, Final

import pyarrow as pa

from analysis.exports.rows import Emit
from analysis.faces.export import parquet_writer
from analysis.faces.render import write_csv, write_csv_rows, write_json_lines

# Parquet compresses and skips by row groups: of few rows they do neither. Bodies fill one by their bytes.
ROW_GROUP_ROWS: Final = 20_000
ROW_GROUP_BYTES: Final = 64 * 2**20
_ROWS_AT_ONCE: Final = 1_000  # as Python values


@contextmanager
def _csv(file: IO[bytes], schema: pa.Schema) -> Iterator[Emit]:
    with _text(file) as out:
        write_csv(schema.names, (), out)
        yield lambda table: _each(table, lambda rows: write_csv_rows(rows, out))


@contextmanager
def _json_lines(file: IO[bytes], schema: pa.Schema) -> Iterator[Emit]:
    with _text(file) as out:
        yield lambda table: _each(table, lambda rows: write_json_lines(schema.names, rows, out))


@contextmanager
def _parquet(file: IO[bytes], schema: pa.Schema) -> Iterator[Emit]:
    waiting: list[pa.Table] = []
    with parquet_writer(file, schema) as writer:

        def flush() -> None:
            if waiting:
                writer.write_table(pa.concat_tables(waiting), row_group_size=ROW_GROUP_ROWS)
                waiting.clear()

        def emit(table: pa.Table) -> None:
            waiting.append(table)
            if (
                sum(one.num_rows for one in waiting) >= ROW_GROUP_ROWS
                or sum(one.nbytes for one in waiting) >= ROW_GROUP_BYTES
            ):
                flush()

        yield emit
        flush()


# A writer is opened on a binary file with the schema of the rows, and gives the function that takes them.
WRITERS: Final[Mapping[str, Callable[[IO[bytes], pa.Schema], AbstractContextManager[Emit]]]] = {
    "csv": _csv,
    "jsonl": _json_lines,
    "parquet": _parquet,
}


@contextmanager
def _text(file: IO[bytes]) -> Iterator[io.TextIOWrapper]:
    """Half of a surrogate pair, which bodies may have, becomes a question mark. The file stays open."""
    out = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    try:
        yield out
        out.flush()
    finally:
        out.detach()


def _each(table: pa.Table, write: Callable[[list[tuple[Any, ...]]], None]) -> None:
    for start in range(0, table.num_rows, _ROWS_AT_ONCE):
        write(_values(table.slice(start, _ROWS_AT_ONCE)))


def _values(table: pa.Table) -> list[tuple[Any, ...]]:
    """Rows as the SQL runner gives them: times are naive and UTC, maps are dicts."""
    return list(zip(*map(_column, table.columns), strict=True))


def _column(column: pa.ChunkedArray) -> list[Any]:
    if column.null_count == len(column):  # half of the columns of most calls
        return [None] * len(column)
    if pa.types.is_timestamp(column.type):
        return list(column.cast(pa.timestamp("us")).to_pylist())
    return list(column.to_pylist(maps_as_pydicts="strict"))
