"""`heliograph budgets` and `heliograph limits`: how much is used, and when it runs out at this rate."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from addon.commands.options import data_options, examples
from addon.commands.tables import Style, read_zone, settle, style_options, tz_option, warn, write
from addon.config.mistakes import did_you_mean, problems_of
from addon.config.settings import Settings, load_what_can_be_read

if TYPE_CHECKING:
    from addon.limits.store import Contents
    from analysis.reports.standing import BudgetNow, LimitNow
    from analysis.reports.zone import Zone
    from analysis.table import Table

_UNIT_S: Final = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


_rows_option = click.option(
    "--limit",
    "most",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Rows at most; 0: all of them.",
)


@click.command(
    short_help="Show what is spent of each budget.",
    epilog=examples("heliograph budgets", "heliograph budgets team --json"),
)
@click.argument("name", required=False)
@tz_option
@_rows_option
@style_options
@data_options
def budgets(name: str | None, tz: str | None, most: int, style: Style, data: Path, config: Path | None) -> None:
    """Show what is spent of each budget of heliograph.toml in its present period, and what it will be at this rate.

    Periods are those of UTC. Times of the table are those of --tz.
    """
    zone, settings, now = read_zone(tz), _settings(data, config, "budgets"), datetime.now(UTC)
    chosen = _chosen(settings.budgets, name, "budgets", settings.config)
    if not chosen:
        _say_none("budgets", settings.config, 'name = "team"\nusd = 50\nperiod = "month"')
    from analysis.lake import Lake
    from analysis.reports.standing import BudgetNow, budgets_now

    settle(data, config)
    contents = stored_amounts(settings, now)
    found = Lake(data, warn).ask(lambda connection: budgets_now(connection, chosen, contents, now))
    shown = _first(found, chosen, most)
    _show(BudgetNow, shown, style, budgets_table(shown, zone), now, zone)


@click.command(
    short_help="Show what is used of each rate limit.",
    epilog=examples("heliograph limits", "heliograph limits house --json"),
)
@click.argument("name", required=False)
@tz_option
@_rows_option
@style_options
@data_options
def limits(name: str | None, tz: str | None, most: int, style: Style, data: Path, config: Path | None) -> None:
    """Show what is used of each limit of heliograph.toml now, and when it runs out at the rate of its last window.

    A limit refills evenly, so `resets_at` is when it is full again. Policies that callers send are not listed.
    """
    zone, settings, now = read_zone(tz), _settings(data, config, "limits"), datetime.now(UTC)
    chosen = _chosen(settings.limits, name, "limits", settings.config)
    if not chosen:
        _say_none("limits", settings.config, 'name = "house"\nquota = 1000\nwindow = "1h"')
    from analysis.lake import Lake
    from analysis.reports.standing import LimitNow, limits_now

    settle(data, config)
    contents = stored_amounts(settings, now)
    found = Lake(data, warn).ask(lambda connection: limits_now(connection, chosen, contents, now))
    shown = _first(found, chosen, most)
    _show(LimitNow, shown, style, _limits_table(shown, zone, now), now, zone)


def budgets_table(found: "Sequence[BudgetNow]", zone: "Zone") -> "Table":
    """For a person, with times of the zone."""
    from analysis.table import Table

    columns = ("budget", "group", "spent_usd", "reserved_usd", "of_usd", "percent", "state", "resets_at", "forecast")
    return Table(
        columns,
        [
            (
                each.name,
                _group(each.per, each.group),
                each.spent_usd,
                each.reserved_usd,
                each.budget_usd,
                round(100 * each.share, 1),
                each.state,
                _short(each.resets_at, zone),
                _budget_forecast(each, zone),
            )
            for each in found
        ],
    )


def _limits_table(found: "Sequence[LimitNow]", zone: "Zone", now: datetime) -> "Table":
    from analysis.table import Table

    columns = ("limit", "group", "used", "of", "unit", "window", "percent", "resets_at", "forecast")
    return Table(
        columns,
        [
            (
                each.name,
                _group(each.per, each.group),
                round(each.used, 2),
                each.quota,
                each.unit,
                _window(each.window_s),
                round(100 * each.share, 1),
                _short(each.resets_at, zone) if each.used else "full",
                _limit_forecast(each, zone, now),
            )
            for each in found
        ],
    )


def _budget_forecast(budget: "BudgetNow", zone: "Zone") -> str:
    from analysis.faces.render import usd

    if budget.state == "over":
        return "spent"
    if budget.runs_out_at:
        return f"runs out {_short(budget.runs_out_at, zone)}"
    return f"{usd(budget.forecast_usd)} by then" if budget.forecast_usd is not None else "too early to tell"


def _limit_forecast(limit: "LimitNow", zone: "Zone", now: datetime) -> str:
    if limit.runs_out_at is None:
        return "not at this rate"
    return f"runs out {_short(limit.runs_out_at, zone)}" if limit.runs_out_at > now else "used up"


def _group(per: str, group: str | None) -> str:
    """`user=ann`, `project=shop`; `all` for a rule that has one bucket for all calls."""
    noun = per.rpartition(":")[2]
    return "all" if per == "all" else f"{noun}={group}" if group is not None else f"(no {noun})"


def _window(seconds: int) -> str:
    """`1d`, `90s`: the largest unit that gives a whole number."""
    unit = next(name for name, size in _UNIT_S.items() if seconds % size == 0)
    return f"{seconds // _UNIT_S[unit]}{unit}"


def _short(moment: datetime, zone: "Zone") -> str:
    return zone.local(moment).strftime("%Y-%m-%d %H:%M")


def _first[Row: Any](found: Sequence[Row], chosen: Sequence[Any], most: int) -> Sequence[Row]:
    """`most` of the rows, 0 for all, after a word on rules that have none."""
    if unused := [rule.name for rule in chosen if rule.name not in {row.name for row in found}]:
        warn(f"nothing is used at present of {', '.join(unused)}")
    if most and len(found) > most:
        warn(f"only the first {most:,} of {len(found):,} rows; --limit 0 shows all")
    return found[: most or None]


def _show(kind: type, found: Sequence[Any], style: Style, table: "Table", now: datetime, zone: "Zone") -> None:
    """The table for a person; else all fields of the dataclass `kind`."""
    if style == "table" and found:
        click.echo(f"{_short(now, zone)}, {zone.name}\n")
        write(table.columns, table.rows, style, keep_numbers=True)
    elif style != "table":
        names = [field.name for field in fields(kind)]
        write(names, _records(found, names), style, keep_numbers=True)


def _records(found: Sequence[Any], names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The fields of these names; times as naive UTC, as in every table."""
    for each in found:
        values = (getattr(each, name) for name in names)
        yield tuple(value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in values)


def _settings(data: Path, config: Path | None, section: str) -> Settings:
    """Mistakes in other sections do not concern the question."""
    settings, problems = load_what_can_be_read(data, config)
    if told := problems_of(problems, (section,)):
        raise click.UsageError(told)
    return settings


def _chosen[Rule: Any](rules: Sequence[Rule], name: str | None, section: str, path: Path) -> Sequence[Rule]:
    names = [rule.name for rule in rules]
    if name is None:
        return rules
    if name not in names:
        known = f"there are {', '.join(names)}" if names else "there are none"
        raise click.UsageError(f"{path} has no {section} named {name!r}{did_you_mean(name, names)}; {known}")
    return [rule for rule in rules if rule.name == name]


def _say_none(section: str, path: Path, example: str) -> None:
    warn(f"{path} has no {section}; write e.g.\n\n[[{section}]]\n{example}\n")


def stored_amounts(settings: Settings, now: datetime) -> "Contents":
    """What the store of the limits holds; nothing, and a word on stderr, where it cannot be read."""
    from addon.limits.store import Contents, StoreDown
    from analysis.reports.standing import stored_contents

    try:
        return stored_contents(settings, now)
    except StoreDown as error:
        warn(f"what calls under way reserve, and what limits have left, is not known: {error}")
        return Contents()
