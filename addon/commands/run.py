"""`heliograph run`: a proxy for one program, and what the program's calls cost."""

import math
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from addon.commands import environment
from addon.commands.base_urls import local_servers, redirect
from addon.commands.no_calls import Seen, why_nothing
from addon.commands.node import node_without_proxy
from addon.commands.options import (
    Failure,
    data_options,
    examples,
    project_option,
    read_settings,
    unwritable,
    upstream_options,
)
from addon.config.places import data_folder
from addon.config.settings import ConfigError, Settings
from addon.recordings.tape import Tape

# The exit status that a shell gives for a command that it cannot start.
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


@click.command(
    short_help="Run a program and say what its calls cost.",
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "heliograph run -- python app.py",
        'heliograph run --project shop -- claude -p "fix the failing test"',
        "heliograph run --base-url -- node app.js",
    ),
)
@data_options
@upstream_options
@project_option
@click.option(
    "--base-url",
    "by_base_url",
    is_flag=True,
    help="Also set OPENAI_BASE_URL, ANTHROPIC_BASE_URL and the like, for a program that ignores HTTPS_PROXY or calls a server on this machine.",
)
@click.option(
    "--usage", is_flag=True, help="Ask every OpenAI-shaped stream to state its usage, so that its cost is exact."
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND...")
def run(
    data: Path,
    config: Path | None,
    upstreams: tuple[str, ...],
    upstream_timeout: float | None,
    project: str | None,
    by_base_url: bool,
    usage: bool,
    command: tuple[str, ...],
) -> None:
    """Run a program with a proxy of its own, then say what its calls cost. Exits with the program's status."""
    if not command:
        raise click.UsageError("say which program to run, e.g. heliograph run -- python app.py")
    settings = read_settings(data, config, upstreams, upstream_timeout)
    again = command_line("run", data, config, upstreams, project, ["--usage"] if usage else [], command)
    if usage:
        settings = replace(settings, inject_usage=True)
    try:
        sys.exit(
            run_through_proxy(
                settings, command, project or environment.project_name(Path.cwd()), by_base_url=by_base_url, again=again
            )
        )
    except ConfigError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise unwritable(data, error) from error


def run_through_proxy(
    settings: Settings,
    command: Sequence[str],
    project: str | None,
    *,
    by_base_url: bool,
    again: str,
    tape: Tape | None = None,
) -> int:
    """Run `command` with the variables of `environment`, print the summary to stderr. Returns the command's status.

    `by_base_url`: with those of `base_urls`, too. `again`: the command line to suggest where no call came through. `tape`
    records the calls or answers them; what is said of answered calls is up to the caller.
    """
    from addon.commands.direct_connections import DirectConnections
    from addon.config import trust
    from addon.serve import ProxyThread

    redirected = None
    if by_base_url:
        # The proxy's port is known once it listens, the servers behind it must be known before.
        redirected = redirect("", os.environ, settings.upstreams)
        settings = replace(settings, upstreams={**settings.upstreams, **redirected.upstreams})
    # The program cannot know a key, and no other program knows this proxy's port.
    thread = ProxyThread(replace(settings, keys=(), is_watched=False))
    proxy = thread.proxy
    proxy.tape = tape
    with thread:
        proxy.request_ids, proxy.hosts, proxy.connections.project = [], {}, project
        url = environment.proxy_url(*thread.address, project)
        bundle = trust.write_bundle(settings.data, os.environ)
        variables = environment.variables(url, bundle, os.environ)
        if redirected:
            variables |= {name: f"{thread.url}{path}" for name, path in redirected.variables.items()}
        began_at, began = datetime.now(UTC), time.monotonic()
        try:
            child = subprocess.Popen(command, env=os.environ | variables)
        except FileNotFoundError:
            click.echo(f"heliograph: {command[0]}: no such command", err=True)
            return _NOT_FOUND
        except PermissionError:
            click.echo(f"heliograph: {command[0]}: not an executable file", err=True)
            return _NOT_EXECUTABLE
        ids = proxy.request_ids
        with DirectConnections(child.pid, thread.address[1], lambda: bool(ids)) as past_us:
            status = _wait(child)
        took_s = time.monotonic() - began
    if ids:
        if tape is None or not tape.plays:
            _summarise(settings, ids, began_at, took_s)
    else:
        seen = Seen(
            again=again,
            bundle=bundle,
            status=status,
            untrusted=sorted(proxy.untrusted),
            opened=[host for host, opened in (proxy.hosts or {}).items() if opened],
            tunnelled=[host for host, opened in (proxy.hosts or {}).items() if not opened],
            passed=proxy.counts.passed,
            direct=None if past_us.found is None else frozenset(past_us.found),
            local=local_servers(os.environ),
            old_node=node_without_proxy(command[0]),
            by_base_url=by_base_url,
        )
        click.echo(f"heliograph: no call came through. {why_nothing(seen)}", err=True)
    for host in sorted(proxy.untrusted) if ids else ():
        click.echo(
            f"heliograph: a program did not trust the proxy's certificate for {host}; it needs {bundle} as its roots, "
            "see `heliograph doctor`",
            err=True,
        )
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


def _summarise(settings: Settings, ids: Sequence[str], began_at: datetime, took_s: float) -> None:
    from analysis.faces.summary import summarise

    hours = math.ceil(max(took_s, 1) / 3600)
    elsewhere = "" if settings.data == data_folder() else f" --data {shlex.quote(str(settings.data))}"
    click.echo(summarise(settings.data, ids, began_at, took_s), err=True)
    click.echo(f"  data in {settings.data}; more: heliograph report --since {hours}h{elsewhere}", err=True)


def command_line(
    verb: str,
    data: Path,
    config: Path | None,
    upstreams: Sequence[str],
    project: str | None,
    more: Sequence[str],
    command: Sequence[str],
) -> str:
    """This command line with --base-url. `more`: further options and arguments of the verb."""
    words = ["heliograph", verb, "--base-url"]
    if data != data_folder():
        words += ["--data", str(data)]
    if config:
        from addon.config.remote_copy import given_of

        words += ["--config", given_of(config)]
    for upstream in upstreams:
        words += ["--upstream", upstream]
    if project:
        words += ["--project", project]
    return shlex.join([*words, *more, "--", *command])
