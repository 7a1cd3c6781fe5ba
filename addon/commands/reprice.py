"""`heliograph reprice`: prices stored calls again, by today's rules and the prices of each call's day."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from addon.commands.options import Failure, data_options, examples, read_settings
from addon.commands.progress import progress_bar
from addon.commands.released import changing_alone, lake_of_released, lake_with_released, tables_follow
from addon.commands.tables import Style, calls_in_words, read_zone, settle, style_options, tz_option, warn, write

if TYPE_CHECKING:
    from datetime import date

    from addon.config.settings import Settings
    from addon.settling.released import Released
    from addon.storage.folders import Folders
    from analysis.billing.reprice import Repricing, Scoped

# A proxy at work brings its open segment into Parquet some seconds after the first line in it.
PATIENCE_S: Final = 30.0
COLUMNS: Final = (
    *("provider_name", "model", "calls", "changed", "old_usd", "new_usd", "difference_usd"),
    *("old_unpriced", "new_unpriced"),
)


@click.command(
    short_help="Price stored calls again.",
    epilog=examples(
        "heliograph reprice --since 2026-11 --dry-run",
        "heliograph reprice --since 2026-11-01 --until 2026-11-08 --where \"model like 'gpt-5%'\" --yes",
    ),
)
@click.option(
    "--since", metavar="TIME", required=True, help="From, as of `report`: 7d, 2026-11, 2026-11-01 or an ISO time."
)
@click.option("--until", metavar="TIME", help="Up to, exclusive. Default: now.")
@click.option("--where", metavar="CONDITION", help="Only calls that fit, as of `report`, e.g. \"model = 'gpt-5'\".")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@tz_option
@style_options
@data_options
def reprice(
    since: str,
    until: str | None,
    where: str | None,
    dry_run: bool,
    yes: bool,
    tz: str | None,
    style: Style,
    data: Path,
    config: Path | None,
) -> None:
    """Price stored calls again: with today's price lists and your [[prices]], at the prices of each call's day.

    Shows the old and the new cost by model, and asks. What was there stays in the column `repriced`; `heliograph explain ID`
    shows it. Costs that the provider stated stay. Calls that a bug did not read are read again from their bodies.
    """
    from addon.metering import fetched_list
    from addon.metering.price import PriceList
    from addon.settling.row_worker import RowMaker
    from addon.storage.folders import Folders
    from analysis.billing.reprice import Scoped
    from analysis.reports.scope import BadCondition, check_condition
    from analysis.reports.window import parse_window

    now = datetime.now(UTC)
    try:
        window = parse_window(since, until, now, read_zone(tz))
        if where is not None:
            check_condition(where)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    settings = read_settings(data, config)
    if problem := fetched_list.use(data):
        warn(problem)
    url = lake_of_released(Folders(data), settings)
    prices = PriceList(settings.prices)
    reader = RowMaker(prices, data, config)
    try:
        with lake_with_released(data, url) as lake:
            target = _Target(Scoped(lake, window, where, prices, reader, now), data, config, settings, url)
            _reprice(target, dry_run=dry_run, yes=yes, style=style)
    except BadCondition as error:
        raise click.UsageError(str(error)) from error
    finally:
        reader.close()


@dataclass(frozen=True, slots=True)
class _Target:
    """The calls that are priced again, and where they are. `url`: of the bucket that has some of their files, which are not
    here; None: all are here."""

    scoped: "Scoped"
    data: Path
    config: Path | None
    settings: "Settings"
    url: str | None


def _reprice(target: _Target, *, dry_run: bool, yes: bool, style: Style) -> None:
    from analysis.billing.reprice import days_of

    scoped = target.scoped
    settle(target.data, target.config)
    found, days = _all_days(scoped, days_of(scoped))
    write(COLUMNS, _table(found), style, keep_numbers=True)
    for why, calls in sorted(found.kept.items()):
        warn(f"{calls:,} {'call stays as it was' if calls == 1 else 'calls stay as they were'}: {why}")
    if not found.changed:
        warn(f"nothing to reprice {scoped.window}: no cost would change")
        return
    if dry_run:
        warn(f"{calls_in_words(found.changed)} would change; nothing was written")
        return
    if not yes:
        if style != "table":
            raise click.UsageError("--json and --csv ask nothing; add --yes or --dry-run")
        click.confirm(
            f"Change {calls_in_words(found.changed)}? What was there stays in the column `repriced`",
            abort=True,
            err=True,
        )
    changed, missed = _write(target, days)
    tables_follow(target.data, target.settings, target.url)
    warn(
        f"{calls_in_words(changed)} changed; budgets are counted from the calls again when heliograph starts the next time"
    )
    if missed:
        raise Failure(f"{missed:,} calls are still being written by a proxy, and were not changed; run this again")


def _all_days(scoped: "Scoped", days: "list[date]") -> "tuple[Repricing, list[date]]":
    """All days together, and those with calls that change."""
    from analysis.billing.reprice import Repricing, reprice_day

    whole, changing = Repricing(), []
    with progress_bar() as progress:
        bar = progress.add_task("pricing days", total=len(days))
        for day in days:
            found = reprice_day(scoped, day)
            whole.merge(found)
            changing += [day] if found.changed else []
            progress.advance(bar, 1)
    return whole, changing


def _write(target: _Target, days: "list[date]") -> tuple[int, int]:
    """How many calls were changed, and how many could not be found in the files."""
    from addon.settling.settled_first import settle_first
    from addon.storage.folders import Folders

    folders = Folders(target.data)
    settle_first(target.data, target.config, time.sleep, PATIENCE_S, lambda left: None)
    with changing_alone(folders, target.settings, target.url) as released:
        return _write_days(target.scoped, folders, released, days)


def _write_days(
    scoped: "Scoped", folders: "Folders", released: "Released | None", days: "list[date]"
) -> tuple[int, int]:
    from addon.settling.day_files import SUMMARIES
    from addon.settling.released import each_part
    from analysis.billing.reprice import reprice_day, write_day

    changed = missed = 0
    with progress_bar() as progress:
        bar = progress.add_task("writing days", total=len(days))
        for part in each_part(released, days, ("requests", SUMMARIES)):
            for day in part:
                wanted = reprice_day(scoped, day).changes
                written = write_day(folders, day, wanted)
                changed, missed = changed + written, missed + len(wanted) - written
                progress.advance(bar, 1)
    return changed, missed


def _table(found: "Repricing") -> list[tuple[object, ...]]:
    """A row a model, the largest difference first."""
    sums = sorted(found.models.items(), key=lambda item: -abs(item[1].new_nanousd - item[1].old_nanousd))
    return [
        (
            *model,
            each.calls,
            each.changed,
            each.old_nanousd / 1e9,
            each.new_nanousd / 1e9,
            (each.new_nanousd - each.old_nanousd) / 1e9,
            each.old_unpriced,
            each.new_unpriced,
        )
        for model, each in sums
    ]
