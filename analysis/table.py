"""A question's answer as plain Python values, and what SQL of a user may do."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import duckdb

from analysis import message_views
from analysis.lake import Connection

if TYPE_CHECKING:
    import pyarrow as pa  # a fifth of a second that most questions do not need


class NotAllowed(Exception):
    """A statement that does more than ask. The message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows. Times are naive and UTC, sums of money exact to a double's 15 digits, NULL is None."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]

    def records(self) -> Iterator[dict[str, Any]]:
        """One dict a row; a column's name that repeats gets _2, _3, ..."""
        names = unique(self.columns)
        return (dict(zip(names, row, strict=True)) for row in self.rows)


def fetch(connection: Connection, sql: str, parameters: Mapping[str, object] | None = None) -> Table:
    """The answer to one statement of ours. `parameters` are bound by name; those that the statement does not name are left out."""
    statement, bound = _ready(connection, sql, parameters)
    if statement.type == duckdb.StatementType.SELECT and not may_answer_times(sql):
        answer = connection.execute(statement, bound)
        if not any(ZONED in str(kind) for _, kind, *_ in answer.description or ()):
            return Table(tuple(name for name, *_ in answer.description or ()), answer.fetchall())
        connection.abort()  # its rows are not wanted
    return _by_its_types(connection, sql, bound)


def fetch_bound(connection: Connection, sql: str) -> Table:
    """The same for a statement of a person: whatever it answers, it runs once."""
    _ready(connection, sql, None)
    return _by_its_types(connection, sql, {})


def may_answer_times(sql: str) -> bool:
    """Whether a column of its answer may be a time with a zone, by the words of the statement. DuckDB tells types before it runs
    a statement, but that takes half as long again as a question about few calls. Where this is wrong the statement runs twice."""
    return bool(_OF_TIMES.search(_COMMENT.sub("", sql)))


def _ready(
    connection: Connection, sql: str, parameters: Mapping[str, object] | None
) -> tuple[duckdb.Statement, dict[str, object]]:
    """The statement, with those of the parameters that it names, on a connection that has the views it asks."""
    message_views.add_if_used(connection, sql)
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise NotAllowed(f"one statement at a time, please; this is {len(statements)}")
    named = statements[0].named_parameters
    return statements[0], {name: value for name, value in (parameters or {}).items() if name in named}


def _by_its_types(connection: Connection, sql: str, bound: dict[str, object]) -> Table:
    relation = connection.sql(sql, params=bound) if bound else connection.sql(sql)
    if relation is None:  # a statement without an answer
        return Table((), [])
    return Table(tuple(relation.columns), _without_zones(relation).fetchall())


def _without_zones(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """DuckDB hands out times with a zone only where pytz is installed; in UTC a time without zone says the same."""
    types = [str(kind) for kind in relation.types]
    if not any(ZONED in kind for kind in types):
        return relation
    return relation.project(
        ", ".join(f"cast(#{i} as {kind.replace(ZONED, 'TIMESTAMP')}) as c{i}" for i, kind in enumerate(types, start=1))
    )


def fetch_user_sql(connection: Connection, sql: str) -> Table:
    """The answer to a person's statement, on a connection of `lake.connect`. Raises NotAllowed or duckdb.Error."""
    allow_only_questions(connection, sql)
    return fetch_bound(connection, sql)


def stream_user_sql(connection: Connection, sql: str) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
    """The same, columns and rows as they come: a reader that stops early never has the rest in memory."""
    allow_only_questions(connection, sql)
    relation = connection.sql(sql)
    columns = tuple(relation.columns)
    answer = connection.execute(_without_zones(relation).sql_query())
    return columns, (row for rows in iter(lambda: answer.fetchmany(STREAMED_ROWS), []) for row in rows)


def stream_user_arrow(connection: Connection, sql: str) -> "pa.RecordBatchReader":
    """The same with DuckDB's types. Times with a zone are UTC. Raises pyarrow.ArrowException for a type of DuckDB's own."""
    allow_only_questions(connection, sql)
    return connection.sql(sql).to_arrow_reader(STREAMED_ROWS_OF_ARROW)


def allow_only_questions(connection: Connection, sql: str) -> None:
    """Raises NotAllowed for a statement that does more than ask.

    The connection keeps it from reading elsewhere, but DuckDB lets COPY write wherever it may read. So one SELECT (or
    EXPLAIN of one) is allowed, and only if its plan writes no file: since DuckDB 2.0 a CTE can hold a COPY.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise NotAllowed(f"one statement at a time, please; this is {len(statements)}")
    asked, kind = sql, statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        asked = EXPLAIN.sub("", sql, count=1)
        inner = connection.extract_statements(asked)
        kind = inner[0].type if len(inner) == 1 else kind
    if kind != duckdb.StatementType.SELECT:
        raise NotAllowed(
            f"{kind.name} is not allowed: this SQL is read-only; start with select, with, from, describe, show or explain"
        )
    message_views.add_if_used(connection, sql)
    try:
        plan = connection.execute(f"explain (format json)\n{asked}").fetchall()
    except duckdb.Error as error:
        raise type(error)(_LINE.sub(_a_line_up, str(error))) from error
    if any("COPY" in name for _, text in plan for name in _operators(json.loads(text))):
        raise NotAllowed("COPY is not allowed: this SQL is read-only; use --csv or --json and redirect the output")


def _a_line_up(told: re.Match[str]) -> str:
    """As wide as before: what DuckDB points at stands in the line below."""
    return f"LINE {int(told[1]) - 1}:".ljust(len(told[0]))


def unique(names: Sequence[str]) -> list[str]:
    """The names, made different where they repeat: a, a -> a, a_2."""
    taken: set[str] = set()
    numbers: dict[str, int] = {}  # the last number that was tried for a name: a statement may have 30,000 equal ones
    result = []
    for name in names:
        candidate, number = name, numbers.get(name, 1)
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        numbers[name] = number
        taken.add(candidate)
        result.append(candidate)
    return result


def _operators(plan: object) -> Iterator[str]:
    """The names of all operators in a plan as DuckDB's JSON gives it."""
    if isinstance(plan, list):
        for node in plan:
            yield from _operators(node)
    elif isinstance(plan, dict):
        yield str(plan.get("name", "")).strip()
        yield from _operators(plan.get("children"))


ZONED: Final = "TIMESTAMP WITH TIME ZONE"
_OF_TIMES: Final = re.compile(
    r"_at\b|\btimestamptz\b|\bfrom answer_now\b|\*\s+(exclude \([^)]*\)\s+)?from (calls|requests)\b", re.IGNORECASE
)
_COMMENT: Final = re.compile(r"--.*")
STREAMED_ROWS_OF_ARROW: Final = 2048  # DuckDB's own vectors
STREAMED_ROWS: Final = 20  # at a time: a row may have many megabytes
_LINE: Final = re.compile(r"^LINE (\d+):", re.MULTILINE)  # where a statement is wrong
EXPLAIN: Final = re.compile(r"^\s*explain(\s+analyze)?\b", re.IGNORECASE)
