"""`heliograph feedback`: what a person or a script says of a call, with or without a proxy at work."""

from datetime import UTC, datetime
from pathlib import Path

import click

from addon.commands.options import Failure, data_options, examples
from addon.config.settings import ConfigError
from addon.ids import parse_uuid


@click.command(
    short_help="Rate, score or label a call.",
    epilog=examples(
        "heliograph feedback 0199f000-0000-7000-8000-00000000002a up",
        "heliograph feedback 0199f000-0000-7000-8000-00000000002a down --score accuracy=0.25 --score polite=true",
        "heliograph feedback 0199f000-0000-7000-8000-00000000002a --property stage=checked",
    ),
)
@click.argument("request_id", metavar="ID")
@click.argument("rating", metavar="[up|down]", required=False, type=click.Choice(["up", "down"]))
@click.option("--score", "scores", multiple=True, metavar="NAME=NUMBER", help="A number, true or false. Repeatable.")
@click.option("--property", "properties", multiple=True, metavar="NAME=VALUE", help="A property to set. Repeatable.")
@data_options
def feedback(
    request_id: str,
    rating: str | None,
    scores: tuple[str, ...],
    properties: tuple[str, ...],
    data: Path,
    config: Path | None,
) -> None:
    """Rate, score or label a call; ID is its Helicone-Id. What is said again of the same call replaces what was said."""
    from addon.intake import events
    from addon.settling.process import settle_leftovers
    from addon.storage.folders import Folders
    from addon.storage.journal import Journal
    from addon.storage.record import EventRow
    from analysis.known_calls import is_known
    from analysis.lake import Lake

    if rating is None and not scores and not properties:
        raise click.UsageError("say something of the call: up or down, --score NAME=NUMBER, --property NAME=VALUE")
    call, now = parse_uuid(request_id) or "", datetime.now(UTC)
    rows: list[EventRow] = []
    try:
        if rating:
            rows.append(events.feedback(call, rating == "up", now))
        given = {name: events.parse_score(value) for name, value in events.pairs("--score", scores).items()}
        rows += events.scores(call, given, now)
        for name, value in events.pairs("--property", properties).items():
            rows.append(events.property_change(call, name, value, now))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if not call or not is_known(Lake(data, _warn), data, call):
        raise Failure(f"{data}: no call has the id {request_id}; `heliograph report requests` shows the latest")
    journal = Journal(Folders(data).journal, on_trouble=lambda _: None)
    journal.open()
    written = journal.tell(rows)
    journal.close()
    if not written:
        raise Failure(f"{journal.folder} cannot be written: is the disk full, or the folder somebody else's?")
    try:
        settle_leftovers(data, config)  # if a proxy is at work, its settler does it
    except (ConfigError, OSError) as error:
        _warn(f"it is in the journal, and is shown once that can be settled: {error}")
    _warn(f"kept for call {call}")


def _warn(message: str) -> None:
    click.echo(f"heliograph: {message}", err=True)
