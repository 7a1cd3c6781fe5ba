"""Which files of a data folder cannot be read, and why in a person's words. Opens the foot of every Parquet file."""

import glob
from collections.abc import Iterator
from pathlib import Path

import duckdb

from addon.storage.lake import duckdb_columns, is_whole, visible_files
from addon.storage.record import TABLES
from analysis.lake import unreadable


def file_count(data: Path) -> int:
    """Files with rows, of all tables."""
    listings = (visible_files(data, table) for table in TABLES)
    return sum(len(listing.parquet) + len(listing.settled) for listing in listings)


def broken_files(data: Path) -> Iterator[tuple[Path, str]]:
    """(file, why) of each file that reports leave out, or that they fail on."""
    listings = {table: visible_files(data, table) for table in TABLES}
    for listing in listings.values():
        yield from ((file, _why_foreign(file)) for file in listing.foreign)
    broken = dict(unreadable(listings))
    yield from broken.items()
    with duckdb.connect() as connection:
        for table, listing in listings.items():
            for file in listing.parquet:
                if file not in broken and (wrong := _wrong_types(connection, table, file)):
                    yield file, wrong


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
