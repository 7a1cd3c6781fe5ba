"""The page Overview: what the calls came to, over time and by what."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.dashboard import charts
from analysis.dashboard.first_call import first_call_page
from analysis.dashboard.limits_store import limits_store, spent_now
from analysis.dashboard.over_time import SPEND_AND_CALLS, over_time
from analysis.dashboard.pages import Page, Site, kept
from analysis.dashboard.steps import steps_of
from analysis.dashboard.view import View, view_of
from analysis.quoting import quoted
from analysis.reports.dimensions import PROPERTY, properties
from analysis.reports.standing import budgets_now

PAGE: Final = Page("/overview", "Overview", "o")

# What charts can be stacked by: the name of a column of `calls`, which is also the filter of a click.
STACKS: Final = ("model", "provider", "user", "operation", "repository", "command", "client")
_MOST_PROPERTIES: Final = 6
_PROPERTY_TOPS: Final = 2  # of the most frequent properties; charts can be stacked by all of them
_MOST_CHANGES: Final = 6
_MOST_BUDGETS: Final = 8
_SUMS: Final = (*SPEND_AND_CALLS, ("Tokens", "tokens", "count"), ("Errors", "errors", "count"))
_NOT_TIMED: Final = {"p50_ms": None, "p95_ms": None, "first_token_ms": None}
_TOTALS: Final = ("user_id", "cache_status")  # what the totals ask beside numbers
_TOPS: Final[Mapping[str, str]] = {"model": "Models", "user": "Users", "repository": "Repositories", "error": "Errors"}


@dataclass(frozen=True, slots=True)
class _Top:
    """`most`: the largest cost of a row, in USD, which has the longest bar."""

    by: str
    title: str
    rows: Sequence[Mapping[str, Any]]
    most: float


def routes(site: Site) -> list[Route]:
    part = f"{PAGE.path}/-"
    return [
        Route(PAGE.path, partial(_page, site)),
        Route(f"{part}/totals", kept(site, partial(_totals, site))),
        Route(f"{part}/over-time", kept(site, partial(_sums, site))),
        Route(f"{part}/latency", kept(site, partial(_latency, site))),
        Route(f"{part}/changes", kept(site, partial(_changes, site))),
        Route(f"{part}/budgets", kept(site, partial(_budgets, site), spent_now)),
        Route(f"{part}/tops", kept(site, partial(_tops, site))),
        Route(f"{part}/properties", kept(site, partial(_property_tops, site))),
    ]


async def _page(site: Site, request: Request) -> Response:
    view = view_of(request)
    if first := await first_call_page(site, request, view):
        return first
    return site.page(request, "overview.html", view, by=_stack(view), stacks=STACKS)


async def _totals(site: Site, request: Request) -> Response:
    view = view_of(request)
    now = await _all(site, view)
    before = await _all(site, replace(view, window=view.earlier)) if view.compares else None
    return site.part("overview_totals.html", view, now=now, before=before, share=_share_rated_good)


async def _all(site: Site, view: View) -> dict[str, Any]:
    """What all calls of the window came to."""
    row, times = await asyncio.gather(site.row(view, "overview_totals", _TOTALS), _times(site, view, "null as at", ()))
    return {**row, **(times[0] if times else _NOT_TIMED)}


async def _times(site: Site, view: View, at: str, groups: Sequence[str]) -> list[dict[str, Any]]:
    """How long answers took, by `at`, which is SQL over the column of `groups`."""
    return list((await site.table(view, "overview_latency", [at], groups=groups)).records())


def _share_rated_good(totals: Mapping[str, Any] | None) -> float | None:
    """Of the rated calls; None: none is."""
    ratings = totals["ratings"] if totals else {"rated": 0, "good": 0}
    return ratings["good"] / ratings["rated"] if ratings["rated"] else None


async def _sums(site: Site, request: Request) -> Response:
    view = view_of(request)
    by = _stack(view)
    return await over_time(site, view, by, by, _SUMS)


async def _latency(site: Site, request: Request) -> Response:
    view = view_of(request)
    steps = steps_of(view.window)
    rows = await _times(site, view, f"{steps.column} as at", (steps.name,))
    shown = {"p50_ms": "p50", "p95_ms": "p95", "first_token_ms": "first token, p50"}
    chart = charts.lines(rows, shown, steps, view, "duration")
    return site.part("charts.html", view, charts={"Latency": chart}, step=steps.name)


async def _changes(site: Site, request: Request) -> Response:
    view = view_of(request)
    by = _stack(view)
    table = await site.table(
        view, "changes", [quoted(by)], properties([by]), reads_before=True, groups=[by], most=_MOST_CHANGES
    )
    return site.part("overview_changes.html", view, by=by, rows=list(table.records()))


async def _budgets(site: Site, request: Request) -> Response:
    view, now = view_of(request), datetime.now(UTC)
    settings = site.dashboard.settings()
    contents, _ = await limits_store(site, now)  # the page of the limits says what is not known
    found = await site.dashboard.api.ask(lambda connection: budgets_now(connection, settings.budgets, contents, now))
    return site.part("overview_budgets.html", view, budgets=found[:_MOST_BUDGETS])


async def _tops(site: Site, request: Request) -> Response:
    """All of one question: in a part each they would ask as many."""
    view = view_of(request)
    found = list((await site.table(view, "overview_tops", groups=tuple(_TOPS))).records())
    tops = [_top(by, title, [row for row in found if row["dimension"] == by]) for by, title in _TOPS.items()]
    return site.part("overview_tops.html", view, tops=tops)


async def _property_tops(site: Site, request: Request) -> Response:
    view = view_of(request)
    found = await site.table(view, "property_names", groups=["properties"], typed="", most=_MOST_PROPERTIES)
    names = [name for name, _ in found.rows]
    shown = names[:_PROPERTY_TOPS]
    rows = list((await site.table(view, "overview_property_tops", groups=["properties"], names=shown)).records())
    tops = [_top(f"{PROPERTY}{name}", name, [row for row in rows if row["dimension"] == name]) for name in shown]
    return site.part("overview_properties.html", view, by=_stack(view), names=names, tops=tops)


def _top(by: str, title: str, rows: Sequence[Mapping[str, Any]]) -> _Top:
    return _Top(by, title, rows, max((row["cost_usd"] or 0 for row in rows), default=0) or 1)


def _stack(view: View) -> str:
    by = view.options.get("by", "model")
    return by if by in STACKS or (by.startswith(PROPERTY) and len(by) > len(PROPERTY)) else "model"
