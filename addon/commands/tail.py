"""`heliograph tail`: calls as they finish."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from addon.commands.options import data_options, examples
from addon.commands.tables import read_zone, say_if_empty, settle, tz_option, warn


@click.command(
    short_help="Show calls as they finish.",
    epilog=examples(
        "heliograph tail",
        "heliograph tail -n 100 --no-follow",
        "heliograph tail --errors --user ann --model 'gpt-4*'",
        "heliograph tail --follow --json | jq .cost_usd",
    ),
)
@click.option(
    "-n", "--lines", "limit", type=click.IntRange(min=0), default=20, show_default=True, help="Calls to begin with."
)
@click.option(
    "-f/-F", "--follow/--no-follow", default=None, help="Go on with calls as they finish. Default: on a terminal."
)
@click.option("--provider", metavar="NAME", help="Only calls to this provider.")
@click.option("--model", metavar="NAME", help="Only calls to this model; `*` stands for anything.")
@click.option("--user", metavar="ID", help="Only calls of this user.")
@click.option("--session", metavar="ID", help="Only calls of this session.")
@click.option("--project", metavar="NAME", help="Only calls whose property project is NAME.")
@click.option("--errors", is_flag=True, help="Only calls that failed.")
@tz_option
@click.option("--json", "as_json", is_flag=True, help="One object a line; times are UTC.")
@data_options
def tail(
    limit: int,
    follow: bool | None,
    tz: str | None,
    as_json: bool,
    data: Path,
    config: Path | None,
    **wanted: Any,
) -> None:
    """Show the last calls, then calls as they finish; Ctrl-C ends it.

    A line has when the call ended, provider, model, duration, tokens in and out, cost, status, error, cache state, user,
    session or project, and request id. Colours are for terminals; NO_COLOR turns them off.
    """
    from analysis.faces.render import json_object
    from analysis.faces.tail import Filters, Tail, line

    zone, colour = read_zone(tz), shows_colour(sys.stdout.isatty(), os.environ)
    settle(data, config)
    calls = Tail(data, warn, Filters(**wanted))
    show: Callable[[dict[str, Any]], str] = json_object if as_json else lambda call: line(call, zone, colour=colour)
    last = calls.last(limit)
    for call in last:
        click.echo(show(call), color=colour)
    if not say_if_empty(calls.lake, data) and limit and not last and (unknown := calls.nearest()):
        warn(f"no call has {unknown}")
    if sys.stdout.isatty() if follow is None else follow:
        try:
            for call in calls.follow():
                click.echo(show(call), color=colour)
        except KeyboardInterrupt:
            return  # the way to end it, not a failure


def shows_colour(is_terminal: bool, environ: Mapping[str, str]) -> bool:
    """Whether lines may have colours: https://no-color.org."""
    return is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
