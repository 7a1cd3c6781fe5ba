"""A connection of DuckDB with the views of a lake and without a lake: it checks a question, knows the types of its columns, and takes
the rows that another engine found.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import duckdb

from addon.storage.record import TABLES
from analysis.lake import Connection
from analysis.quoting import quoted
from analysis.view_text import no_rows, views

if TYPE_CHECKING:
    import pyarrow as pa

_CAME: Final = "rows_that_came"


@contextmanager
def without_lake(rows: "Mapping[str, pa.Table]") -> Iterator[Connection]:
    """A connection with the views over these rows, by table; without them a table is empty."""
    with duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    ) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for table, came in rows.items():
            put(connection, f"local_{table}", no_rows(table), came)
        of_tables = {table: f"select * from local_{table}" if table in rows else no_rows(table) for table in TABLES}
        connection.execute(views(of_tables, has_changes=False))
        yield connection


def put(connection: Connection, table: str, sql: str, came: "pa.Table") -> None:
    """The rows as a table with the columns and types that DuckDB has for the statement."""
    asked = connection.sql(sql)
    if not came.num_rows:
        # What DuckDB says over no calls: a report with grouping sets has a row for all of them then, which Spark leaves out.
        connection.execute(f"create or replace temp table {table} as {sql}")
        return
    connection.register(_CAME, came.rename_columns([f"c{i}" for i in range(came.num_columns)]))
    columns = ", ".join(
        f"cast(c{place} as {kind}) as {quoted(name)}"
        for place, name, kind in zip(_places(asked.columns, came.column_names), asked.columns, asked.types, strict=True)
    )
    connection.execute(f"create or replace temp table {table} as select {columns} from {_CAME}")
    connection.unregister(_CAME)


def _places(asked: Sequence[str], came: Sequence[str]) -> list[int]:
    """Where each column is in what came: by its name, else in the order of those that have no name in common, as count(*).

    Spark puts the columns of `join ... using` first in `t.*`; DuckDB leaves them where they are."""
    named = {name.lower(): place for place, name in enumerate(came)}
    wanted = {name.lower() for name in asked}
    if len(named) < len(came) or len(wanted) < len(asked):
        return list(range(len(came)))  # names that are there twice
    others = iter([place for name, place in named.items() if name not in wanted])
    return [named[name.lower()] if name.lower() in named else next(others) for name in asked]
