"""The page Properties: which properties the calls have, and what the calls with each value of one come to."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.dashboard.over_time import SPEND_AND_CALLS, over_time
from analysis.dashboard.pages import Page, Site, kept
from analysis.dashboard.report_pages import Part, report_part
from analysis.dashboard.view import View, view_of
from analysis.reports.dimensions import PROPERTY

PAGE: Final = Page("/properties", "Properties", "p", "Break down")
_MOST: Final = 100


def routes(site: Site) -> list[Route]:
    def page(request: Request) -> Response:
        view = view_of(request)
        return site.page(request, "properties.html", view, name=_name(view))

    async def names(request: Request) -> Response:
        view = view_of(request)
        table = await site.table(view, "property_names", groups=["properties"], typed="", most=_MOST)
        return site.part("properties_names.html", view, rows=list(table.records()), name=_name(view))

    async def charts(request: Request) -> Response:
        view = view_of(request)
        by = f"{PROPERTY}{_name(view)}"
        return await over_time(site, view, by, by, SPEND_AND_CALLS)

    async def values(request: Request) -> Response:
        view = view_of(request)
        name = _name(view)
        part = Part("values", f"Values of {name}", "costs", (f"{PROPERTY}{name}",))
        return await report_part(site, view, part)

    part = f"{PAGE.path}/-"
    return [
        Route(PAGE.path, page),
        Route(f"{part}/names", kept(site, names)),
        Route(f"{part}/over-time", kept(site, charts)),
        Route(f"{part}/values", kept(site, values)),
    ]


def _name(view: View) -> str:
    """The property that is looked at; "": none is chosen yet."""
    return view.options.get("name", "").lower()
