"""`heliograph report`. DuckDB and rich are imported when it runs: `heliograph up` needs neither."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from addon.commands.options import data_options, examples
from addon.commands.report_answers import Answered, ask, say_if_none
from addon.commands.report_engine import Engine, engine_options, print_statements, session_of
from addon.commands.report_faces import Faces, export, face_options, plotted, repeat
from addon.commands.report_list import print_list
from addon.commands.tables import (
    Style,
    read_zone,
    say_empty,
    say_if_empty,
    settle,
    style_options,
    tz_option,
    warn,
    width,
    write,
)
from addon.config.places import data_folder
from addon.objects.stand_in import url_of
from addon.storage.lake import has_files

WEEKLY: Final = "weekly"

if TYPE_CHECKING:
    from addon.limits.rules import Budget
    from addon.metering.overrides import PriceOverride
    from analysis.engines.spark_session import Session
    from analysis.reports.question import Question


def _report_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For completion in a shell."""
    from analysis.reports.shelf import read_shelf

    data = context.params.get("data") or data_folder()
    return [name for name in read_shelf(data).names if name.startswith(incomplete)]


def _periods(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [period for period in ("hour", "day", "week", "month") if period.startswith(incomplete)]


@click.command(
    short_help="Answer a named question, as a table.",
    epilog=examples(
        "heliograph report",
        "heliograph report models --since 7d",
        "heliograph report costs --by model,user,property:feature",
        "heliograph report latency --by provider,model --since 24h",
        "heliograph report costs --every week --compare previous --since 2026-10",
        "heliograph report models --every day --where \"properties['feature'] = 'chat'\"",
        "heliograph report feedback --by prompt",
        "heliograph report --list",
        "heliograph report errors --since 2026-11-01 --until 2026-11-08 --json",
        "heliograph report costs --by week --since 2026-10 --tz Europe/Berlin",
        "heliograph report summary --since last-month --until this-month",
        "heliograph report changes --by user --since last-week --until this-week",
        "heliograph report budgets",
        "heliograph report weekly",
        "heliograph report costs --every day --by model --plot",
        "heliograph report models --plot -o models.png",
        "heliograph report costs models users --html costs.html",
        "heliograph report costs --engine trino --sql",
    ),
)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=_report_names)
@click.option(
    "--since",
    metavar="TIME",
    help="From: 30m, 24h, 7d, today, yesterday, this-week, last-week, this-month, last-month, 2026-11, 2026-11-01 or an"
    " ISO time. Default: 30d; of summary this-month, of changes 7d, of weekly last-week.",
)
@click.option("--until", metavar="TIME", help="Up to, exclusive; written like --since. Default: now.")
@click.option(
    "--by", metavar="NAMES", help="Group by these, e.g. model,user,property:feature. Default: what the report says."
)
@click.option("--every", metavar="PERIOD", shell_complete=_periods, help="A row for each hour, day, week or month.")
@click.option(
    "--where",
    metavar="CONDITION",
    help="Only calls that fit: SQL over columns, the names of --by and properties, e.g. \"model = 'gpt-5'\".",
)
@click.option(
    "--compare",
    metavar="previous",
    shell_complete=lambda *given: ["previous"],
    help="Each row beside the same one of the period before, with the change.",
)
@click.option(
    "--sql-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of .sql files that are reports, too, beside those of the folder reports in the data folder.",
)
@click.option("--list", "as_list", is_flag=True, help="Say which reports there are, and what each can be asked.")
@tz_option
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help="Rows at most; 0: all of them. Default: 100; of summary 10, of weekly 8, of prompt-cache 20.",
)
@style_options
@face_options
@engine_options
@data_options
def report(
    names: tuple[str, ...],
    since: str | None,
    until: str | None,
    by: str | None,
    every: str | None,
    where: str | None,
    compare: str | None,
    sql_dir: Path | None,
    as_list: bool,
    tz: str | None,
    limit: int | None,
    style: Style,
    faces: Faces,
    engine: Engine,
    data: Path,
    config: Path | None,
) -> None:
    """Answer a named question about the calls; without NAME list the questions and show the costs.

    Days, weeks and months are those of --tz. A table's times are, too; those of --json and --csv are UTC.
    """
    from analysis.reports.reading import read_question
    from analysis.reports.report import STANDING, SUMMARY
    from analysis.reports.shelf import read_shelf

    if standing := [name for name in names if name in STANDING]:
        given = {
            "--since": since,
            "--until": until,
            "--by": by,
            "--every": every,
            "--where": where,
            "--compare": compare,
            "--plot": faces.plot or None,
            "--html": faces.html,
            "--parquet": faces.parquet,
            "--watch": faces.watch_s,
            "--engine": None if engine == Engine() else engine.name,
            "other reports": names[1:] or None,
        }
        refused = [option for option, value in given.items() if value is not None]
        _print_standing(standing[0], refused, tz, limit, style, data, config)
        return
    if len(names) > 1 and (style != "table" or not faces.takes_several):
        raise click.UsageError(f"one report at a time, please; these are {len(names)}: {', '.join(names)}")

    def read() -> "list[Question]":
        """For each time that it is shown: a window without an end ends now."""
        return [
            read_question(
                name,
                shelf=shelf,
                now=datetime.now(UTC),
                zone=zone,
                since=since,
                until=until,
                by=by,
                every=every,
                where=where,
                compare=compare,
                limit=limit,
            )
            for name in names or ("costs",)
        ]

    try:
        shelf = read_shelf(data, sql_dir)
        if as_list:
            print_list(shelf, style)
            return
        zone = read_zone(tz)
        questions = read()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if engine.prints_sql:
        print_statements(engine, questions)
        return
    settings = settle(data, config)
    own_prices, budgets = (settings.prices, settings.budgets) if settings else ((), ())
    with session_of(engine, settings.spark_master if settings else None) as session:
        if faces.is_export and not faces.watch_s:
            asked = questions if faces.parquet else plotted(questions, limit)
            export(faces, asked, data, own_prices, budgets, session)
            return

        def show() -> None:
            for question in read():
                if faces.plot:
                    export(faces, plotted([question], limit), data, own_prices, budgets, session)
                    continue
                # Budgets are those of now: they belong to a period that goes on.
                has_budgets = question.report.name == WEEKLY or (question.report.name == SUMMARY and until is None)
                print_report(
                    question,
                    data,
                    style,
                    budgets=budgets if has_budgets else (),
                    own_prices=own_prices,
                    session=session,
                )

        repeat(show, faces.watch_s)
    if not names:
        texts = {each: shelf.question(each) for each in shelf.names}
        width = max(map(len, texts))
        lines = [f"  {each:<{width}}  {question}" for each, question in texts.items()]
        click.echo("\nheliograph report NAME answers:\n" + "\n".join(lines), err=True)


def _print_standing(
    name: str,
    refused: Sequence[str],
    tz: str | None,
    limit: int | None,
    style: Style,
    data: Path,
    config: Path | None,
) -> None:
    """`report budgets` and `report limits` are the commands of these names."""
    from addon.commands import budgets

    if refused:
        raise click.UsageError(f"report {name} is of now and of all calls; it does not take {', '.join(refused)}")
    command = {"budgets": budgets.budgets, "limits": budgets.limits}[name]
    most = 100 if limit is None else limit
    click.get_current_context().invoke(
        command, name=None, tz=tz, most=most, as_json=style == "json", as_csv=style == "csv", data=data, config=config
    )


def print_report(
    question: "Question",
    data: Path,
    style: Style = "table",
    with_footer: bool = True,
    budgets: "Sequence[Budget]" = (),
    own_prices: "Sequence[PriceOverride]" = (),
    session: "Session | None" = None,
) -> None:
    """A report on standard output, with what its sums leave out. `budgets`: for the summary and the week. `session`: as in `ask`."""
    from analysis.reports.report import SUMMARY

    if style == "table" and question.is_checked and not url_of(data) and not has_files(data, "requests"):
        click.echo(f"\n{question.report.name}: {question.report.question}\n{question}")
        say_empty(data)  # without DuckDB, which takes twice as long to import as all this
        return
    from analysis.lake import Lake

    window, is_summary = question.window, question.report.name == SUMMARY
    lake = Lake(data, warn)
    answered = ask(lake, question, data, budgets, own_prices, session=session)
    table = answered.table
    if style == "table" and question.report.name == WEEKLY:
        _print_week(answered)
        if not say_if_empty(lake, data):
            say_if_none(answered)
        return
    if style == "table":
        click.echo(f"\n{question.report.name}: {question.report.question}\n{question}\n")
    if style == "table" and is_summary:
        from addon.commands.budgets import budgets_table
        from analysis.faces.summary_page import write_page

        write_page(table, budgets_table(answered.budgets, window.zone), window, sys.stdout, width())
    elif is_summary:
        from analysis.faces.summary_page import with_budgets

        extended = with_budgets(table, answered.budgets)
        write(extended.columns, extended.rows, style, keep_numbers=True)
    else:
        rows = map(window.zone.local_row, table.rows) if style == "table" else table.rows
        write(table.columns, rows, style, keep_numbers=not question.is_compared)
    if say_if_empty(lake, data):
        return
    say_if_none(answered)
    if not with_footer:
        return
    if answered.is_cut and not is_summary:
        warn(f"only the {question.kept} {question.limit:,} rows; --limit 0 shows all")
    # Under a table it is part of the report; beside JSON and CSV it would break what reads them.
    notes = "\n".join(answered.notes)
    click.echo(f"\n{notes}" if style == "table" else notes, err=style != "table")


def _print_week(answered: Answered) -> None:
    from addon.commands.budgets import budgets_table
    from analysis.faces.weekly import week_of
    from analysis.faces.weekly_text import write_week

    window = answered.question.window
    budgets = budgets_table(answered.budgets, window.zone)
    write_week(week_of(answered.table, window), budgets, answered.notes, sys.stdout, width())
