"""`heliograph up`: the proxy that stays."""

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from addon.commands import environment
from addon.commands.json_log import json_stderr, log_line
from addon.commands.options import (
    Failure,
    data_options,
    examples,
    listen_option,
    read_settings,
    unwritable,
    upstream_options,
    workers_option,
)
from addon.commands.tables import warn
from addon.commands.tail import shows_colour
from addon.config.places import DEFAULT_LISTEN, data_folder
from addon.config.settings import ConfigError, Settings, parse_listen
from addon.workers.command_line import CommandLine

_LAST_LINES_S: Final = 10.0  # for the lines of calls that were settled at the end


@click.command(
    short_help="Start the proxy.",
    epilog=examples(
        "heliograph up",
        "heliograph up --listen 127.0.0.1:9000 --upstream vllm=http://127.0.0.1:8000",
        "heliograph up --verbose",
    ),
)
@data_options
@upstream_options
@listen_option("Where to listen.")
@click.option("--open", "open_to_all", is_flag=True, help="Allow a --listen that other machines can reach.")
@workers_option
@click.option(
    "-v", "--verbose", is_flag=True, help="Print a line for each call as it finishes, as `heliograph tail` does."
)
@click.option("--log-json", is_flag=True, help="Print every message as one JSON object a line: for a service's log.")
def up(
    data: Path,
    config: Path | None,
    upstreams: tuple[str, ...],
    upstream_timeout: float | None,
    listen: tuple[str, int],
    open_to_all: bool,
    workers: int,
    verbose: bool,
    log_json: bool,
) -> None:
    """Start the proxy and say how to point a program at it. Ctrl-C ends it, in order, with a line on what its calls cost.

    Messages go to standard error, the lines of --verbose to standard output. SIGHUP has it read its settings again, and
    replaces workers.
    """
    settings = read_settings(data, config, upstreams, upstream_timeout)
    refuse_if_open(listen, settings, open_to_all)
    try:
        with json_stderr() if log_json else nullcontext():
            if workers > 1:
                line = CommandLine(data=data, config=config, upstreams=upstreams, upstream_timeout_s=upstream_timeout)
                asyncio.run(_serve_with_workers(line, listen, workers, verbose, log_json))
            else:
                asyncio.run(_serve(settings, listen, verbose, log_json))
    except ConfigError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise unwritable(data, error) from error


def refuse_if_open(listen: tuple[str, int], settings: Settings, open_to_all: bool) -> None:
    """Wrong usage where other machines could use a proxy without keys."""
    from addon.routing.addresses import is_loopback

    if not (is_loopback(listen[0]) or settings.keys or open_to_all):
        raise click.UsageError(
            f"--listen {listen[0]}:{listen[1]}: other machines could use this proxy, and no keys are configured; "
            "make some with `heliograph keys add NAME`, listen on 127.0.0.1, or add --open if everyone who can reach it may use it"
        )


async def _serve(settings: Settings, listen: tuple[str, int], verbose: bool, log_json: bool) -> None:
    from addon.hooks.proxy import Proxy
    from addon.serve import serve

    proxy, announce = Proxy(), _announce_json if log_json else _announce
    async with _lines(settings.data, proxy.started_at, verbose, log_json):
        await serve(settings, listen, lambda address: announce(settings.data, address), proxy)
    _say_goodbye(settings.data, proxy.started_at, proxy.run, log_json)


async def _serve_with_workers(
    line: CommandLine, listen: tuple[str, int], workers: int, verbose: bool, log_json: bool
) -> None:
    from addon.workers.supervisor import Supervisor

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    supervisor, announce = Supervisor(line, listen, workers), _announce_json if log_json else _announce
    async with _lines(line.data, supervisor.started_at, verbose, log_json):
        await supervisor.run(lambda address: announce(line.data, address))
    _say_goodbye(line.data, supervisor.started_at, supervisor.family, log_json)


@asynccontextmanager
async def _lines(data: Path, started_at: float, verbose: bool, log_json: bool) -> AsyncIterator[None]:
    """The process that prints the line of each call, with --verbose."""
    from addon.hooks.child_process import ChildProcess

    if not verbose:
        yield
        return
    style = ("--json",) if log_json else ("--colour",) if shows_colour(sys.stdout.isatty(), os.environ) else ()
    since = ("--since", str(started_at))
    lines = ChildProcess("addon.commands.call_lines", "--data", str(data), *since, *style)
    try:
        yield
    finally:
        if not await lines.end(_LAST_LINES_S):
            lines.kill()


def _say_goodbye(data: Path, started_at: float, run: str, log_json: bool) -> None:
    """One line: what the calls since the start came to, and how many of this proxy's have no row yet. `run`: how the names of
    its runs of the journal begin."""
    import duckdb

    from addon.storage.begun import count_begun
    from addon.storage.folders import Folders
    from addon.storage.presence import running_proxies
    from analysis.faces.footer import count
    from analysis.faces.render import usd
    from analysis.lake import Connection, Lake
    from analysis.reports.report import Totals, totals
    from analysis.reports.scope import Scope, open_scope
    from analysis.reports.window import Window

    window = Window(datetime.fromtimestamp(started_at, UTC))
    seconds = time.time() - started_at
    folders = Folders(data)

    def question(connection: Connection) -> Totals:
        open_scope(connection, Scope(window), ["calls_summed"])
        return totals(connection)

    try:
        total = Lake(data).ask(question)
        unsettled = count_begun(folders, run)
    except (duckdb.Error, OSError) as error:
        warn(f"stopped after {_span(seconds)}; what its calls cost cannot be read: {error}")
        return
    if log_json:
        facts = {"calls": total.calls, "errors": total.errors, "cost_usd": total.cost_usd, "unpriced": total.unpriced}
        click.echo(log_line("info", "stopped", **facts, unsettled=unsettled, seconds=round(seconds, 3)), err=True)
        return
    cost = "cost unknown" if total.cost_usd is None else usd(total.cost_usd)
    spent = f"{count(total.errors, 'error')}, {cost}, " if total.calls else ""
    others = "; calls of other proxies on this folder included" if any(running_proxies(folders)) else ""
    without_price = f" ({total.unpriced:,} without a price)" if total.unpriced else ""
    warn(
        f"stopped after {_span(seconds)}: {count(total.calls, 'call')}{without_price}, {spent}{unsettled:,} unsettled{others}"
    )


def _span(seconds: float) -> str:
    """`2 h 3 min`, `4 s`."""
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"


def _announce_json(data: Path, address: tuple[str, int]) -> None:
    url = environment.proxy_url(*address, None)
    click.echo(log_line("info", f"listens on {url}, data in {data}", url=url, data=str(data)), err=True)


def _announce(data: Path, address: tuple[str, int]) -> None:
    url = environment.proxy_url(*address, None)
    port_option = "" if address == parse_listen(DEFAULT_LISTEN) else f" --listen {address[0]}:{address[1]}"
    data_option = "" if data == data_folder() else f" --data '{data}'"
    click.echo(
        f"heliograph listens on {url}, data in {data}\n\n"
        f'  no change to the program:  eval "$(heliograph env{port_option}{data_option})"\n'
        f"  or by base_url:            OPENAI_BASE_URL={url}/openai/v1   ANTHROPIC_BASE_URL={url}/anthropic\n"
        f"  what it cost:              heliograph report{data_option}\n"
        f"  in a browser:              {url}\n",
        err=True,
    )
