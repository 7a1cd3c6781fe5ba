"""The weekly report as an HTML page."""

from collections.abc import Sequence

from analysis.faces import weekly
from analysis.faces.chart import chart_of
from analysis.faces.page import as_rows, pictures, render
from analysis.faces.weekly import Week
from analysis.table import Table


def weekly_html(week: Week, budgets: Table, notes: Sequence[str]) -> str:
    """The whole document. `notes`: what the sums leave out. `budgets`: their present state."""
    days = weekly.days_chart(week)
    heading = "Spend by day"
    return render(
        "weekly.html",
        title=weekly.title(week.window),
        subtitle=weekly.scope(week.window),
        facts=weekly.facts(week),
        news=weekly.news(week),
        days_title=heading,
        days=pictures(days, "days", heading) if days else None,
        parts=[part for name in weekly.PARTS if (part := _part(week, name))],
        budgets=as_rows(budgets, "Budgets") if budgets.rows else None,
        notes=notes,
    )


def _part(week: Week, name: str) -> dict[str, object] | None:
    table = weekly.part_table(week, name)
    if table is None:
        return None
    title = f"By {name}"
    costs = Table(table.columns, [row for row in table.rows if row[1] is not None])
    return {
        "title": title,
        "pictures": pictures(chart_of(costs, "cost_usd"), name, title) if costs.rows else None,
        "rows": as_rows(table, title),
        "left_out": weekly.left_out(week, name),
    }
