"""Views that questions make on their connections: on a database that is kept, those of equal text are made once.

Each set of views has a schema of its own, and a connection that uses it has that schema in its search path. Making the views
of one page's questions for each of them takes as long as answering them: they have sixty columns.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import duckdb

MOST_SCHEMAS: Final = 64  # a window that ends now begins later with each minute, and may have views of its own


@dataclass(frozen=True, slots=True)
class Made:
    """A view or a macro. `name`: of a macro with its parameters; `sql`: what follows `as`."""

    kind: str
    name: str
    sql: str

    def text(self, *, temporary: bool = True) -> str:
        return f"create or replace {'temp ' if temporary else ''}{self.kind} {self.name} as\n{self.sql}"


class SharedViews:
    """Of one database."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._schemas: list[dict[str, str]] = []  # name -> text of what each has

    @property
    def is_full(self) -> bool:
        """From here on questions make views of their own; the database should be opened anew."""
        return len(self._schemas) >= MOST_SCHEMAS

    @contextmanager
    def lacking(self, connection: duckdb.DuckDBPyConnection, wanted: Sequence[Made]) -> Iterator[list[Made]]:
        """Those that the block is to make, not as temporary ones. Afterwards the connection has all."""
        with self._making:
            number, schema = self._place(connection, wanted)
            connection.execute(f"set search_path = 'scope_{number},main'")
            lacking = [each for each in wanted if each.name not in schema]
            yield lacking
            schema |= {each.name: each.sql for each in lacking}

    def _place(self, connection: duckdb.DuckDBPyConnection, wanted: Sequence[Made]) -> tuple[int, dict[str, str]]:
        for number, schema in enumerate(self._schemas):
            if all(schema.get(each.name, each.sql) == each.sql for each in wanted):
                return number, schema
        self._schemas.append({})
        connection.execute(f"create schema scope_{len(self._schemas) - 1}")
        return len(self._schemas) - 1, self._schemas[-1]


_of_connections: Final[WeakKeyDictionary[duckdb.DuckDBPyConnection, SharedViews]] = WeakKeyDictionary()


def share(connection: duckdb.DuckDBPyConnection, views: SharedViews) -> None:
    """From here on views on this connection are made in its database, for all."""
    _of_connections[connection] = views


def shared_by(connection: duckdb.DuckDBPyConnection) -> SharedViews | None:
    """None: the connection has a database of its own, or too many views were made in the one that it shares."""
    views = _of_connections.get(connection)
    return None if views is None or views.is_full else views
