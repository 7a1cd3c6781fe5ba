"""The charts over time that several pages have: sums at each step, stacked by a column of `calls`."""

from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from analysis.dashboard import charts
from analysis.dashboard.downloads import download
from analysis.dashboard.filters import PROPERTY
from analysis.dashboard.pages import Site
from analysis.dashboard.steps import steps_of
from analysis.dashboard.view import View
from analysis.quoting import quoted

# Title, column of the question, unit.
type Sums = Sequence[tuple[str, str, str]]
SPEND_AND_CALLS: Final[Sums] = (("Spend", "cost_usd", "usd"), ("Calls", "calls", "count"))


async def over_time(site: Site, view: View, by: str, token: str | None, sums: Sums) -> Response:
    """A chart for each of `sums`, or the file that the address asks for. `token`: the filter that a series is."""
    steps = steps_of(view.window)
    columns = [f"{steps.column} as at", f"{quoted(by)} as series"]
    properties = [by] if by.startswith(PROPERTY) else []
    if file := await download(site, view, "overview_over_time", columns, properties):
        return file
    groups = (steps.name, by)
    rows = list((await site.table(view, "overview_over_time", columns, properties, groups=groups)).records())
    made = {
        title: charts.stacked([row for row in rows if row[value]], value, steps, view, unit, token=token)
        for title, value, unit in sums
    }
    place = steps.place(view.window)
    later = sum(row["calls"] for row in rows if place(row["at"]) is None)
    return site.part("over_time.html", view, charts=made, step=steps.name, later=later)
