"""`heliograph service`: a proxy that starts with the login, as a systemd user unit or a launchd agent."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from addon.commands.files import write_if_different
from addon.commands.options import AUTO, Failure, data_options, examples, listen_option, read_settings, worker_count
from addon.commands.service_units import (
    KINDS,
    NAME,
    WRITTEN_BY,
    Kind,
    Service,
    start_commands,
    stop_commands,
    unit_path,
    unit_text,
)
from addon.commands.up import refuse_if_open
from addon.config.remote_copy import given_of
from addon.storage.folders import make_folder


def _kind_option(command: Callable[..., Any]) -> Callable[..., Any]:
    default = "launchd" if sys.platform == "darwin" else "systemd"
    says = "Which service manager. Default: that of this system."
    return click.option("--kind", type=click.Choice(KINDS), default=default, help=says)(command)


def _service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What the service is started with."""
    is_open = click.option(
        "--open", "open_to_all", is_flag=True, help="Allow a --listen that other machines can reach."
    )
    workers = click.option(  # as it is written: `auto` is decided at each start
        "--workers",
        default="1",
        show_default=True,
        metavar=f"N|{AUTO}",
        callback=lambda context, parameter, value: _as_written(value),
        help="Processes that serve the port together.",
    )
    return _kind_option(listen_option("Where it listens.")(is_open(workers(data_options(command)))))


def _as_written(workers: str) -> str:
    worker_count(workers)  # or wrong usage
    return workers


@click.group(
    short_help="Run the proxy as a service of this user.",
    epilog=examples("heliograph service install", "heliograph service show"),
)
def service() -> None:
    """Run the proxy as a service of this user: systemd on Linux, launchd on macOS."""


@service.command(
    short_help="Write the service's file.",
    epilog=examples(
        "heliograph service install", "heliograph service install --listen 127.0.0.1:9000 --data ~/heliograph-data"
    ),
)
@_service_options
def install(
    kind: Kind, listen: tuple[str, int], open_to_all: bool, workers: str, data: Path, config: Path | None
) -> None:
    """Write the file of a systemd user unit or launchd agent, and print the commands that start it. Nothing is started."""
    made = _made(listen, open_to_all, workers, data, config)
    path = unit_path(kind, Path.home(), os.environ)
    try:
        _refuse_foreign(path)
        if kind == "launchd":
            make_folder(data)  # launchd opens the log before anything of ours runs
        changed = write_if_different(path, unit_text(made, kind).encode())
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    click.echo(f"heliograph: {path} is {'written' if changed else 'unchanged'}. Start it:", err=True)
    click.echo("\n".join(start_commands(kind, path, made)))


@service.command(
    short_help="Print the service's file.",
    epilog=examples("heliograph service show", "heliograph service show --kind launchd"),
)
@_service_options
def show(kind: Kind, listen: tuple[str, int], open_to_all: bool, workers: str, data: Path, config: Path | None) -> None:
    """Print what `install` would write, and change nothing."""
    click.echo(unit_text(_made(listen, open_to_all, workers, data, config), kind), nl=False)


@service.command(
    short_help="Remove the service's file.",
    epilog=examples("heliograph service uninstall", "heliograph service uninstall --kind systemd"),
)
@_kind_option
def uninstall(kind: Kind) -> None:
    """Remove the file that `install` wrote, and print the commands that end a proxy that still runs. The data stay."""
    path = unit_path(kind, Path.home(), os.environ)
    enabled = path.parent / "default.target.wants" / path.name  # a link that `systemctl --user enable` makes
    try:
        _refuse_foreign(path)
        if not path.exists():
            click.echo(f"heliograph: there is no {path}; nothing to remove", err=True)
            return
        path.unlink()
        if enabled.is_symlink():
            enabled.unlink()
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    click.echo(f"heliograph: {path} is removed. To end it:", err=True)
    click.echo("\n".join(stop_commands(kind)))


def _made(listen: tuple[str, int], open_to_all: bool, workers: str, data: Path, config: Path | None) -> Service:
    """The service, after the checks that `heliograph up` makes at its start."""
    refuse_if_open(listen, read_settings(data, config), open_to_all)
    host = f"[{listen[0]}]" if ":" in listen[0] else listen[0]
    command = [_program(), "up", "--listen", f"{host}:{listen[1]}", "--data", str(data), "--log-json"]
    command += ["--config", given_of(config)] if config else []
    command += ["--open"] if open_to_all else []
    command += ["--workers", workers] if workers != "1" else []
    if any("\n" in word for word in command):
        raise click.UsageError("a path with a line break cannot be in a service's file")
    return Service(command, data)


def _program() -> str:
    """The command on PATH, with links not followed: an upgrade may change where they lead."""
    return shutil.which(NAME) or str(Path(sys.argv[0]).absolute())


def _refuse_foreign(path: Path) -> None:
    if path.exists() and WRITTEN_BY not in path.read_text(encoding="utf-8", errors="replace"):
        raise Failure(f"{path} was not written by heliograph; move it away, or take `heliograph service show` into it")
