"""The page Alerts: what each alert of the settings measures now, and which of them fire."""

from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.alerts.standing import alerts_now
from analysis.dashboard.limits_store import limits_store
from analysis.dashboard.pages import Page, Site
from analysis.dashboard.view import view_of

PAGE: Final = Page("/alerts", "Alerts", "a", "Watch")


def routes(site: Site) -> list[Route]:
    def page(request: Request) -> Response:
        return site.page(request, "alerts.html", view_of(request))

    async def states(request: Request) -> Response:
        view, now = view_of(request), datetime.now(UTC)
        settings = site.dashboard.settings()
        contents, _ = await limits_store(site, now)  # the page of the limits says what is not known
        rows = await site.dashboard.api.ask(lambda connection: alerts_now(connection, settings, contents, now))
        return site.part("alerts_states.html", view, rows=rows, has_alerts=bool(settings.alerts))

    return [Route(PAGE.path, page), Route(f"{PAGE.path}/-/states", states)]
