"""Tables for SQL that are made of rows in Python, on a connection of `Lake.ask`."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from analysis.lake import Connection
from analysis.quoting import literal, quoted


def make_table(
    connection: Connection, name: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """`columns`: DuckDB's type of each. Rows go as JSON: pyarrow imports pandas for its first array, where that is installed,
    which takes a quarter of a second."""
    structure = orjson.dumps([columns]).decode()
    selected = ", ".join(f"item.{quoted(column)}" for column in columns)
    connection.execute(
        f"create or replace temp table {quoted(name)} as"
        f" select {selected} from (select unnest(from_json($rows, {literal(structure)})) as item)",
        {"rows": orjson.dumps(list(rows)).decode()},
    )
