"""The page Requests: the calls that fit the filters, one a row, page by page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.dashboard.downloads import download
from analysis.dashboard.pages import Page, Site, kept
from analysis.dashboard.request_rows import Row, after, excerpts, find, read_after
from analysis.dashboard.view import View, remembered, view_of
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


def routes(site: Site) -> list[Route]:
    async def page(request: Request) -> Response:
        view = view_of(request)
        columns = chosen_columns(view, remembered(request, COLUMNS_COOKIE))
        return site.page(request, "requests.html", view, columns=columns, all_columns=COLUMNS, sort=sorting(view))

    async def summary(request: Request) -> Response:
        view = view_of(request)
        return site.part("requests_summary.html", view, row=await site.row(view, "requests_summary", groups=()))

    async def rows(request: Request) -> Response:
        """The table, or the file that the address asks for."""
        if file := await download(site, view_of(request), "requests_export"):
            return file
        return await page_of_rows(request, "requests_rows.html")

    async def more(request: Request) -> Response:
        """The rows of the next page, for the table that is there."""
        return await page_of_rows(request, "requests_more.html")

    async def page_of_rows(request: Request, template: str) -> Response:
        view = view_of(request)
        found, where = await site.dashboard.api.ask(lambda connection: _page(connection, view))
        shown = found[:_MOST]
        return site.part(
            template,
            view,
            rows=shown,
            excerpts=where,
            columns=chosen_columns(view, remembered(request, COLUMNS_COOKIE)),
            all_columns=COLUMNS,
            sort=sorting(view),
            after=str(after(shown[-1])) if len(found) > _MOST else None,
        )

    part = f"{PAGE.path}/-"
    return [
        Route(PAGE.path, page),
        Route(f"{part}/summary", kept(site, summary)),
        Route(f"{part}/rows", kept(site, rows)),
        Route(f"{part}/more", kept(site, more)),
    ]


def _page(connection: Connection, view: View) -> tuple[list[Row], dict[str, Markup]]:
    """One call more than a page has, and where the searched words are, by request id."""
    column, is_ascending = sorting(view)
    by = None
    if column != "time" or is_ascending:
        expression = "epoch_us(started_at)" if column == "time" else COLUMNS[column].sort
        by = f"{'-' if is_ascending else ''}({expression})"
    found = find(connection, view, _MOST + 1, read_after(view.options.get("after")), by)
    return found, excerpts(connection, view, found)


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
