"""What the commands share: their common options, how they read the settings, and how they fail."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from addon.config.places import CONFIG_VARIABLE, DEFAULT_LISTEN, data_folder
from addon.objects.stand_in import url_of
from addon.objects.store import is_url
from addon.storage.folders import NotOurs

if TYPE_CHECKING:
    from addon.config.settings import Settings


AUTO: Final = "auto"  # --workers: one for each core
_MOST_WORKERS: Final = 256


class Failure(click.ClickException):
    """The command did not succeed: exit 1. Wrong usage is click.UsageError: exit 2."""

    exit_code = 1


def examples(*commands: str) -> str:
    """The last lines of a command's `--help`, for `epilog`: commands that work as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--data` and `--config`."""
    data = click.option(
        "--data",
        type=_Data(),
        is_eager=True,  # before --config, whose copy is in it
        callback=lambda context, parameter, value: _data(context, value),
        help="Folder of the journal, the lake and the settings. Default: $HELIOGRAPH_DATA, else the user data folder."
        " Commands that read take a lake in a bucket, too: s3://bucket/prefix.",
    )
    config = click.option(
        "--config",
        metavar="FILE|URL",
        callback=lambda context, parameter, value: _config(context, value),
        help="Settings: a file, or a URL (https, s3, gs, az) that a running proxy asks every 20 seconds."
        " Default: $HELIOGRAPH_CONFIG, else heliograph.toml in the data folder.",
    )
    return data(config(command))


# What else is there writes, or speaks of the settings and the journal of a proxy.
_READ_BUCKETS: Final = ("dashboard", "explain", "export", "report", "show", "sql")


class _Data(click.Path):
    """A folder, or the URL of a lake in a bucket."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if isinstance(value, str) and is_url(value) else super().convert(value, param, ctx)


def _data(context: click.Context, value: "str | Path | None") -> Path:
    try:
        folder = data_folder(value)
    except ValueError as error:
        raise click.UsageError(f"--data: {error}") from error
    if (url := url_of(folder)) and not any(name in _READ_BUCKETS for name in context.command_path.split()):
        raise click.UsageError(
            f"{url} is a lake in a bucket, which is read by {', '.join(_READ_BUCKETS)} only. Calls are recorded in a folder"
            f' here; to ship them there, write in its heliograph.toml: lake = "{url}"'
        )
    return folder


# These ask a URL of settings each time. Others read the copy, which a running proxy keeps up to date.
_ASK_URL: Final = ("doctor", "reload", "run", "service", "up")


def _config(context: click.Context, value: str | None) -> Path | None:
    """The settings file; of a URL its copy."""
    given = value or os.environ.get(CONFIG_VARIABLE)
    if given is None or context.resilient_parsing:  # of a command line that is being completed
        return None
    from addon.config.remote_copy import settings_file
    from addon.config.remote_text import Unreachable
    from addon.config.settings import ConfigError

    data: Path = context.params["data"]
    asks = any(name in _ASK_URL for name in context.command_path.split())
    try:
        config, told = settings_file(data, given, os.environ, asks=asks)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    except Unreachable as error:
        raise Failure(f"{error}; there is no copy of it in {data} yet") from error
    except OSError as error:
        raise unwritable(data, error) from error
    if config and config.is_dir():
        raise click.UsageError(f"--config {config}: a folder; name the file in it")
    if told and asks:
        click.echo(f"heliograph: {told}", err=True)
    return config


def upstream_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--upstream` and `--upstream-timeout`, of each command that starts a proxy."""
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


def listen_option(says: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--listen HOST:PORT`, as the argument `listen`: (host, port)."""
    return click.option(
        "--listen",
        default=DEFAULT_LISTEN,
        show_default=True,
        metavar="HOST:PORT",
        callback=lambda context, parameter, value: _address(value),
        help=says,
    )


def workers_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--workers N|auto`, as the number `workers`."""
    return click.option(
        "--workers",
        default="1",
        show_default=True,
        metavar=f"N|{AUTO}",
        callback=lambda context, parameter, value: worker_count(value),
        help="Processes that serve the port together; auto: one for each core.",
    )(command)


def project_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--project NAME`."""
    return click.option(
        "--project",
        metavar="NAME",
        callback=lambda context, parameter, value: _label(value),
        help="Label of the calls. Default: the git checkout's name.",
    )(command)


def read_settings(
    data: Path, config: Path | None, upstreams: tuple[str, ...] = (), upstream_timeout: float | None = None
) -> "Settings":
    """The settings, or wrong usage with all that is wrong in them."""
    from addon.config.settings import ConfigError, load

    try:
        return load(data, config, upstreams, upstream_timeout, os.environ)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def unwritable(data: Path, error: OSError) -> Failure:
    """The failure of a command that cannot use the data folder."""
    if isinstance(error, NotOurs):  # its message says what to do
        return Failure(str(error))
    where = f"{error.filename}: " if error.filename else ""
    return Failure(
        f"{where}{error.strerror or error}; is {data} a folder that you can write? Else name one with --data or $HELIOGRAPH_DATA"
    )


_WINDOWS: Final = (
    "heliograph runs on Linux and macOS; on Windows use it inside WSL (https://learn.microsoft.com/windows/wsl/install)"
)


def unsupported(platform: str) -> str | None:
    """Why heliograph does not run on this `sys.platform`; None where it does. WSL is "linux"."""
    return _WINDOWS if platform in ("win32", "cygwin", "msys") else None


def _address(listen: str) -> tuple[str, int]:
    from addon.config.settings import ConfigError, parse_listen

    try:
        return parse_listen(listen)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def worker_count(workers: str) -> int:
    """The number that `--workers` says. Raises click.UsageError."""
    if workers == AUTO:
        return _cores()
    if not (workers.isascii() and workers.isdigit() and 1 <= int(workers) <= _MOST_WORKERS):
        raise click.UsageError(f"--workers {workers!r}: write a number from 1 to {_MOST_WORKERS}, or {AUTO}")
    return int(workers)


def _cores() -> int:
    """That this process may use."""
    usable = getattr(os, "sched_getaffinity", None)  # macOS lacks it
    return len(usable(0)) if usable else os.cpu_count() or 1


def _label(project: str | None) -> str | None:
    from addon.config.proxy_url import is_label

    if project is not None and not is_label(project):
        raise click.UsageError(f"--project {project!r}: use letters, digits and . _ ~ - only")
    return project
