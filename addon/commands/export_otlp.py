"""`heliograph export otlp`: stored calls as OpenTelemetry spans."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from addon.commands.export_options import open_lake, question_mistakes, redactor_for, say_if_nothing, scope_options
from addon.commands.options import Failure, data_options, examples, read_settings
from addon.commands.progress import progress_bar
from addon.commands.tables import calls_in_words, warn

if TYPE_CHECKING:
    from addon.config.otlp import Otlp
    from analysis.reports.scope import Scope


@click.command(
    short_help="OpenTelemetry spans to an OTLP endpoint.",
    epilog=examples(
        "heliograph export otlp --endpoint http://127.0.0.1:4318 --since 7d",
        "heliograph export otlp --endpoint https://otel.example.org --header 'Authorization=Bearer $OTLP_TOKEN'",
        "heliograph export otlp --bodies --where \"session_id = 's1'\"",
    ),
)
@click.option("--endpoint", metavar="URL", help="OTLP over HTTP. Default: that of [otlp] in the settings.")
@click.option(
    "--header", "headers", multiple=True, metavar="NAME=VALUE", help="$VARIABLES in it are replaced. Repeatable."
)
@click.option("--bodies", is_flag=True, help="With what was said. Default: as [otlp] says, else without.")
@scope_options
@data_options
def otlp(
    endpoint: str | None, headers: tuple[str, ...], bodies: bool, scope: "Scope", data: Path, config: Path | None
) -> None:
    """Send a span of each call, and of each session and part of its path, to an OpenTelemetry endpoint.

    Ids are made of those of the calls: what is sent twice is the same span again, so it can be broken off and begun anew.
    """
    import os

    from analysis.exports.otlp.past import Away, Progress, send_past
    from analysis.exports.otlp.sending import Endpoint
    from analysis.exports.slices import days

    chosen = _chosen(endpoint, headers, bodies, data, config)
    try:
        receiver = Endpoint(chosen.url, chosen.sent_headers(os.environ))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    redactor = redactor_for(data, config) if read_settings(data, config).redact else None
    lake = open_lake(data, config)
    told = Progress()
    try:
        with question_mistakes(scope), progress_bar() as bars:
            found = lake.ask(lambda connection: days(connection, scope))
            bar = bars.add_task("calls", total=sum(calls for _, calls in found))
            send_past(
                lake,
                scope,
                [day for day, _ in found],
                receiver,
                bodies=chosen.bodies,
                redactor=redactor,
                progress=told,
                advance=lambda calls: bars.advance(bar, calls),
                wait=time.sleep,
            )
    except Away as error:
        since = error.at.isoformat().replace("+00:00", "Z")
        raise Failure(f"{chosen.url}: {error}; {told.sent:,} calls were sent; go on with --since {since}") from error
    if told.refused:
        raise Failure(f"{chosen.url} did not take the spans of {told.refused:,} of {told.sent:,} calls: {told.why}")
    warn(f"{chosen.url}: {calls_in_words(told.sent)} {scope.window}")
    say_if_nothing(lake, data, scope, told.sent)


def _chosen(endpoint: str | None, headers: tuple[str, ...], bodies: bool, data: Path, config: Path | None) -> "Otlp":
    """What the options say, and [otlp] where they say nothing. Headers of the settings go to their own endpoint alone."""
    from addon.config.otlp import Otlp, traces_url
    from addon.intake.events import pairs

    try:
        given = pairs("--header", headers)
        if endpoint is not None:
            return Otlp(endpoint=endpoint if traces_url(endpoint) else "", headers=given, bodies=bodies)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    settled = read_settings(data, config).otlp
    if settled is None:
        raise click.UsageError("name an endpoint: --endpoint http://127.0.0.1:4318, or [otlp] in heliograph.toml")
    return Otlp(endpoint=settled.endpoint, headers={**settled.headers, **given}, bodies=bodies or settled.bodies)
