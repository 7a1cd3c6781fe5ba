"""The page Requests: the calls that fit the filters, one a row."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.dashboard.pages import Page, Site
from analysis.dashboard.view import view_of

PAGE: Final = Page("/requests", "Requests", "r")
_MOST: Final = 50


def routes(site: Site) -> list[Route]:
    async def page(request: Request) -> Response:
        return site.page(request, "requests.html", view_of(request))

    async def rows(request: Request) -> Response:
        view = view_of(request)
        table = await site.table(view, "requests_page", most=_MOST)
        return site.part("requests_rows.html", view, rows=list(table.records()))

    return [Route(PAGE.path, page), Route(f"{PAGE.path}/-/rows", rows)]
