"""`heliograph run`: a proxy for one program, and what the program's calls cost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from addon.commands import environment
from addon.commands.options import (
    Failure,
    data_options,
    examples,
    project_option,
    read_settings,
    unwritable,
    upstream_options,
)
from addon.config.settings import ConfigError, Settings

if TYPE_CHECKING:
    from addon.hooks.proxy import Proxy

# The exit status that a shell gives for a command that it cannot start.
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


@click.command(
    short_help="Run a program and say what its calls cost.",
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "heliograph run -- python app.py", 'heliograph run --project shop -- claude -p "fix the failing test"'
    ),
)
@data_options
@upstream_options
@project_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    data: Path,
    config: Path | None,
    upstreams: tuple[str, ...],
    upstream_timeout: float | None,
    project: str | None,
    command: tuple[str, ...],
) -> None:
    """Run a program with a proxy of its own, then say what its calls cost. Exits with the program's status."""
    settings = read_settings(data, config, upstreams, upstream_timeout)
    try:
        sys.exit(run_through_proxy(settings, command, project or environment.project_name(Path.cwd())))
    except ConfigError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise unwritable(data, error) from error


def run_through_proxy(settings: Settings, command: Sequence[str], project: str | None) -> int:
    """Run `command` with the variables of `environment`, print the summary to stderr. Returns the command's status."""
    from addon.config import trust
    from addon.serve import ProxyThread

    # The program cannot know a key, and no other program knows this proxy's port.
    with ProxyThread(replace(settings, keys=(), is_watched=False)) as thread:
        thread.proxy.request_ids = []
        url = environment.proxy_url(*thread.address, project)
        bundle = trust.write_bundle(settings.data, os.environ)
        began_at, began = datetime.now(UTC), time.monotonic()
        try:
            child = subprocess.Popen(command, env=os.environ | environment.variables(url, bundle, os.environ))
        except FileNotFoundError:
            click.echo(f"heliograph: {command[0]}: no such command", err=True)
            return _NOT_FOUND
        except PermissionError:
            click.echo(f"heliograph: {command[0]}: not an executable file", err=True)
            return _NOT_EXECUTABLE
        status = _wait(child)
        took_s = time.monotonic() - began
    _summarise(settings, thread.proxy, began_at, took_s)
    return status


def _wait(child: subprocess.Popen[bytes]) -> int:
    """The child's status, as a shell gives it."""

    def pass_on(number: int, _: FrameType | None) -> None:
        child.send_signal(number)

    # Ctrl-C reaches the program as well. The program decides when it ends; we settle afterwards.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, pass_on)
    status = child.wait()
    return status if status >= 0 else 128 - status


def _summarise(settings: Settings, proxy: "Proxy", began_at: datetime, took_s: float) -> None:
    from addon.config import trust
    from analysis.summary import summarise

    ids = proxy.request_ids or []
    if ids:
        click.echo(summarise(settings.data, ids, began_at, took_s), err=True)
    else:
        click.echo("heliograph: no call came through. " + _why_nothing(proxy), err=True)
    for host in proxy.untrusted:
        click.echo(
            f"heliograph: a program did not trust the proxy's certificate for {host}; "
            f"it needs {trust.bundle_path(settings.data)} as its roots, see `heliograph doctor`",
            err=True,
        )


def _why_nothing(proxy: "Proxy") -> str:
    if proxy.untrusted:
        return "The program reached the proxy and did not accept its certificate."
    if proxy.counts.connects or proxy.counts.passed:
        return "The program used the proxy, but called no LLM operation that heliograph knows."
    return (
        "The program did not use the proxy: it made no calls, or its HTTP library ignores HTTPS_PROXY "
        "(Node before 22.21, aiohttp without trust_env, bare urllib3). For those set the base URL instead: "
        "`heliograph up` prints it."
    )
