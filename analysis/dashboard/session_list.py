"""The page Sessions: what each session of the window came to."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.dashboard.downloads import download
from analysis.dashboard.pages import Page, Site, kept
from analysis.dashboard.session_key import session_path_of
from analysis.dashboard.view import View, view_of

PAGE: Final = Page("/sessions", "Sessions", "s")
# Column of the answer -> its heading. The first is the order where none is asked for.
SORTS: Final = {
    "last_call_at": "Last call",
    "calls": "Calls",
    "errors": "Errors",
    "duration_ms": "Duration",
    "input_tokens": "Input",
    "output_tokens": "Output",
    "cost_usd": "Cost",
}
_A_PAGE: Final = 50


def routes(site: Site) -> list[Route]:
    async def page(request: Request) -> Response:
        view = view_of(request)
        return site.page(
            request, "sessions.html", view, shown={name: view.options.get(name) for name in ("sort", "after")}
        )

    async def rows(request: Request) -> Response:
        view = view_of(request)
        sort, offset = _sort(view), _offset(view)
        if file := await download(site, view, "sessions_page", skipped=0, sort=sort):
            return file
        table = await site.table(view, "sessions_page", most=_A_PAGE, skipped=offset, sort=sort)
        found = list(table.records())
        return site.part(
            "sessions_rows.html",
            view,
            rows=[{**row, "path": session_path_of(row["session_id"])} for row in found],
            sessions=found[0]["sessions"] if found else 0,
            sorts=SORTS,
            sort=sort,
            offset=offset,
            page_rows=_A_PAGE,
        )

    return [Route(PAGE.path, page), Route(f"{PAGE.path}/-/rows", kept(site, rows))]


def _sort(view: View) -> str:
    asked = view.options.get("sort", "")
    return asked if asked in SORTS else next(iter(SORTS))


def _offset(view: View) -> int:
    asked = view.options.get("after", "")
    return int(asked) if asked.isdecimal() and len(asked) < 10 else 0
