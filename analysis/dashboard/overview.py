"""The page Overview: what the calls came to, over time and by what."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.dashboard import charts
from analysis.dashboard.first_call import first_call_page
from analysis.dashboard.limits_store import limits_store
from analysis.dashboard.over_time import SPEND_AND_CALLS, over_time
from analysis.dashboard.pages import Page, Site
from analysis.dashboard.steps import steps_of
from analysis.dashboard.view import View, view_of
from analysis.quoting import quoted
from analysis.reports.dimensions import PROPERTY
from analysis.reports.standing import budgets_now

PAGE: Final = Page("/overview", "Overview", "o")

# What charts can be stacked by: the name of a column of `calls`, which is also the filter of a click.
STACKS: Final = ("model", "provider", "user", "operation", "repository", "command", "client")
_MOST_PROPERTIES: Final = 6
_MOST_CHANGES: Final = 6
_MOST_BUDGETS: Final = 8
_SUMS: Final = (*SPEND_AND_CALLS, ("Tokens", "tokens", "count"), ("Errors", "errors", "count"))
_TOPS: Final = (("model", "Models"), ("user", "Users"), ("repository", "Repositories"), ("error", "Errors"))


def routes(site: Site) -> list[Route]:
    async def page(request: Request) -> Response:
        view = view_of(request)
        if first := await first_call_page(site, request, view):
            return first
        return site.page(request, "overview.html", view, by=_stack(view), stacks=STACKS, tops=_TOPS)

    async def totals(request: Request) -> Response:
        view = view_of(request)
        now = await site.row(view, "overview_totals")
        earlier = replace(view, window=view.earlier)
        before = await site.row(earlier, "overview_totals") if view.compares else None
        return site.part("overview_totals.html", view, now=now, before=before)

    async def sums(request: Request) -> Response:
        view = view_of(request)
        by = _stack(view)
        return await over_time(site, view, by, by, _SUMS)

    async def latency(request: Request) -> Response:
        view = view_of(request)
        steps = steps_of(view.window)
        rows = list((await site.table(view, "overview_latency", [f"{steps.column} as at"])).records())
        times = {"p50_ms": "p50", "p95_ms": "p95", "first_token_ms": "first token, p50"}
        chart = charts.lines(rows, times, steps, view, "duration")
        return site.part("charts.html", view, charts={"Latency": chart}, step=steps.name)

    async def top(request: Request) -> Response:
        view = view_of(request)
        by = request.path_params["by"]
        if by not in dict(_TOPS) and not by.startswith(PROPERTY):
            by = "model"
        table = await site.table(view, "overview_top", [f"{quoted(by)} as name"], _properties(by))
        rows = [row for row in table.records() if by != "error" or row["name"] is not None]
        return site.part("overview_top.html", view, by=by, rows=rows, most=_most(rows))

    async def properties(request: Request) -> Response:
        view = view_of(request)
        found = await site.table(view, "property_names", typed="", most=_MOST_PROPERTIES)
        return site.part("overview_properties.html", view, by=_stack(view), names=[name for name, _ in found.rows])

    async def changes(request: Request) -> Response:
        view = view_of(request)
        by = _stack(view)
        table = await site.table(view, "changes", [quoted(by)], _properties(by), most=_MOST_CHANGES)
        return site.part("overview_changes.html", view, by=by, rows=list(table.records()))

    async def budgets(request: Request) -> Response:
        view, now = view_of(request), datetime.now(UTC)
        settings = site.dashboard.settings()
        contents, _ = await limits_store(site, now)  # the page of the limits says what is not known
        found = await site.ask(view, lambda connection: budgets_now(connection, settings.budgets, contents, now))
        return site.part("overview_budgets.html", view, budgets=found[:_MOST_BUDGETS])

    part = f"{PAGE.path}/-"
    return [
        Route(PAGE.path, page),
        Route(f"{part}/totals", totals),
        Route(f"{part}/over-time", sums),
        Route(f"{part}/latency", latency),
        Route(f"{part}/properties", properties),
        Route(f"{part}/changes", changes),
        Route(f"{part}/budgets", budgets),
        Route(f"{part}/top/{{by}}", top),
    ]


def _stack(view: View) -> str:
    by = view.options.get("by", "model")
    return by if by in STACKS or (by.startswith(PROPERTY) and len(by) > len(PROPERTY)) else "model"


def _properties(by: str) -> list[str]:
    return [by] if by.startswith(PROPERTY) else []


def _most(rows: Sequence[Mapping[str, Any]]) -> float:
    return max((row["cost_usd"] or 0 for row in rows), default=0) or 1
