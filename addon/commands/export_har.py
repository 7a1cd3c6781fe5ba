"""`heliograph export har`: one session as an HTTP archive."""

from pathlib import Path
from typing import IO

import click

from addon.commands.export_options import open_lake, output_option, say, write_output
from addon.commands.options import Failure, data_options, examples
from addon.commands.progress import progress_bar
from addon.commands.tables import calls_in_words


@click.command(
    short_help="One session as an HTTP archive (HAR).",
    epilog=examples(
        "heliograph export har --session s1 -o s1.har",
        "heliograph export har --session s1 | jq '.log.entries[] | [.request.url, .time, ._cost]'",
    ),
)
@click.option("--session", "session_id", required=True, metavar="ID", help="The session; `report sessions` lists them.")
@output_option("A new .har file.")
@data_options
def har(session_id: str, target: Path | None, data: Path, config: Path | None) -> None:
    """Write the calls of a session as HAR 1.2, which the network panel of browsers and HTTP tools open.

    Requests, answers, and times; the cost of a call is `_cost` (USD). Keys and cookies are not kept, so they are not in it.
    """
    from analysis.exports.har import session_calls, write_har

    lake = open_lake(data, config)
    calls = session_calls(lake, session_id)
    if not calls:
        raise Failure(f"no calls of a session {session_id!r} in {data}; `heliograph report sessions` lists them")

    def write(file: IO[bytes]) -> None:
        with progress_bar() as progress:
            bar = progress.add_task("calls", total=len(calls))
            write_har(lake, session_id, calls, file, lambda count: progress.advance(bar, count))

    write_output(target, write)
    say(target, calls_in_words(len(calls)))
