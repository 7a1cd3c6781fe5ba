"""Exports read their calls in slices of bounded size, so that merges meanwhile cost at most one of them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from analysis.lake import Connection
from analysis.reports.scope import Scope, open_scope


def days(connection: Connection, scope: Scope) -> list[tuple[date, int]]:
    """The days of a scope with their calls."""
    open_scope(connection, scope)
    return connection.execute("select date, count(*) from calls group by date order by date").fetchall()


def of_size[Row: Mapping[str, Any]](rows: Sequence[Row], most: int, most_bytes: int) -> Iterator[list[Row]]:
    """The rows in order, at most so many at a time and, by their column `bytes`, so large together; a larger one is alone."""
    group: list[Row] = []
    size = 0
    for row in rows:
        if group and (len(group) == most or size + row["bytes"] > most_bytes):
            yield group
            group, size = [], 0
        group.append(row)
        size += row["bytes"]
    if group:
        yield group
