"""The page Alerts: what each alert of the settings measures now, and which of them fire."""

import sqlite3
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.config.reload import state_of
from addon.config.settings import Settings
from analysis.alerts.message import number
from analysis.alerts.standing import AlertNow, alerts_now
from analysis.alerts.standing import kept as held
from analysis.dashboard import formats
from analysis.dashboard.limits import PAGE as LIMITS
from analysis.dashboard.limits import unfiltered
from analysis.dashboard.limits_store import limits_store, spent_now
from analysis.dashboard.pages import Page, Site, kept
from analysis.dashboard.state import BASE
from analysis.dashboard.view import View, iso, view_of

PAGE: Final = Page("/alerts", "Alerts", "a", "Watch")


@dataclass(frozen=True, slots=True)
class Measure:
    """What a condition measures."""

    name: str
    shown: Callable[[float], str]
    calls: tuple[tuple[str, str], ...] | None  # filters of the calls that it is made of; None: no filter says them


_MEASURES: Final[Mapping[str, Measure]] = {
    "spend": Measure("cost", formats.usd, ()),
    "error_rate": Measure("share of errors", formats.percent, (("error", "*"),)),
    "latency": Measure("latency p95", formats.duration, ()),
    "unpriced": Measure("calls without a price", formats.count, (("cost", ""),)),
    "budget": Measure("share of the budget", formats.percent, None),
}


def routes(site: Site) -> list[Route]:
    def page(request: Request) -> Response:
        return site.page(request, "alerts.html", view_of(request))

    async def states(request: Request) -> Response:
        view, now = view_of(request), datetime.now(UTC)
        settings = site.dashboard.settings()
        contents, _ = await limits_store(site, now)  # the page of the limits says what is not known
        found = await site.dashboard.api.ask(lambda connection: alerts_now(connection, settings, contents, now))
        narrowed = {alert.name for alert in settings.alerts if alert.where}
        rows = [
            (each, measure, None if each.name in narrowed else _behind(view, each, measure, now))
            for each in found
            for measure in [_measure_of(each)]
        ]
        return site.part("alerts_states.html", view, rows=rows, has_alerts=bool(settings.alerts))

    return [Route(PAGE.path, page), Route(f"{PAGE.path}/-/states", kept(site, states, _made_of))]


async def _made_of(site: Site) -> Hashable:
    """What the states are made of beside the lake: spending, what fires and was told, and the questions of a person."""
    settings = site.dashboard.settings()
    return await spent_now(site), await anyio.to_thread.run_sync(_told, settings), _questions(settings)


def _told(settings: Settings) -> str:
    """What the settler wrote down, or why it cannot be read."""
    try:
        return repr(held(settings))
    except (sqlite3.Error, OSError) as error:
        return str(error)


def _questions(settings: Settings) -> Hashable:
    files = [settings.config.parent / Path(alert.sql).expanduser() for alert in settings.alerts if alert.sql]
    return tuple((file, state_of(file)) for file in files)


def _measure_of(each: AlertNow) -> Measure:
    """A person's SQL has a file's name as its condition, and any value."""
    return _MEASURES.get(each.condition) or Measure(each.condition, number, None)


def _behind(view: View, each: AlertNow, measure: Measure, now: datetime) -> str | None:
    """The page of what a value is made of."""
    if each.condition == "budget":
        return f"{BASE}{LIMITS.path}"
    if measure.calls is None:
        return None
    return unfiltered(view).rows(*measure.calls, since=iso(now - timedelta(seconds=each.window_s)), until=None)
