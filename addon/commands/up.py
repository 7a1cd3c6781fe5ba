"""`heliograph up`: the proxy that stays."""

import asyncio
import os
import sys
from pathlib import Path

import click

from addon.commands import environment
from addon.commands.options import (
    Failure,
    data_options,
    examples,
    listen_option,
    read_settings,
    unwritable,
    upstream_options,
)
from addon.config.settings import DEFAULT_LISTEN, ConfigError, data_folder, parse_listen


@click.command(
    short_help="Start the proxy.",
    epilog=examples("heliograph up", "heliograph up --listen 127.0.0.1:9000 --upstream vllm=http://127.0.0.1:8000"),
)
@data_options
@upstream_options
@listen_option("Where to listen.")
@click.option("--open", "open_to_all", is_flag=True, help="Allow a --listen that other machines can reach.")
def up(
    data: Path,
    config: Path | None,
    upstreams: tuple[str, ...],
    upstream_timeout: float | None,
    listen: tuple[str, int],
    open_to_all: bool,
) -> None:
    """Start the proxy and say how to point a program at it. Ctrl-C ends it, in order."""
    if __debug__:
        # Again without assertions: mitmproxy checks every event and message with them, a tenth of its time.
        os.execv(sys.executable, [sys.executable, "-O", *sys.orig_argv[1:]])
    from addon.routing.addresses import is_loopback
    from addon.serve import serve

    settings = read_settings(data, config, upstreams, upstream_timeout)
    if not (is_loopback(listen[0]) or settings.keys or open_to_all):
        raise click.UsageError(
            f"--listen {listen[0]}:{listen[1]}: other machines could use this proxy, and no keys are configured; "
            "make some with `heliograph keys add NAME`, listen on 127.0.0.1, or add --open if everyone who can reach it may use it"
        )
    try:
        asyncio.run(serve(settings, listen, lambda address: _announce(data, address)))
    except ConfigError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise unwritable(data, error) from error


def _announce(data: Path, address: tuple[str, int]) -> None:
    url = environment.proxy_url(*address, None)
    port_option = "" if address == parse_listen(DEFAULT_LISTEN) else f" --listen {address[0]}:{address[1]}"
    data_option = "" if data == data_folder() else f" --data '{data}'"
    click.echo(
        f"heliograph listens on {url}, data in {data}\n\n"
        f'  no change to the program:  eval "$(heliograph env{port_option}{data_option})"\n'
        f"  or by base_url:            OPENAI_BASE_URL={url}/openai/v1   ANTHROPIC_BASE_URL={url}/anthropic\n"
        f"  what it cost:              heliograph report{data_option}\n",
        err=True,
    )
