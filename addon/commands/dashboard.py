"""`heliograph dashboard`: the web pages over a data folder, without a proxy."""

from pathlib import Path
from typing import Final

import click

from addon.commands.options import Failure, data_options, examples, read_settings, unwritable

DEFAULT_PORT: Final = 8788  # beside the proxy's


@click.command(
    short_help="Look at the calls in a browser.",
    epilog=examples("heliograph dashboard", "heliograph dashboard --port 9000 --no-open"),
)
@data_options
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port on 127.0.0.1; 0: a free one.",
)
@click.option("--no-open", is_flag=True, help="Print the address only; do not open a browser.")
def dashboard(data: Path, config: Path | None, port: int, no_open: bool) -> None:
    """Look at the calls of a data folder in a browser. No proxy needs to run; `heliograph up` shows the same pages at its
    own address. Ctrl-C ends it."""
    if not data.is_dir():
        raise Failure(
            f"there is no folder {data}: no calls were recorded there yet. `heliograph up` or `heliograph run -- CMD` "
            "makes it; name another one with --data or $HELIOGRAPH_DATA; `heliograph demo` makes calls to look at"
        )
    settings = read_settings(data, config)
    from analysis.serving.alone import HOST, listen, serve

    try:
        listener = listen(port)
    except OSError as error:
        raise Failure(
            f"port {port} of {HOST} is not free ({error.strerror}); choose another one with --port, or 0 for any"
        ) from error
    try:
        with listener:
            serve(settings, listener, _announce, opens_browser=not no_open)
    except OSError as error:
        raise unwritable(data, error) from error


def _announce(url: str) -> None:
    click.echo(f"heliograph's dashboard is at {url} (Ctrl-C ends it)", err=True)
