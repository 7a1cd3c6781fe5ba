"""`heliograph alerts`: how each alert of the settings stands, and a message to try its recipients with."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from addon.commands.budgets import stored_amounts
from addon.commands.options import Failure, data_options, examples
from addon.commands.tables import Style, settle, style_options, warn, write
from addon.config.mistakes import did_you_mean
from addon.config.settings import ConfigError, load

if TYPE_CHECKING:
    from addon.config.alerts import Alert
    from addon.config.settings import Settings


@click.command(
    short_help="Show which alerts fire; try their recipients.",
    epilog=examples("heliograph alerts", "heliograph alerts --json", "heliograph alerts --test spending"),
)
@click.option("--test", "tested", metavar="NAME", help="Send a test message to the recipients of this alert.")
@style_options
@data_options
def alerts(tested: str | None, style: Style, data: Path, config: Path | None) -> None:
    """Show each of [[alerts]]: its value now, and whether it fires. A running proxy checks them once a minute."""
    from analysis.alerts.standing import alerts_now
    from analysis.lake import Lake

    try:
        settings = load(data, config, environ=os.environ)
    except ConfigError as error:
        raise Failure(str(error)) from error
    if tested is not None:
        _test(settings, tested)
        return
    if not settings.alerts:
        warn(f"{settings.config} has no [[alerts]]; docs/alerts.md shows how to write one")
    settle(data, config)
    now = datetime.now(UTC)
    contents = stored_amounts(settings, now)
    found = Lake(data, warn).ask(lambda connection: alerts_now(connection, settings, contents, now))
    columns = ("name", "condition", "subject", "value", "at_least", "unit", "window_s", "state", "since", "problem")
    write(columns, [tuple(getattr(row, name) for name in columns) for row in found], style, keep_numbers=True)


def _test(settings: "Settings", name: str) -> None:
    from addon.config.alerts import recipient
    from analysis.alerts.delivery import deliver
    from analysis.alerts.message import moment, told
    from analysis.alerts.standing import shown_recipient

    alert = _named(settings, name)
    now = moment(datetime.now(UTC).timestamp())
    message = told(alert, "test", "", None, now, now)
    failed = False
    for text in alert.to:
        to = recipient(text, os.environ)
        assert to is not None  # `load` has looked its variable up
        failure = deliver(to, message, settings.smtp, os.environ)
        failed = failed or failure is not None
        warn(f"{shown_recipient(text)}: {failure or 'taken'}")
    if failed:
        raise Failure("not every recipient took the message")


def _named(settings: "Settings", name: str) -> "Alert":
    for alert in settings.alerts:
        if alert.name == name:
            return alert
    names = [alert.name for alert in settings.alerts]
    known = f"there are {', '.join(names)}" if names else f"{settings.config} has no [[alerts]]"
    raise click.UsageError(f"no alert {name!r}{did_you_mean(name, names)}; {known}")
