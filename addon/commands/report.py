"""`heliograph report`. DuckDB and rich are imported when it runs: `heliograph up` needs neither."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from addon.commands.options import data_options, examples
from addon.commands.tables import Style, read_zone, say_if_empty, settle, style_options, tz_option, warn, width, write
from addon.config.mistakes import did_you_mean
from addon.config.settings import load_what_can_be_read

if TYPE_CHECKING:
    from addon.limits.rules import Budget
    from analysis.reports.standing import BudgetNow
    from analysis.reports.window import Window
    from analysis.table import Table


def _report_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For completion in a shell."""
    from analysis.reports.report import REPORTS

    return [name for name in REPORTS if name.startswith(incomplete)]


@click.command(
    short_help="Answer a named question, as a table.",
    epilog=examples(
        "heliograph report",
        "heliograph report models --since 7d",
        "heliograph report costs --by model,user,property:feature",
        "heliograph report latency --by provider,model --since 24h",
        "heliograph report feedback --by prompt",
        "heliograph report errors --since 2026-11-01 --until 2026-11-08 --json",
        "heliograph report costs --by week --since 2026-10 --tz Europe/Berlin",
        "heliograph report summary --since last-month --until this-month",
    ),
)
@click.argument("name", required=False, shell_complete=_report_names)
@click.option(
    "--since",
    metavar="TIME",
    help="From: 30m, 24h, 7d, today, yesterday, this-week, last-week, this-month, last-month, 2026-11, 2026-11-01 or an"
    " ISO time. Default: 30d; of summary this-month.",
)
@click.option("--until", metavar="TIME", help="Up to, exclusive; written like --since. Default: now.")
@click.option(
    "--by", metavar="NAMES", help="Group costs, latency or feedback by these, e.g. week,model,user,property:feature."
)
@tz_option
@click.option("--limit", type=click.IntRange(min=0), help="Rows at most; 0: all of them. Default: 100; of summary 10.")
@style_options
@data_options
def report(
    name: str | None,
    since: str | None,
    until: str | None,
    by: str | None,
    tz: str | None,
    limit: int | None,
    style: Style,
    data: Path,
    config: Path | None,
) -> None:
    """Answer a named question about the calls; without NAME list the questions and show the costs.

    Days, weeks and months are those of --tz. A table's times are, too; those of --json and --csv are UTC.
    """
    from analysis.faces.summary_page import NAME, TOP
    from analysis.reports import report as reports
    from analysis.reports.window import parse_window

    if name is not None and name not in reports.REPORTS:
        near = did_you_mean(name, reports.REPORTS)
        raise click.UsageError(f"no report {name!r}{near}; there are {', '.join(reports.REPORTS)}")
    try:
        default = "this-month" if name == NAME else None
        window = parse_window(since or default, until, datetime.now(UTC), read_zone(tz))
        dimensions = reports.parse_by(name or "costs", by)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    settle(data, config)
    most = limit if limit is not None else TOP if name == NAME else 100
    # Budgets are those of now: they belong to a period that goes on.
    shown = load_what_can_be_read(data, config)[0].budgets if name == NAME and until is None else ()
    print_report(name or "costs", data, window, dimensions, most, style, budgets=shown)
    if name is None:
        width = max(len(other) for other in reports.REPORTS)
        lines = [f"  {other:<{width}}  {reports.load(other).question}" for other in reports.REPORTS]
        click.echo("\nheliograph report NAME answers:\n" + "\n".join(lines), err=True)


def print_report(
    name: str,
    data: Path,
    window: "Window | None" = None,
    by: Sequence[str] = (),
    limit: int = 100,
    style: Style = "table",
    with_footer: bool = True,
    budgets: "Sequence[Budget]" = (),
) -> None:
    """A report on standard output, with what its sums leave out. No window: the last 30 days. `budgets`: for the summary."""
    from analysis.faces.footer import footer
    from analysis.faces.summary_page import NAME, with_budgets, write_page
    from analysis.lake import Connection, Lake
    from analysis.reports import report as reports
    from analysis.reports.dimensions import properties
    from analysis.reports.scope import Scope, open_scope
    from analysis.reports.unpriced import unpriced_in
    from analysis.reports.window import parse_window

    window = window or parse_window(None, None, datetime.now(UTC))

    now = datetime.now(UTC)
    if budgets:  # else the process starts sooner without these
        from addon.commands.budgets import stored_amounts
        from analysis.reports.standing import budgets_now

    stored = stored_amounts(data, now) if budgets else None

    def question(connection: Connection) -> "tuple[Table, list[BudgetNow], list[str], int]":
        open_scope(connection, Scope(window, None, properties(by)))
        table = reports.run(connection, name, by, limit)
        total = reports.totals(connection)
        without_price = unpriced_in(connection) if total.unpriced else []
        spent = budgets_now(connection, budgets, stored, now) if stored else []
        return table, spent, list(footer(total, without_price)), total.calls

    lake = Lake(data, warn)
    table, spent, lines, calls = lake.ask(question)
    if style == "table":
        click.echo(f"\n{name}: {reports.load(name).question}\n{window}, {window.zone.name}\n")
    if style == "table" and name == NAME:
        from addon.commands.budgets import budgets_table

        write_page(table, budgets_table(spent, window.zone), window, sys.stdout, width())
    elif name == NAME:
        extended = with_budgets(table, spent)
        write(extended.columns, extended.rows, style, keep_numbers=True)
    else:
        rows = map(window.zone.local_row, table.rows) if style == "table" else table.rows
        write(table.columns, rows, style, keep_numbers=True)
    if say_if_empty(lake, data):
        return
    if not calls:
        warn(f"no calls {window}; --since 365d looks further back")
    if not with_footer:
        return
    if limit and len(table.rows) == limit and name != NAME:
        warn(f"only the first {limit:,} rows; --limit 0 shows all")
    # Under a table it is part of the report; beside JSON and CSV it would break what reads them.
    click.echo("\n" + "\n".join(lines) if style == "table" else "\n".join(lines), err=style != "table")
