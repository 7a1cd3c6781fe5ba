"""Which files of a data folder cannot be read, and why in a person's words; which are older than a column. Opens the foot of
every Parquet file."""

import glob
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from addon.storage.lake import Listing, duckdb_columns, is_whole, visible_files
from addon.storage.record import ADDED_COLUMNS, TABLES
from analysis.view_text import SUMMARY_KINDS, file_list, longest_line, parquet_rows, pattern, rows_of


def file_count(data: Path) -> int:
    """Files with rows, of all tables."""
    listings = (visible_files(data, table) for table in TABLES)
    return sum(len(listing.parquet) + len(listing.settled) for listing in listings)


def broken_files(data: Path) -> Iterator[tuple[Path, str]]:
    """(file, why) of each file that reports leave out, or that they fail on."""
    listings = {table: visible_files(data, table) for table in TABLES}
    for listing in listings.values():
        yield from ((file, _why_foreign(file)) for file in listing.foreign)
    with _opened(_stored(listings)) as connection:
        schemas, broken = _read_schemas(connection, listings)
        yield from broken
        for table, listing in listings.items():
            readable = {file: schemas[file] for file in listing.parquet if file in schemas}
            one_of = {schema: file for file, schema in readable.items()}
            wrong = {schema: _wrong_types(connection, table, file) for schema, file in one_of.items()}
            yield from ((file, why) for file, schema in readable.items() if (why := wrong[schema]))


def irregular(listing: Listing) -> Iterator[Path]:
    """Pipes, devices and the like."""
    for file in (*listing.settled, *listing.parquet):
        try:
            if not stat.S_ISREG(file.stat().st_mode):
                yield file
        except OSError:
            continue  # vanished: the question that opens it will find out


def unreadable(listings: dict[str, Listing]) -> list[tuple[Path, str]]:
    """Files that break a query, found by opening every footer: slow, so only after a query failed."""
    with _opened(_stored(listings)) as connection:
        _, found = _read_schemas(connection, listings)
        return found


def _read_schemas(
    connection: duckdb.DuckDBPyConnection, listings: dict[str, Listing]
) -> tuple[dict[Path, "_Schema"], list[tuple[Path, str]]]:
    """Of the Parquet files that a question can read, and (file, why) of the files of both kinds that it cannot."""
    readable: dict[Path, _Schema] = {}
    found: list[tuple[Path, str]] = []
    for table, listing in listings.items():
        needed = set(duckdb_columns(table)) - ADDED_COLUMNS.get(table, frozenset())
        schemas, errors = _schemas(connection, listing.parquet)
        found += errors.items()
        for file, schema in schemas.items():
            if missing := needed - schema.columns:
                found.append((file, f"has no column {', '.join(sorted(missing))}"))
            else:
                readable[file] = schema
    for listing in listings.values():
        for file in listing.settled:
            try:
                file.open("rb").close()
            except FileNotFoundError:
                continue  # settled into Parquet meanwhile
            except OSError as error:
                found.append((file, str(error.strerror)))
    return readable, found


def older_files(listings: dict[str, Listing]) -> dict[Path, frozenset[str]]:
    """Parquet files that lack columns which were added later, and these; found by opening every footer: slow, as
    `unreadable` is."""
    found: dict[Path, frozenset[str]] = {}
    with _opened(_stored(listings)) as connection:
        for table, added in ADDED_COLUMNS.items():
            schemas, _ = _schemas(connection, listings[table].parquet)  # `unreadable` names the others
            for file, schema in schemas.items():
                if lacking := added - schema.columns:
                    found[file] = lacking
    return found


@dataclass(frozen=True, slots=True)
class _Schema:
    """What the foot of a file says of its columns. `kind`: the same for the same columns of the same types in the same order."""

    columns: frozenset[str]
    kind: int


def _schemas(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path]
) -> tuple[dict[Path, _Schema], dict[Path, str]]:
    """By file, and why others cannot be read. All at once takes a tenth of the time, but one bad file fails all of them."""
    try:
        return _schemas_at_once(connection, files), {}
    except duckdb.Error:
        schemas: dict[Path, _Schema] = {}
        errors: dict[Path, str] = {}
    for file in files:
        try:
            schemas |= _schemas_at_once(connection, [file])
        except duckdb.Error as error:
            if file.exists():
                errors[file] = _reason(error)
    return schemas, errors


def _schemas_at_once(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> dict[Path, _Schema]:
    if not files:
        return {}
    rows = connection.execute(
        "select file_name, list(name), hash(list((name, type, converted_type, cast(logical_type as varchar))))"
        " from parquet_schema($files) group by file_name",
        {"files": [pattern(file) for file in files]},
    ).fetchall()
    by_name = {str(file): file for file in files}
    return {by_name[name]: _Schema(frozenset(columns), kind) for name, columns, kind in rows}


def damaged(listings: dict[str, Listing]) -> list[tuple[Path, str]]:
    """Files with a good footer and bad contents, or lines that break DuckDB's reader: found by reading every value, so
    only after a query failed and `unreadable` found nothing."""
    found: list[tuple[Path, str]] = []
    with _opened(_stored(listings)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for table, listing in listings.items():
            names = ", ".join(f'"{name}"' for name in duckdb_columns(table))
            for file in (*listing.parquet, *listing.settled):
                as_parquet = file_list([file]) if file.suffix == ".parquet" else None
                as_lines = None if as_parquet else file_list([file])
                rows = (
                    parquet_rows(table, as_parquet, may_lack_columns=True)
                    if as_parquet
                    else rows_of(table, None, as_lines, {}, longest_line=longest_line(listing))
                )
                if why := _why_damaged(connection, file, f"select bit_xor(hash({names}, date)) from ({rows})"):
                    found.append((file, why))
    return found


def damaged_summaries(summaries: Collection[Path]) -> list[tuple[Path, str]]:
    """Those that are not Parquet, or whose contents are bad: found by reading every value."""
    found: list[tuple[Path, str]] = []
    with _opened(summaries) as connection:
        for whole in summaries:
            for _, suffix, columns in SUMMARY_KINDS:
                file = whole.with_suffix(suffix)
                names = ", ".join(f'"{name}"' for name in columns)
                sql = f"select bit_xor(hash({names})) from read_parquet({file_list([file])})"
                if why := _why_damaged(connection, file, sql):
                    found.append((file, why))
    return found


def _reason(error: duckdb.Error) -> str:
    """The line that says it: the first one, and of an error in Python, as of a file in a bucket, the last one."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines[0].startswith("Traceback") else lines[0]) if lines else type(error).__name__


def _stored(listings: dict[str, Listing]) -> list[Path]:
    return [file for listing in listings.values() for file in listing.parquet]


def _opened(files: Iterable[Path]) -> duckdb.DuckDBPyConnection:
    """A connection that can open these files."""
    from analysis.bucket import BucketFile  # most questions open no file here, and import 10 ms less

    connection = duckdb.connect()
    bucket = next((file.bucket for file in files if isinstance(file, BucketFile)), None)
    if bucket:
        bucket.register(connection)
    return connection


def _why_damaged(connection: duckdb.DuckDBPyConnection, file: Path, reads_all: str) -> str | None:
    """What DuckDB says where it cannot read every value of the file; None: it can, or the file is gone."""
    try:
        connection.execute(reads_all).fetchall()
    except duckdb.OutOfMemoryException:
        return None  # says nothing of the file
    except duckdb.Error as error:
        return _reason(error) if file.exists() else None
    return None


def _why_foreign(file: Path) -> str:
    if file.is_symlink() or not file.is_file():
        return "not a regular file of ours"
    if file.stat().st_size == 0:
        return "empty"
    if file.suffix == ".parquet" and not is_whole(file):
        head = file.open("rb").read(4)
        return "cut off: it begins as Parquet and does not end as it" if head == b"PAR1" else "not Parquet"
    return "not a file of ours"


def _wrong_types(connection: duckdb.DuckDBPyConnection, table: str, file: Path) -> str | None:
    """The columns whose type is not the row's, e.g. `request_id is BIGINT, not VARCHAR`."""
    found = connection.read_parquet(glob.escape(str(file)), hive_partitioning=False)
    types = dict(zip(found.columns, map(str, found.types), strict=True))
    wrong = [
        f"{name} is {types[name]}, not {kind}"
        for name, kind in duckdb_columns(table).items()
        if name in types and _plain(types[name]) != _plain(kind)  # one that is missing was added since
    ]
    return f"column {', '.join(wrong)}" if wrong else None


def _plain(kind: str) -> str:
    """Whole numbers of any size are one kind: a file may store them narrower."""
    narrow = {"INTEGER": "BIGINT", "SMALLINT": "BIGINT", "TINYINT": "BIGINT", "UINTEGER": "BIGINT", "FLOAT": "DOUBLE"}
    kind = kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
    return narrow.get(kind, kind)
