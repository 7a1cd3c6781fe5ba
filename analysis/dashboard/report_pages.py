"""The pages that show reports: a chart over time, and tables that are sorted by a click. One entry of PAGES a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.dashboard import charts
from analysis.dashboard.pages import Page, Site
from analysis.dashboard.report_table import shown, token_of
from analysis.dashboard.steps import steps_of
from analysis.dashboard.view import View, view_of
from analysis.lake import Connection
from analysis.reports.dimensions import PROPERTY, quoted
from analysis.reports.grouping import grouped_by
from analysis.reports.report import load
from analysis.reports.scope import NO_LIMIT, set_variables
from analysis.table import Table, fetch

MOST_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Part:
    """A report on a page. `name`: its place in the address; `by`: what it is grouped by, where not by its default."""

    name: str
    title: str
    report: str
    by: tuple[str, ...] = ()
    note: str = ""  # what a reader must know of it
    height: str = "l"


@dataclass(frozen=True, slots=True)
class ReportPage:
    """`stack`: the charts over time are stacked by this column of `calls`; None: no charts."""

    PAGE: Page
    parts: tuple[Part, ...]
    stack: str | None = None
    chart: tuple[tuple[str, str, str], ...] = (("Spend", "cost_usd", "usd"), ("Calls", "calls", "count"))

    def routes(self, site: Site) -> list[Route]:
        def page(request: Request) -> Response:
            view = view_of(request)
            return site.page(request, "report_page.html", view, parts=self.parts, has_charts=self.stack is not None)

        async def over_time(request: Request) -> Response:
            return await over_time_part(site, view_of(request), self.stack or "model", self.chart)

        return [
            Route(self.PAGE.path, page),
            Route(f"{self.PAGE.path}/-/over-time", over_time),
            *(Route(f"{self.PAGE.path}/-/{part.name}", partial(_part, site, part)) for part in self.parts),
        ]


async def _part(site: Site, part: Part, request: Request) -> Response:
    return await report_part(site, view_of(request), part.report, part.by, part.note)


async def report_part(site: Site, view: View, report: str, by: Sequence[str] = (), note: str = "") -> Response:
    """The report as a table. The option `sort` of the page names a column, with a `-` before it for the smallest first."""
    names = [name for name in by if name.startswith(PROPERTY)]
    sort = view.options.get("sort")
    table = await site.ask(view, lambda connection: answer(connection, report, by, sort), names)
    filters = [name for name in by if token_of(name)] if len(by) == 1 else ()
    return site.part(
        "report_table.html",
        view,
        shown=shown(table, view, by=filters, most=MOST_ROWS),
        most=MOST_ROWS,
        sort=sort,
        title=load(report).question,
        note=note,
    )


def answer(connection: Connection, report: str, by: Sequence[str], sort: str | None) -> Table:
    """One row more than is shown, so that it is known whether there are more."""
    sql = grouped_by(load(report).sql, by)
    set_variables(connection, {"most": MOST_ROWS + 1})
    column = (sort or "").removeprefix("-")
    if column:
        columns = connection.sql(sql).columns
        if column in columns:
            order = "asc" if sort and sort.startswith("-") else "desc"
            set_variables(connection, {"most": NO_LIMIT})
            sql = f"select * from (\n{sql}\n) order by {quoted(column)} {order} nulls last limit {MOST_ROWS + 1}"
    return fetch(connection, sql)


async def over_time_part(site: Site, view: View, by: str, chart: Sequence[tuple[str, str, str]]) -> Response:
    steps = steps_of(view.window)
    names = [by] if by.startswith(PROPERTY) else []
    columns = [f"{steps.column} as at", f"{quoted(by)} as series"]
    rows = list((await site.table(view, "overview_over_time", columns, names)).records())
    made = {title: charts.stacked(rows, value, steps, view, unit, token=token_of(by)) for title, value, unit in chart}
    return site.part("charts.html", view, charts=made, step=steps.name)


PAGES: Final = (
    ReportPage(
        Page("/models", "Models", "m", "Break down"),
        (
            Part("costs", "Cost and tokens", "models"),
            Part("latency", "Latency", "latency", ("model",)),
            Part(
                "throughput", "Speed", "throughput", ("model",), "Of answers that a provider gave, without cache hits."
            ),
            Part("retries", "Retries and fallbacks", "retries", (), "", "m"),
            Part("unpriced", "Without a price", "unpriced", (), "These calls are in no sum of costs.", "m"),
        ),
        "model",
    ),
    ReportPage(
        Page("/users", "Users", "u", "Break down"),
        (
            Part("costs", "Cost and tokens", "users"),
            Part(
                "anomalies",
                "Far off their habit",
                "anomalies",
                ("user",),
                "Days far from the median of the 28 days before. A week of history is needed.",
                "m",
            ),
        ),
        "user",
    ),
    ReportPage(
        Page("/clients", "Clients", "c", "Break down"),
        (
            Part("clients", "Programs", "clients", (), "By the beginning of the user agent."),
            Part("repositories", "Repositories", "repositories", (), "Of programs on the proxy's machine."),
        ),
        "client",
    ),
    ReportPage(
        Page("/errors", "Errors", "e", "Watch"),
        (
            Part("errors", "What goes wrong", "errors"),
            Part("models", "By model", "errors", ("model",)),
        ),
        "error",
        (("Errors", "errors", "count"),),
    ),
    ReportPage(
        Page("/cache", "Cache", "h", "Watch"),
        (
            Part("cache", "Hit rate and savings", "cache", (), "Of calls that had the cache on."),
            Part("hits", "Answers given most often", "cache-hits", (), "", "m"),
            Part("duplicates", "Worth caching", "duplicates", (), "Equal calls that reached a provider again."),
        ),
        "model",
        (("Saved", "saved_usd", "usd"),),
    ),
    ReportPage(
        Page("/feedback", "Feedback and scores", "f", "Watch"),
        (
            Part("feedback", "Ratings by model", "feedback"),
            Part("prompts", "Ratings by prompt", "feedback", ("prompt",), "", "m"),
            Part("users", "Ratings by user", "feedback", ("user",), "", "m"),
            Part("scores", "Scores by model", "scores"),
        ),
    ),
)
