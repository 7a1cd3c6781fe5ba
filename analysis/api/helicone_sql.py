"""SQL over the views, read-only. Source: Helicone's heliconeSqlController.ts; the SQL is DuckDB's, the views are ours."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.api.envelope import answer
from analysis.api.given import body_schema, read_given, required_text
from analysis.api.openapi import INTEGER, NUMBER, TEXT, documented, list_of, record
from analysis.api.question import records
from analysis.api.state import Api
from analysis.lake import Connection

_SQL: Final = required_text("sql")
_VIEWS: Final = ("requests", "bodies", "feedback", "scores", "sessions", "users")


def routes(api: Api) -> list[Route]:
    async def execute(request: Request) -> Response:
        given = await read_given(request, (_SQL,))
        return answer(await api.sql.ask(given[_SQL]))

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


def _schema(connection: Connection) -> list[dict[str, Any]]:
    tables: dict[str, list[dict[str, str]]] = {name: [] for name in _VIEWS}
    for row in records(connection, "schema", {"views": list(_VIEWS)}):
        tables[row["view"]].append({"name": row["name"], "type": row["type"]})
    return [{"table_name": name, "columns": columns} for name, columns in tables.items()]
