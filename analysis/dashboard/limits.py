"""The page Limits and budgets: how much of each is used now, and when it runs out at this rate."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.limits.rules import period_begin
from analysis.dashboard.filters import KINDS, Filters, exactly
from analysis.dashboard.limits_store import limits_store, spent_now
from analysis.dashboard.pages import Page, Site, kept
from analysis.dashboard.view import View, iso, view_of
from analysis.reports.dimensions import PROPERTY
from analysis.reports.standing import BudgetNow, LimitNow, budgets_now, limits_now

PAGE: Final = Page("/limits", "Limits and budgets", "b", "Watch")
MOST: Final = 200


def routes(site: Site) -> list[Route]:
    def page(request: Request) -> Response:
        return site.page(request, "limits.html", view_of(request))

    async def budgets(request: Request) -> Response:
        view, now = view_of(request), datetime.now(UTC)
        rules = site.dashboard.settings().budgets
        contents, trouble = await limits_store(site, now)
        found = await site.dashboard.api.ask(lambda connection: budgets_now(connection, rules, contents, now))
        rows = [(each, _calls(view, each, period_begin(each.period, now))) for each in found[:MOST]]
        return site.part("limits_budgets.html", view, rows=rows, has_rules=bool(rules), trouble=trouble)

    async def limits(request: Request) -> Response:
        view, now = view_of(request), datetime.now(UTC)
        rules = site.dashboard.settings().limits
        contents, trouble = await limits_store(site, now)
        found = await site.dashboard.api.ask(lambda connection: limits_now(connection, rules, contents, now))
        rows = [(each, _calls(view, each, now - timedelta(seconds=each.window_s))) for each in found[:MOST]]
        return site.part("limits_limits.html", view, rows=rows, has_rules=bool(rules), trouble=trouble, now=now)

    return [
        Route(PAGE.path, page),
        Route(f"{PAGE.path}/-/budgets", kept(site, budgets, spent_now)),
        Route(f"{PAGE.path}/-/limits", limits),
    ]


def unfiltered(view: View) -> View:
    """Limits, budgets and alerts are about all calls, whatever the other pages are filtered by."""
    return replace(view, filters=Filters())


def _calls(view: View, rule: BudgetNow | LimitNow, since: datetime) -> str | None:
    """The calls since then that a group is made of; None: they cannot be said as a filter."""
    if rule.per == "all":
        return unfiltered(view).rows(since=iso(since), until=None)
    if rule.per in KINDS or rule.per.startswith(PROPERTY):
        return unfiltered(view).rows((rule.per, exactly(rule.group)), since=iso(since), until=None)
    return None
