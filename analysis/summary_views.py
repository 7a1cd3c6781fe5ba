"""The views over the summaries of a lake (view_text.py). A database gets each when a question first asks it: DuckDB looks at all
their files when it makes a view, 3 to 5 ms for 120 days, and a question asks few of the nine."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

import duckdb


@dataclass(frozen=True, slots=True)
class SummaryViews:
    """Of one database, which threads may share. `columns`: those that its summaries can be asked for."""

    columns: frozenset[str]
    lacking: dict[str, Callable[[], str]]  # by the name of a view, what gives its SQL
    _making: threading.Lock = field(default_factory=threading.Lock)

    def make_named_in(self, connection: duckdb.DuckDBPyConnection, sql: str) -> None:
        words = frozenset(re.findall(r"\w+", sql))
        with self._making:
            for name in words.intersection(self.lacking):
                connection.execute(f"create or replace view main.{name} as {self.lacking[name]()}")
                del self.lacking[name]


_of_connections: Final[WeakKeyDictionary[duckdb.DuckDBPyConnection, SummaryViews]] = WeakKeyDictionary()


def offer(connection: duckdb.DuckDBPyConnection, views: SummaryViews) -> None:
    """From here on statements on this connection may ask them, after `make_those_in`."""
    _of_connections[connection] = views


def offered(connection: duckdb.DuckDBPyConnection) -> SummaryViews | None:
    """None: the lake of the connection has no summaries."""
    return _of_connections.get(connection)


def columns_of(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The columns that the summaries of this connection's lake can be asked for; none where there are no summaries."""
    views = offered(connection)
    return views.columns if views else frozenset()


def make_those_in(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Makes those that this text names, where they lack."""
    if views := offered(connection):
        views.make_named_in(connection, sql)
