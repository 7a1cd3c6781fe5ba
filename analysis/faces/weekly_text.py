"""The weekly report on a terminal."""

import textwrap
from collections.abc import Sequence
from typing import TextIO

from analysis.faces import weekly
from analysis.faces.render import UNKNOWN
from analysis.faces.text_table import write_table
from analysis.faces.weekly import Fact, Week
from analysis.table import Table

_WIDTH = 80  # where nobody looks at the lines


def write_week(week: Week, budgets: Table, notes: Sequence[str], out: TextIO, width: int | None) -> None:
    """The whole page. `notes`: what the sums leave out. `budgets`: their present state."""
    out.write(f"\n{weekly.NAME}: {weekly.title(week.window)}\n{weekly.scope(week.window)}\n\n")
    write_table(_facts_table(weekly.facts(week)), out, width, keep_numbers=True)
    if news := weekly.news(week):
        out.write("\n")
        out.writelines(f"{line}\n" for text in news for line in _bullet(text, width or _WIDTH))
    if (days := weekly.days_table(week)).rows:
        out.write("\n")
        write_table(days, out, width, keep_numbers=True)
    for part in weekly.PARTS:
        if table := weekly.part_table(week, part):
            out.write("\n")
            write_table(table, out, width, keep_numbers=True)
            if more := weekly.left_out(week, part):
                out.write(f"and {more:,} more, see `heliograph report costs --by {part}`\n")
    if budgets.rows:
        out.write("\n")
        write_table(budgets, out, width, keep_numbers=True)
    out.write("\n" + "".join(f"{note}\n" for note in notes))


def _facts_table(facts: Sequence[Fact]) -> Table:
    rows = [(fact.name, fact.now, fact.before, fact.change or UNKNOWN) for fact in facts]
    return Table(("", "this week", "week before", "change"), rows)


def _bullet(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 20), initial_indent="- ", subsequent_indent="  ")
