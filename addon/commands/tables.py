"""What commands that answer from the stored calls share: `--json`, `--csv`, `--tz`, settling first, and the writing."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from addon.config.places import CONFIG_NAME
from addon.objects.stand_in import url_of
from addon.storage.folders import Folders, NotOurs

if TYPE_CHECKING:
    from addon.config.mistakes import Problem
    from addon.config.settings import Settings
    from analysis.lake import Lake
    from analysis.reports.zone import Zone

Style = Literal["table", "json", "csv"]


def style_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json` and `--csv` as one argument, `style`. Both at once are wrong usage."""

    @wraps(command)
    def with_style(*given: Any, as_json: bool, as_csv: bool, **named: Any) -> Any:
        if as_json and as_csv:
            raise click.UsageError("--json and --csv: choose one")
        style: Style = "json" if as_json else "csv" if as_csv else "table"
        return command(*given, style=style, **named)

    json_option = click.option("--json", "as_json", is_flag=True, help="One array of objects.")
    csv_option = click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values with a header.")
    return json_option(csv_option(with_style))


def calls_in_words(number: int) -> str:
    """`1 call`, `2,400 calls`."""
    return f"{number:,} {'call' if number == 1 else 'calls'}"


def tz_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--tz ZONE`."""
    return click.option("--tz", metavar="ZONE", help="Time zone, e.g. Europe/Berlin or UTC. Default: this machine's.")(
        command
    )


def read_zone(name: str | None) -> "Zone":
    """The zone of `--tz`, or wrong usage with the nearest name."""
    from analysis.reports.zone import zone_of

    try:
        return zone_of(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def settle(data: Path, config: Path | None) -> "Settings | None":
    """Settles what a killed proxy left, so that its calls are in the answer. Returns the settings; None: there is no file."""
    from addon.settling.process import settle_leftovers, unsettled_segments

    settings, problems = _settings_of_file(data, config)
    for problem in problems:  # the stored rows can be read nevertheless
        warn(problem.text)
    if not unsettled_segments(Folders(data)):
        return settings
    from addon.config.settings import ConfigError

    try:
        settle_leftovers(data, config)
    except ConfigError:  # of the prices or budgets: told above
        warn("calls that a stopped proxy left are not shown until the settings are mended: their price depends on them")
    except NotOurs:
        raise  # nor may anything else of it be read
    except OSError as error:
        warn(f"{data}: calls that a stopped proxy left cannot be settled, and are not shown: {error}")
    return settings


def _settings_of_file(data: Path, config: Path | None) -> "tuple[Settings | None, tuple[Problem, ...]]":
    """The settings and the mistakes in them. Their module takes longer to import than a report of an empty folder."""
    if config is None and not os.path.lexists(data / CONFIG_NAME):
        return None, ()
    from addon.config.settings import load_what_can_be_read

    return load_what_can_be_read(data, config)


def say_if_empty(lake: "Lake", data: Path) -> bool:
    """Says how to make calls where there are none at all."""
    if empty := lake.is_empty():
        say_empty(data)
    return empty


def say_empty(data: Path) -> None:
    if url := url_of(data):
        warn(f"no calls yet in {url}")
        return
    warn(f"no calls yet in {data}; make some:  heliograph run -- python app.py   or   heliograph up")


def write(columns: Sequence[str], rows: Iterable[tuple[Any, ...]], style: Style, keep_numbers: bool) -> None:
    """On standard output; a table tells on stderr which columns had no room."""
    from analysis.faces import render

    if style == "json":
        render.write_json(columns, rows, sys.stdout)
        return
    if style == "csv":
        render.write_csv(columns, rows, sys.stdout)
        return
    from analysis.faces.text_table import write_table
    from analysis.table import Table

    if left_out := write_table(Table(tuple(columns), list(rows)), sys.stdout, width(), keep_numbers):
        more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""
        warn(f"left out, the terminal is too narrow: {', '.join(left_out[:5])}{more}; --json and --csv have everything")


def width() -> int | None:
    """Characters of a line; None where nobody looks at the lines: a file or another program gets them whole."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else None


def warn(message: str) -> None:
    """A line on stderr."""
    click.echo(f"heliograph: {message}", err=True)
