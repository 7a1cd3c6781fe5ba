"""`heliograph`: the proxy's own commands. Analysis adds its verbs at the end of this file."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from addon.commands import environment
from addon.commands.options import Failure, data_options
from addon.config import trust
from addon.config.controls import is_label
from addon.config.settings import DEFAULT_LISTEN, ConfigError, Settings, data_folder, load, parse_listen


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="heliograph", message="heliograph %(version)s")
def main() -> None:
    """Measure, price and keep every LLM call that a program makes. Nothing in the program changes.

    \b
    heliograph demo                      see it work: no key, no network
    heliograph run -- python app.py      what did this program's calls cost?
    heliograph up                        a proxy that stays; then: eval "$(heliograph env)"
    heliograph report models             a table of what was measured
    """


def upstream_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of everything that starts a proxy."""
    upstream = click.option(
        "--upstream", "upstreams", multiple=True, metavar="NAME=URL", help="Provider NAME lives at URL. Repeatable."
    )
    timeout = click.option(
        "--upstream-timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="S",
        help="Seconds to wait for a provider's first byte. Default: 600.",
    )
    return upstream(timeout(command))


def read_settings(
    data: Path, config: Path | None, upstreams: tuple[str, ...] = (), upstream_timeout: float | None = None
) -> Settings:
    try:
        return load(data, config, upstreams, upstream_timeout, os.environ)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


@main.command(short_help="Start the proxy.")
@data_options
@upstream_options
@click.option("--listen", default=DEFAULT_LISTEN, show_default=True, metavar="HOST:PORT", help="Where to listen.")
@click.option("--open", "open_to_all", is_flag=True, help="Allow a --listen that other machines can reach.")
def up(
    data: Path,
    config: Path | None,
    upstreams: tuple[str, ...],
    upstream_timeout: float | None,
    listen: str,
    open_to_all: bool,
) -> None:
    """Start the proxy and say how to point a program at it. Ctrl-C ends it, in order.

    \b
    heliograph up
    heliograph up --listen 127.0.0.1:9000 --upstream vllm=http://127.0.0.1:8000
    """
    if __debug__:
        # Again without assertions: mitmproxy checks every event and message with them, a tenth of its time.
        os.execv(sys.executable, [sys.executable, "-O", *sys.orig_argv[1:]])
    from addon.routing.router import is_loopback
    from addon.serve import serve

    settings = read_settings(data, config, upstreams, upstream_timeout)
    try:
        host, port = parse_listen(listen)
        if not (is_loopback(host) or settings.keys or open_to_all):
            raise ConfigError(
                f"--listen {listen}: other machines could use this proxy, and no keys are configured; "
                "make some with `heliograph keys add NAME`, listen on 127.0.0.1, or add --open if everyone who can reach it may use it"
            )
    except ConfigError as error:
        raise click.UsageError(str(error)) from error

    def listening(address: tuple[str, int]) -> None:
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

    try:
        asyncio.run(serve(settings, (host, port), listening))
    except ConfigError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise _unwritable(data, error) from error


@main.command(short_help="Print the variables that send a shell through the proxy.")
@data_options
@click.option(
    "--listen", default=DEFAULT_LISTEN, show_default=True, metavar="HOST:PORT", help="Where the proxy listens."
)
@click.option("--project", metavar="NAME", help="Label of the calls made from here. Default: the git checkout's name.")
@click.option("--key", envvar="HELIOGRAPH_KEY", metavar="KEY", help="A key of the proxy, where it has keys.")
@click.option("--unset", is_flag=True, help="Print the way back instead.")
def env(data: Path, config: Path | None, listen: str, project: str | None, key: str | None, unset: bool) -> None:
    """Print the variables that send this shell's programs through the proxy.

    \b
    eval "$(heliograph env)"
    eval "$(heliograph env --project shop)"
    eval "$(heliograph env --unset)"
    """
    try:
        host, port = parse_listen(listen)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    if project is not None and not is_label(project):
        raise click.UsageError(f"--project {project!r}: use letters, digits and . _ ~ - only")
    if key is not None and not is_label(key):
        raise click.UsageError("--key: that is no key; `heliograph keys add NAME` makes one")
    url = environment.proxy_url(host, port, project or environment.project_name(Path.cwd()), key)
    if unset:
        values = environment.variables(url, trust.bundle_path(data), os.environ)
        click.echo("\n".join(environment.unset_lines(values, os.environ)))
        return
    try:
        bundle = trust.write_bundle(data, os.environ)
    except OSError as error:
        raise _unwritable(data, error) from error
    click.echo("\n".join(environment.export_lines(environment.variables(url, bundle, os.environ), os.environ)))
    if not _answers(host, port):
        click.echo(
            f"heliograph: nothing listens on {host}:{port} yet; start `heliograph up`, or every program of this shell "
            'will fail to connect. Back: eval "$(heliograph env --unset)"',
            err=True,
        )


@main.command(
    short_help="Run a program and say what its calls cost.",
    context_settings={"allow_interspersed_args": False},
)
@data_options
@upstream_options
@click.option("--project", metavar="NAME", help="Label of the calls. Default: the git checkout's name.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    data: Path,
    config: Path | None,
    upstreams: tuple[str, ...],
    upstream_timeout: float | None,
    project: str | None,
    command: tuple[str, ...],
) -> None:
    """Run a program with a proxy of its own, then say what its calls cost. Exits with the program's status.

    \b
    heliograph run -- python app.py
    heliograph run --project shop -- claude -p "fix the failing test"
    """
    from addon.commands.run import run_through_proxy

    if project is not None and not is_label(project):
        raise click.UsageError(f"--project {project!r}: use letters, digits and . _ ~ - only")
    settings = read_settings(data, config, upstreams, upstream_timeout)
    try:
        sys.exit(run_through_proxy(settings, command, project or environment.project_name(Path.cwd())))
    except ConfigError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise _unwritable(data, error) from error


@main.command(short_help="See it work: no key, no network.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the demo's calls. Default: a new one among the temporary files, never that of your own calls.",
)
@click.option("--calls", default=300, show_default=True, type=click.IntRange(min=1), help="How many calls to make.")
def demo(data: Path | None, calls: int) -> None:
    """See it work: built-in providers, a few hundred varied calls, the reports. No key, no network.

    \b
    heliograph demo
    heliograph demo --calls 1000
    """
    from addon.demo.show import show

    show(calls, data_folder(data) if data else None)


@main.command(short_help="Check the set-up and say what to do.")
@data_options
@click.option(
    "--listen", default=DEFAULT_LISTEN, show_default=True, metavar="HOST:PORT", help="Where the proxy listens."
)
def doctor(data: Path, config: Path | None, listen: str) -> None:
    """Check what a working set-up needs, and say what to do about what is wrong. Exit 1 if something is.

    \b
    heliograph doctor
    """
    from addon.commands.doctor import examine

    try:
        address = parse_listen(listen)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    sys.exit(examine(data, config, address))


def _unwritable(data: Path, error: OSError) -> Failure:
    where = f"{error.filename}: " if error.filename else ""
    return Failure(
        f"{where}{error.strerror or error}; is {data} a folder that you can write? Else name one with --data or $HELIOGRAPH_DATA"
    )


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _add_analysis() -> None:
    from addon.commands.cache import cache
    from addon.commands.keys import keys
    from analysis import commands
    from analysis.feedback import feedback

    for command in (commands.report, commands.sql, commands.tail, feedback, cache, keys):
        main.add_command(command)


_add_analysis()
