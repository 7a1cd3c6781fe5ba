"""SQL over the views, read-only. Source: Helicone's heliconeSqlController.ts; the SQL is DuckDB's, the views are ours."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import duckdb
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.api.envelope import ApiError, answer
from analysis.api.given import body_schema, read_given, required_text
from analysis.api.openapi import INTEGER, NUMBER, TEXT, documented, list_of, record
from analysis.api.question import records
from analysis.api.state import Api
from analysis.lake import Connection
from analysis.render import json_object
from analysis.table import NotAllowed, stream_user_sql, unique

MOST_ROWS: Final = 300_000  # Helicone's
MOST_BYTES: Final = 64 * 2**20  # of rows as JSON: they are in memory until they are sent

_SQL: Final = required_text("sql")
_VIEWS: Final = ("requests", "bodies", "feedback", "scores", "sessions", "users")


def routes(api: Api) -> list[Route]:
    async def execute(request: Request) -> Response:
        given = await read_given(request, (_SQL,))
        return answer(await api.questions.ask_sql(api.lake, lambda connection: _execute(connection, given[_SQL])))

    async def schema(_: Request) -> Response:
        return answer(await api.ask(_schema))

    return [
        documented(
            "/v1/helicone-sql/execute",
            execute,
            summary="Answers one SELECT in DuckDB's SQL; times are UTC",
            body=body_schema((_SQL,)),
            data=record(rows=list_of({"type": "object"}), elapsedMilliseconds=NUMBER, size=INTEGER, rowCount=INTEGER),
            errors=(400, 413, 422),
        ),
        documented(
            "/v1/helicone-sql/schema",
            schema,
            method="GET",
            summary="The views and their columns",
            data=list_of(record(table_name=TEXT, columns=list_of(record(name=TEXT, type=TEXT)))),
        ),
    ]


def _execute(connection: Connection, sql: str) -> dict[str, Any]:
    """Rows, milliseconds, bytes and number of rows. Raises ApiError: nothing is cut off silently."""
    began = time.monotonic()
    try:
        columns, found = stream_user_sql(connection, sql)
        rows, size = _as_json(unique(columns), found)
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except (duckdb.Error, NotAllowed) as error:
        raise ApiError(400, f"sql: {error}") from error
    took_ms = round((time.monotonic() - began) * 1000, 3)
    return {"rows": rows, "elapsedMilliseconds": took_ms, "size": size, "rowCount": len(rows)}


def _as_json(names: Sequence[str], found: Iterable[tuple[Any, ...]]) -> tuple[list[orjson.Fragment], int]:
    """(rows as JSON, their bytes). Raises ApiError where they are too many."""
    rows: list[orjson.Fragment] = []
    size = 0
    for row in found:
        longest = max((len(value) for value in row if isinstance(value, str | bytes)), default=0)
        text = b"" if longest > MOST_BYTES else json_object(dict(zip(names, row, strict=True))).encode()
        size += max(longest, len(text))
        if size > MOST_BYTES:
            rows.clear()  # the error's traceback keeps this frame
            raise ApiError(422, f"sql: answers more than {MOST_BYTES >> 20} MiB; add a limit or take fewer columns")
        if len(rows) == MOST_ROWS:
            rows.clear()
            raise ApiError(422, f"sql: answers more than {MOST_ROWS} rows; add a limit")
        rows.append(orjson.Fragment(text))
    return rows, size


def _schema(connection: Connection) -> list[dict[str, Any]]:
    tables: dict[str, list[dict[str, str]]] = {name: [] for name in _VIEWS}
    for row in records(connection, "schema", {"views": list(_VIEWS)}):
        tables[row["view"]].append({"name": row["name"], "type": row["type"]})
    return [{"table_name": name, "columns": columns} for name, columns in tables.items()]
