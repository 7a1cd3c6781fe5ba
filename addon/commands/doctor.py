"""`heliograph doctor`: checks each thing that a working set-up needs, and says what to do where one is wrong."""

import errno
import http.client
import json
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

from addon import descriptors
from addon.commands.doctor_shell import node_findings, shell_findings
from addon.commands.options import data_options, examples, listen_option
from addon.config.settings import load_what_can_be_read
from analysis.health.data_folder import data_findings
from analysis.health.finding import BAD, GOOD, NOTE, Finding

_TAKEN: Final = "is taken by another program; use --listen with another port"


@click.command(
    short_help="Check the set-up and say what to do.",
    epilog=examples(
        "heliograph doctor", "heliograph doctor --data ./data --listen 127.0.0.1:9000", "heliograph doctor --fleet"
    ),
)
@data_options
@listen_option("Where the proxy listens.")
@click.option(
    "--fleet", is_flag=True, help="Check all proxies that share a Redis or a bucket: versions, clocks, what waits."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON value: an array of findings; with --fleet an object.")
def doctor(data: Path, config: Path | None, listen: tuple[str, int], fleet: bool, as_json: bool) -> None:
    """Check what a working set-up needs, and say what to do about what is wrong. Exit 1 if something is.

    It looks at this machine, the data folder, the proxy and this shell, and changes nothing. With --fleet it looks at all proxies
    that share a Redis ([shared]) or a lake in a bucket with this data folder, as each of them tells of itself once a minute.
    """
    if fleet:
        from addon.commands.doctor_fleet import examine_fleet

        sys.exit(examine_fleet(data, config, as_json))
    sys.exit(examine(data, config, listen, as_json))


def examine(data: Path, config: Path | None, listen: tuple[str, int], as_json: bool = False) -> int:
    """Print every finding; 1 if something is wrong, else 0."""
    is_wrong = False
    told: list[dict[str, str]] = []
    everything = (_machine(), descriptor_findings(data, config), data_findings(data, config), _port(*listen))
    for findings in (*everything, shell_findings(os.environ)):
        for finding in findings:
            if as_json:
                told.append(asdict(finding))
            else:
                click.echo(finding.line)
            is_wrong = is_wrong or finding.level == BAD
    if as_json:
        click.echo(json.dumps(told))
    return 1 if is_wrong else 0


def _machine() -> Iterator[Finding]:
    from addon.mitm.internals import internals_missing

    python = platform.python_version()
    level = GOOD if sys.version_info >= (3, 12) else BAD
    yield Finding(level, "Python", f"{python} at {sys.executable}" + ("" if level == GOOD else "; 3.12 is needed"))
    missing = internals_missing()
    yield Finding(
        BAD if missing else GOOD,
        "mitmproxy",
        version("mitmproxy") + (f" lacks {', '.join(missing)}; install heliograph afresh" if missing else ""),
    )
    yield from node_findings(shutil.which("node"))


def descriptor_findings(data: Path, config: Path | None) -> Iterator[Finding]:
    settings, _ = load_what_can_be_read(data, config)
    most, wanted = descriptors.calls_at_once(descriptors.reachable()), settings.overload.max_calls
    says = f"a proxy may have {descriptors.reachable():,} open, enough for {most:,} calls at once"
    if most >= wanted:
        yield Finding(GOOD, "descriptors", says)
    else:
        fewer = f"[overload] allows {wanted:,}; raise the hard limit (`ulimit -Hn`, LimitNOFILE of systemd), or set max_calls = {most}"
        yield Finding(NOTE, "descriptors", f"{says}; {fewer}")


def _port(host: str, port: int) -> Iterator[Finding]:
    where = f"{host}:{port}"
    try:
        connection = http.client.HTTPConnection(host, port, timeout=2)
        connection.request("GET", "/healthz")
        state = json.loads(connection.getresponse().read())
        calls = state["calls"]
    except OSError:  # refused, silent, or not an address of this machine: an attempt to listen there tells which
        yield Finding(*_free(host, port))
    except (ValueError, KeyError, TypeError, http.client.HTTPException):
        yield Finding(BAD, "port", f"{where} {_TAKEN}")
    else:
        lost = calls["unlogged"]
        if problem := state.get("problem"):
            yield Finding(BAD, "proxy", f"{where}: {problem}")
        yield Finding(
            GOOD, "proxy", f"listens on {where}: {calls['seen']} calls seen, {calls['journalled']} journalled"
        )
        if lost:
            yield Finding(BAD, "journal", f"{lost} calls could not be written; look at the disk and {where}'s messages")


def _free(host: str, port: int) -> tuple[str, str, str]:
    try:
        with socket.create_server((host, port)):
            return NOTE, "port", f"{host}:{port} is free; `heliograph up` starts the proxy there"
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return BAD, "port", f"{host}:{port} {_TAKEN}"
        return BAD, "port", f"{host}:{port}: {error.strerror}; use --listen with another address"
