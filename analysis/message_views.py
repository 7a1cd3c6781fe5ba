"""The views `messages` and `conversations`: bodies read by addon/conversations while a question runs, nothing stored.

Their SQL is in message_views.sql; the two functions in it are Python (message_texts.py), called once for each call that is left after the
filters of a question. DuckDB needs numpy to call Python, and numpy takes 0.15 s and 17 MB to import: so a connection gets
the views only when a statement may use them.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import duckdb

NAMES: Final = ("messages", "conversations")
_VIEWS: Final = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
# Of both functions: the members of `Said` as JSON without the bodies, then the bodies.
_GIVEN: Final = ("VARCHAR", "VARCHAR", "VARCHAR")
# A statement that uses the views, or lists the views there are, has one of these words in it, whole: `shown` is a common name.
_MAY_USE: Final = re.compile(
    r"\b(messages|conversations|show|pragma_show|information_schema)\b|\bduckdb_", re.IGNORECASE
)


def may_use(statement: str) -> bool:
    """Whether a statement has a word that it needs to use the views."""
    return bool(_MAY_USE.search(statement))


def add_if_used(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Makes the views, unless they are there or the statement cannot mean them."""
    if may_use(statement) and not _has_views(connection):
        add(connection)


def add(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the views over `requests` and `bodies` of this connection."""
    # Imported where they are used: these, and what they need, take longer than most questions.
    from duckdb.func import SPECIAL

    from analysis.message_texts import conversation_text, parts_text

    functions: tuple[tuple[str, Callable[..., list[str]]], ...] = (
        ("heliograph_conversation", conversation_text),
        ("heliograph_parts", parts_text),
    )
    for name, function in functions:
        connection.create_function(name, function, list(_GIVEN), "VARCHAR[]", null_handling=SPECIAL)
    connection.execute(_VIEWS)


def python_error(error: duckdb.Error) -> BaseException | None:
    """What stopped one of the functions, where that is for others to handle: DuckDB passes on the name alone."""
    kinds: tuple[type[BaseException], ...] = (MemoryError, KeyboardInterrupt)
    return next((kind() for kind in kinds if f"executing the UDF: {kind.__name__}" in str(error)), None)


def _has_views(connection: duckdb.DuckDBPyConnection) -> bool:
    sql = "select count(*) from duckdb_views() where view_name in $names"
    return connection.execute(sql, {"names": NAMES}).fetchall() == [(len(NAMES),)]
