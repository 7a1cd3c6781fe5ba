"""The page Requests: the calls that fit the filters, one a row, page by page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.dashboard.downloads import download
from analysis.dashboard.filters import words_of
from analysis.dashboard.pages import Page, Site, run
from analysis.dashboard.view import View, view_of
from analysis.lake import Connection

PAGE: Final = Page("/requests", "Requests", "r")
COLUMNS_COOKIE: Final = "heliograph_columns"
_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Column:
    """`sort`: SQL over `calls`, the largest first; None: rows are not sorted by it."""

    title: str
    is_number: bool = False
    sort: str | None = None


COLUMNS: Final[Mapping[str, Column]] = {
    "time": Column("Time", sort="started_at"),
    "model": Column("Model"),
    "provider": Column("Provider"),
    "operation": Column("Operation"),
    "status": Column("Status"),
    "user": Column("User"),
    "session": Column("Session"),
    "repository": Column("Repository"),
    "command": Column("Command"),
    "client": Column("Client"),
    "cache": Column("Cache"),
    "input": Column("Input", True, "input_tokens"),
    "cached": Column("Cached input", True, "cache_read_input_tokens"),
    "output": Column("Output", True, "output_tokens"),
    "reasoning": Column("Reasoning", True, "reasoning_output_tokens"),
    "cost": Column("Cost", True, "cost_usd"),
    "saved": Column("Saved", True, "saved_usd"),
    "first_token": Column("First token", True, "time_to_first_token_ms"),
    "latency": Column("Latency", True, "duration_ms"),
    "attempts": Column("Attempts", True, "attempts"),
    "id": Column("Request"),
}
_USUAL: Final = ("time", "model", "status", "user", "session", "input", "output", "cost", "first_token", "latency")


@dataclass(frozen=True, slots=True)
class After:
    """The last call of the page before: where this page begins."""

    value: float | None
    at: str
    id: str

    def variables(self) -> dict[str, object]:
        return {"after_value": self.value, "after_at": self.at, "after_id": self.id}


_FIRST_PAGE: Final[dict[str, object]] = {"after_value": None, "after_at": None, "after_id": None}


def routes(site: Site) -> list[Route]:
    async def page(request: Request) -> Response:
        view = view_of(request)
        columns = chosen_columns(view, request.cookies.get(COLUMNS_COOKIE))
        return site.page(request, "requests.html", view, columns=columns, all_columns=COLUMNS, sort=sorting(view))

    async def summary(request: Request) -> Response:
        view = view_of(request)
        return site.part("requests_summary.html", view, row=await site.row(view, "requests_summary"))

    async def rows(request: Request) -> Response:
        view = view_of(request)
        if file := await download(site, view, "requests_export"):
            return file
        after = read_after(view.options.get("after"))
        found, excerpts = await site.ask(view, lambda connection: _page(connection, view, after))
        shown = found[:_MOST]
        return site.part(
            "requests_more.html" if after else "requests_rows.html",
            view,
            rows=shown,
            excerpts=excerpts,
            columns=chosen_columns(view, request.cookies.get(COLUMNS_COOKIE)),
            all_columns=COLUMNS,
            sort=sorting(view),
            after=_after(shown[-1]) if len(found) > _MOST else None,
        )

    part = f"{PAGE.path}/-"
    return [Route(PAGE.path, page), Route(f"{part}/summary", summary), Route(f"{part}/rows", rows)]


def _page(connection: Connection, view: View, after: After | None) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """One call more than a page has, and where the searched words are, by request id."""
    column, is_ascending = sorting(view)
    variables = {"most": _MOST + 1, **(after.variables() if after else _FIRST_PAGE)}
    if column == "time" and not is_ascending:
        table = run(connection, "requests_page", variables)
    else:
        expression = COLUMNS[column].sort or ""
        if column == "time":
            expression = "epoch_us(started_at)"
        table = run(
            connection, "requests_sorted", variables, [f"{'-' if is_ascending else ''}({expression}) as sorted"]
        )
    found = list(table.records())
    return found, _excerpts(connection, view, [row["request_id"] for row in found])


def _excerpts(connection: Connection, view: View, ids: Sequence[str]) -> dict[str, str]:
    words = [
        word
        for each in view.filters.filters
        if each.name == "words" and not each.negated
        for word in words_of(each.value)
    ]
    if not words or not ids:
        return {}
    rows = run(connection, "requests_found", {"ids": list(ids), "word": words[0]}).rows
    return {request_id: " ".join(excerpt.split()) for request_id, excerpt in rows}


def sorting(view: View) -> tuple[str, bool]:
    """The column, and whether its smallest come first: `sort=-latency`."""
    name = view.options.get("sort", "time")
    column = name.removeprefix("-")
    return (column, name.startswith("-")) if column in COLUMNS and COLUMNS[column].sort else ("time", False)


def chosen_columns(view: View, remembered: str | None) -> tuple[str, ...]:
    """Of the address, else as remembered by the browser, else the usual ones; always with the time, which is the link."""
    asked = view.options.get("columns") or remembered or ""
    chosen = [name for name in COLUMNS if name in asked.split(",")]
    return ("time", *(name for name in chosen if name != "time")) if chosen else _USUAL


def read_after(text: str | None) -> After | None:
    """`VALUE~TIME~ID`, as `_after` wrote it; what makes no sense is the first page."""
    value, _, rest = (text or "").partition("~")
    at, _, request_id = rest.partition("~")
    try:
        datetime.fromisoformat(at)
        return After(float(value) if value else None, at, request_id)
    except ValueError:
        return None


def _after(row: Mapping[str, Any]) -> str:
    value = "" if row["sorted"] is None else repr(float(row["sorted"]))
    return f"{value}~{row['started_at'].isoformat()}~{row['request_id']}"
