"""The lake's tables as temporary views of a Spark session: over the Parquet files that count, named one by one.

Which files count is for `Lake` to say, so a file that a merge replaced is not read, and every call is there once. Calls that are not
in Parquet yet, of the last minutes, are read here and sent along.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb

from addon.storage.lake import Listing, column_types
from analysis.bucket import BucketFile
from analysis.view_text import file_list, longest_line, settled_rows

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES: Final[Mapping[Any, str]] = {
    str: "string",
    int: "bigint",
    float: "double",
    bool: "boolean",
    datetime: "timestamp",
    tuple[str, ...]: "array<string>",
    dict[str, str]: "map<string, string>",
}
_HADOOP: Final = {"s3": "s3a", "gs": "gs"}  # of a store: what Hadoop calls it


class CannotRead(Exception):
    """A lake that Spark cannot open. The message says why."""


def view_name(table: str) -> str:
    """What the session calls a table of the lake."""
    return f"heliograph_{table}"


def add_views(session: Any, listings: Mapping[str, Listing], tables: Iterable[str]) -> None:
    """Makes the views, in place of earlier ones. Raises CannotRead."""
    for table in tables:
        _rows(session, table, listings[table]).createOrReplaceTempView(view_name(table))


def _rows(session: Any, table: str, listing: Listing) -> Any:
    frames = []
    if listing.parquet:
        # A schema, so that columns which older files lack are NULL, and no file is opened to find one.
        base, paths = located(listing.parquet)
        frames.append(session.read.schema(schema(table)).option("basePath", base).parquet(*paths))
    if listing.settled:
        frames.append(_settled(session, table, listing))
    if not frames:
        return session.sql(_no_rows(table))
    first, *others = frames
    for frame in others:
        first = first.unionByName(frame)
    return first


def schema(table: str) -> str:
    """As Spark writes it; the folder's date comes last."""
    return ", ".join(f"`{name}` {kind}" for name, kind in _columns(table))


def _no_rows(table: str) -> str:
    """Of literals: an empty list of Python would have each executor start a Python."""
    nothing = [f"cast(null as {kind}) as `{name}`" for name, kind in _columns(table)]
    return f"select {', '.join(nothing)} where false"


def _columns(table: str) -> list[tuple[str, str]]:
    return [*((name, _TYPES[kind]) for name, kind in column_types(table).items()), ("date", "date")]


def located(parquet: Sequence[Path]) -> tuple[str, list[str]]:
    """Where the folders date=... are, and the files, as URLs that Hadoop opens. Raises CannotRead."""
    first = parquet[0]
    if not isinstance(first, BucketFile):
        return f"file://{first.parent.parent}", [f"file://{_escaped(file)}" for file in parquet]
    scheme, _, place = first.bucket.url.partition("://")
    if scheme not in _HADOOP:
        raise CannotRead(
            f"{first.bucket.url}: Spark reads lakes in folders and in buckets of s3:// and gs://; the statement itself is"
            " printed by --sql"
        )
    root = f"{_HADOOP[scheme]}://{place}"
    return f"{root}/{'/'.join(first.parent.parent.parts)}", [f"{root}/{'/'.join(file.parts)}" for file in parquet]


def _escaped(path: Path) -> str:
    """As a pattern of Hadoop that fits itself alone. Hadoop's paths are not percent-encoded."""
    return "".join(f"\\{char}" if char in "*?[]{}\\" else char for char in str(path))


def _settled(session: Any, table: str, listing: Listing) -> Any:
    """Lines that are not Parquet yet: on this machine alone, and few."""
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        sql = settled_rows(table, file_list(listing.settled) or "[]", longest_line(listing))
        lines: pa.Table = connection.sql(sql).to_arrow_table()
    return session.createDataFrame(lines, schema(table))
