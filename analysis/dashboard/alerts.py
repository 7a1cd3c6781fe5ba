"""The page Alerts: what each alert of the settings measures now, and which of them fire."""

from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.limits.store import Contents, StoreDown
from analysis.alerts.standing import alerts_now
from analysis.dashboard.pages import Page, Site
from analysis.dashboard.view import view_of
from analysis.reports.standing import stored_contents

PAGE: Final = Page("/alerts", "Alerts", "a", "Watch")


def routes(site: Site) -> list[Route]:
    def page(request: Request) -> Response:
        return site.page(request, "alerts.html", view_of(request))

    async def states(request: Request) -> Response:
        view, now = view_of(request), datetime.now(UTC)
        settings = site.dashboard.settings()
        try:
            contents = stored_contents(settings.data, now)
        except StoreDown:
            contents = Contents()  # what calls under way reserve is missing; the page of the limits says so
        rows = await site.dashboard.api.ask(lambda connection: alerts_now(connection, settings, contents, now))
        return site.part("alerts_states.html", view, rows=rows, has_alerts=bool(settings.alerts))

    return [Route(PAGE.path, page), Route(f"{PAGE.path}/-/states", states)]
