"""`heliograph report summary` as one page: what was spent, against the period before, by model and user."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TextIO

from analysis.faces.render import UNKNOWN, cell
from analysis.faces.text_table import write_table
from analysis.reports.standing import BudgetNow
from analysis.reports.window import Window, before
from analysis.table import Table

NAME: Final = "summary"
TOP: Final = 10  # models and users that fit on a page
_PARTS: Final = {"model": "models", "user": "users"}
_FACTS: Final = ("cost_usd", "calls", "errors", "input_tokens", "output_tokens", "unpriced")

type Row = dict[str, Any]  # the columns of sql/summary.sql


def with_budgets(table: Table, budgets: Sequence[BudgetNow]) -> Table:
    """The rows of the report with a row for each budget: `cost_usd` is what it has spent, `budget_usd` what it may."""
    rows = [(*row, None) for row in table.rows]
    for budget in budgets:
        name = " ".join(filter(None, (budget.name, budget.group)))
        known: Row = {"part": "budget", "name": name, "cost_usd": budget.spent_usd}
        rows.append((*(known.get(column) for column in table.columns), budget.budget_usd))
    return Table((*table.columns, "budget_usd"), rows)


def write_page(table: Table, budgets: Table, window: Window, out: TextIO, width: int | None) -> None:
    """The rows of the report `summary` for a person. `budgets`: their present state, as a table."""
    rows = list(table.records())
    total = next(row for row in rows if row["part"] == "total")
    earlier = before(window)
    heads = (f"{window.short(window.since)} to {window.short(window.end)}", f"{earlier.short(earlier.since)} to")
    out.write("\n".join(_totals(total, heads[0], f"{heads[1]} {earlier.short(earlier.end)}")) + "\n")
    for part, plural in _PARTS.items():
        of_part = [row for row in rows if row["part"] == part]
        if not of_part or all(row["name"] is None for row in of_part):
            continue
        out.write("\n")
        write_table(_section(part, of_part, total["cost_usd"]), out, width, keep_numbers=True)
        if (more := of_part[0]["of"] - len(of_part)) > 0:
            out.write(f"and {more:,} more, see `heliograph report {plural}`\n")
    if budgets.rows:
        out.write("\n")
        write_table(budgets, out, width, keep_numbers=True)


def _totals(total: Row, now: str, earlier: str) -> Iterator[str]:
    width = max(len(now), len(earlier), 14)
    yield f"{'':<14}  {now:>{width}}  {earlier:>{width}}  change"
    for name in _FACTS:
        values = total[name], total[f"before_{name}"]
        shown = [_with_share(name, value, calls) for value, calls in zip(values, _calls(total), strict=True)]
        label = name.replace("_usd", "").replace("_", " ").replace("unpriced", "without a price")
        yield f"{label:<15} {shown[0]:>{width}}  {shown[1]:>{width}}  {_change(*values)}".rstrip()


def _calls(total: Row) -> tuple[int, int]:
    return total["calls"], total["before_calls"]


def _with_share(name: str, value: Any, calls: int) -> str:
    """A value as the tables show it; of errors also which part of the calls they are."""
    text = cell(name, value)
    return f"{text} ({value / calls:.1%})" if name == "errors" and calls else text


def _change(now: float | None, earlier: float | None) -> str:
    """`+12 %`; nothing where there is nothing to compare with."""
    return UNKNOWN if now is None or not earlier else f"{(now - earlier) / earlier:+.0%}"


def _section(part: str, rows: Sequence[Row], spend: float | None) -> Table:
    columns = (part, "cost_usd", "percent", "before_usd", "calls", "before_calls", "errors", "unpriced")
    return Table(
        columns,
        [
            (
                row["name"] if row["name"] is not None else f"(no {part})",
                row["cost_usd"],
                round(100 * row["cost_usd"] / spend, 1) if spend and row["cost_usd"] is not None else None,
                row["before_cost_usd"],
                row["calls"],
                row["before_calls"],
                row["errors"],
                row["unpriced"],
            )
            for row in rows
        ],
    )
