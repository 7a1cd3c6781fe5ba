"""The page SQL: a question of one's own, confined and read-only as `heliograph sql` is; its rows as a table and as bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analysis.api.envelope import ApiError
from analysis.dashboard import formats
from analysis.dashboard.pages import Page, Site
from analysis.dashboard.report_table import Shown, formatted, shown
from analysis.dashboard.view import view_of
from analysis.lake import Connection
from analysis.table import Table

PAGE: Final = Page("/sql", "SQL", "q", "Data")
MOST_ROWS: Final = 500
MOST_BARS: Final = 30
MOST_SQL_CHARACTERS: Final = 20_000
QUERY: Final = "q"
EXAMPLES: Final = (
    ("What each model cost", "select response_model, count(*) as calls, sum(cost_usd) as cost_usd\nfrom requests\ngroup by all\norder by cost_usd desc nulls last"),
    ("The most expensive calls", "select request_id, started_at, response_model, cost_usd\nfrom requests\norder by cost_usd desc nulls last\nlimit 20"),
    ("Spend by day", "select date, sum(cost_usd) as cost_usd\nfrom requests\ngroup by all\norder by date"),
    ("Errors of the last day", "select error_type, status, count(*) as calls\nfrom requests\nwhere error_type is not null and started_at > now() - interval 1 day\ngroup by all\norder by calls desc"),
    ("What people ask", "select started_at, request_model, left(request_body, 200) as request\nfrom requests join bodies using (request_id)\norder by requests.started_at desc\nlimit 10"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """`width`: percent of the largest."""

    name: str
    text: str
    width: float


def routes(site: Site) -> list[Route]:
    def page(request: Request) -> Response:
        view = view_of(request)
        sql = view.options.get(QUERY, "")
        response = site.page(request, "sql.html", view, sql=sql, examples=EXAMPLES)
        if not sql:  # it is ready when a statement is written
            response.background = BackgroundTask(site.dashboard.api.sql.prepare)
        return response

    async def answer(request: Request) -> Response:
        view = view_of(request)
        sql = view.options.get(QUERY, "").strip()
        if not sql:
            return site.part("sql_answer.html", view, shown=None, message=None)
        if len(sql) > MOST_SQL_CHARACTERS:
            return site.part("sql_answer.html", view, shown=None, message="This statement is too long.")
        try:
            found = orjson.loads(bytes(orjson.dumps(await site.dashboard.api.sql.ask(sql))))
        except ApiError as error:
            return site.part("sql_answer.html", view, shown=None, message=error.message.removeprefix("sql: "))
        rows: list[dict[str, Any]] = found["rows"]
        table = _table(rows)
        return site.part(
            "sql_answer.html",
            view,
            shown=_without_links(shown(table, view, most=MOST_ROWS)),
            bars=bars(rows),
            message=None,
            count=found["rowCount"],
            took_ms=found["elapsedMilliseconds"],
            most=MOST_ROWS,
        )

    async def words(request: Request) -> Response:
        """What the editor completes: tables with their columns."""
        return JSONResponse(await site.dashboard.api.ask(_columns))

    part = f"{PAGE.path}/-"
    return [Route(PAGE.path, page), Route(f"{part}/answer", answer), Route(f"{part}/words", words)]


def _columns(connection: Connection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows = connection.execute(
        "select table_name, column_name from duckdb_columns()"
        # Those of the dashboard's own are not there for SQL of a person.
        " where not internal and not starts_with(table_name, 'held_') and not starts_with(table_name, 'lake_') order by table_name, column_index"
    ).fetchall()
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = tuple(rows[0]) if rows else ()
    return Table(columns, [tuple(row[name] for name in columns) for row in rows[: MOST_ROWS + 1]])


def _without_links(found: Shown) -> Shown:
    """Rows of a person's SQL may be about other calls than the page's filters."""
    rows = [
        [cell if cell.href is None or "/requests/" in cell.href else cell.plain() for cell in row] for row in found.rows
    ]
    return Shown(found.columns, rows, found.is_cut)


def bars(rows: Sequence[Mapping[str, Any]]) -> Sequence[Bar]:
    """The first number of each row beside the first other column; none where there is no such pair. Pure."""
    if not 1 < len(rows) <= MOST_BARS:
        return ()
    names = list(rows[0])
    number = next((name for name in reversed(names) if _all_numbers(rows, name)), None)
    label = next((name for name in names if name != number), None)
    if number is None or label is None or any((row[number] or 0) < 0 for row in rows):
        return ()
    largest = max(row[number] or 0 for row in rows)
    if not largest:
        return ()
    return [
        Bar(
            formats.label(row[label]),
            "" if row[number] is None else formatted(number, row[number]),
            round(100 * (row[number] or 0) / largest, 2),
        )
        for row in rows
    ]


def _all_numbers(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    known = [row[name] for row in rows if row[name] is not None]
    return bool(known) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
