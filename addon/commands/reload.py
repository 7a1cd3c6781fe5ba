"""`heliograph reload`: running proxies read their settings again, and say what changed."""

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from addon.commands.options import Failure, data_options, examples, read_settings
from addon.config.reload import Changes
from addon.storage.folders import Folders

if TYPE_CHECKING:
    from addon.storage.presence import Running

_WAIT_S: Final = 20.0  # settings that have a URL are asked for first
_WORKER_S: Final = 60.0  # the longest that a worker may take to start, one after another
_LOOK_EVERY_S: Final = 0.05


@click.command(
    short_help="Have running proxies read their settings again.",
    epilog=examples("heliograph reload", "heliograph reload --data ./data"),
)
@data_options
def reload(data: Path, config: Path | None) -> None:
    """Have the proxies that run on the data folder read heliograph.toml again, and say what changed and what needs a restart.

    They also do so by themselves, within two seconds of a change. SIGHUP does the same. With a mistake in the file the
    old settings stay (exit 2). The workers of `heliograph up --workers N` are replaced one by one without losing a call:
    then everything in the file is in force, and a new version of heliograph.
    """
    from addon.storage.presence import running_proxies  # needs fcntl, which Windows lacks

    folders = Folders(data)
    proxies = list(running_proxies(folders))
    if not proxies:
        read_settings(data, config)
        raise Failure(f"no proxy runs on {data}; its settings are good, and are read when one starts")
    problems = []
    for proxy in proxies:
        told = _told(folders, proxy)
        if told.problem:
            problems.append(told.problem)
        else:
            replaced = f"; all {told.workers} workers are new" if told.workers > 1 else ""
            click.echo(f"{_name(told)}: {Changes(taken=told.taken, restart=told.restart)}{replaced}")
    if problems:
        raise click.UsageError("the old settings stay:\n" + "\n".join(dict.fromkeys(problems)))


def _told(folders: Folders, proxy: "Running") -> "Running":
    """What the proxy says after it has read the file once more."""
    try:
        os.kill(proxy.pid, signal.SIGHUP)
    except ProcessLookupError as error:
        raise Failure(f"{_name(proxy)} has ended") from error
    except PermissionError as error:
        raise Failure(f"{_name(proxy)} belongs to another user; run this as that user") from error
    from addon.storage.presence import running_proxies

    deadline = time.monotonic() + (_WAIT_S if proxy.workers == 1 else _WORKER_S * proxy.workers)
    while time.monotonic() < deadline:
        for found in running_proxies(folders):
            if found.pid == proxy.pid and found.started_at == proxy.started_at and found.reads > proxy.reads:
                return found
        time.sleep(_LOOK_EVERY_S)
    raise Failure(f"{_name(proxy)} does not answer; its messages may say why")


def _name(proxy: "Running") -> str:
    return f"proxy on {proxy.listen or 'no address'} (process {proxy.pid})"
