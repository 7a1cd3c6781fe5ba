"""The page Limits and budgets: how much of each is used now, and when it runs out at this rate."""

from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.limits.store import Contents, StoreDown
from analysis.dashboard.filters import KINDS
from analysis.dashboard.pages import Page, Site
from analysis.dashboard.view import View, iso, view_of
from analysis.reports.dimensions import PROPERTY
from analysis.reports.standing import budgets_now, limits_now, stored_contents

PAGE: Final = Page("/limits", "Limits and budgets", "b", "Watch")
MOST: Final = 200


def routes(site: Site) -> list[Route]:
    def page(request: Request) -> Response:
        return site.page(request, "limits.html", view_of(request))

    async def budgets(request: Request) -> Response:
        view, now = view_of(request), datetime.now(UTC)
        rules = site.dashboard.settings().budgets
        contents, trouble = _contents(site, now)
        found = await site.dashboard.api.ask(lambda connection: budgets_now(connection, rules, contents, now))
        links = [_calls(view, each.per, each.group) for each in found[:MOST]]
        shown = list(zip(found[:MOST], links, strict=True))
        return site.part("limits_budgets.html", view, rows=shown, has_rules=bool(rules), trouble=trouble)

    async def limits(request: Request) -> Response:
        view, now = view_of(request), datetime.now(UTC)
        rules = site.dashboard.settings().limits
        contents, trouble = _contents(site, now)
        found = await site.dashboard.api.ask(lambda connection: limits_now(connection, rules, contents, now))
        links = [_calls(view, each.per, each.group) for each in found[:MOST]]
        shown = list(zip(found[:MOST], links, strict=True))
        return site.part("limits_limits.html", view, rows=shown, has_rules=bool(rules), trouble=trouble, now=now)

    return [
        Route(PAGE.path, page),
        Route(f"{PAGE.path}/-/budgets", budgets),
        Route(f"{PAGE.path}/-/limits", limits),
    ]


def _contents(site: Site, now: datetime) -> tuple[Contents, str | None]:
    """What the store of the limits holds, and what a reader must know where it cannot be read."""
    try:
        return stored_contents(site.dashboard.api.settings.data, now), None
    except StoreDown as error:
        return Contents(), f"What calls under way reserve is not known: {error}"


def _calls(view: View, per: str, group: str | None) -> str | None:
    """The calls of this month that a group is made of; None: they cannot be said as a filter."""
    month = iso(view.zone.midnight(view.zone.local(datetime.now(UTC)).date().replace(day=1)))
    if per == "all":
        return view.rows(since=month, until=None)
    if per in KINDS or per.startswith(PROPERTY):
        return view.rows((per, group), since=month, until=None)
    return None
