"""SQL over the views, read-only. Source: Helicone's heliconeSqlController.ts; the SQL is DuckDB's, the views are ours."""

from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.api.envelope import answer
from analysis.api.given import body_schema, read_given, required_text
from analysis.api.openapi import INTEGER, NUMBER, TEXT, documented, list_of, record
from analysis.api.state import Api

_SQL: Final = required_text("sql")
_VIEWS: Final = ("requests", "bodies", "messages", "conversations", "feedback", "scores", "sessions", "users")
_SCHEMA: Final = f"""with views as (select unnest({list(_VIEWS)}) as table_name, generate_subscripts({list(_VIEWS)}, 1) as place)
select table_name, list({{name: column_name, type: data_type}} order by column_index) as columns
from duckdb_columns() join views using (table_name) group by table_name, place order by place"""


def routes(api: Api) -> list[Route]:
    async def execute(request: Request) -> Response:
        given = await read_given(request, (_SQL,))
        return answer(await api.sql.ask(given[_SQL]))

    async def schema(_: Request) -> Response:
        # In a process of its own: `messages` needs numpy, which this one does without.
        return answer(orjson.loads(orjson.dumps(await api.sql.ask(_SCHEMA)))["rows"])

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
