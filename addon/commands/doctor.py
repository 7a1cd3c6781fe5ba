"""`heliograph doctor`: checks each thing that a working set-up needs, and says what to do where one is wrong."""

import errno
import http.client
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

from addon.commands.options import data_options, examples, listen_option
from addon.config.settings import load_what_can_be_read

_ENOUGH_FREE_BYTES: Final = 2**30
# The first versions (major: minor) whose fetch reads HTTPS_PROXY, with NODE_USE_ENV_PROXY=1, which `run` and `env` set.
_NODE_WITH_PROXY: Final = {22: 21, 24: 5}
_TAKEN: Final = "is taken by another program; use --listen with another port"
GOOD, NOTE, BAD = "ok", "note", "WRONG"


@dataclass(frozen=True, slots=True)
class Finding:
    level: str
    subject: str
    says: str


@click.command(
    short_help="Check the set-up and say what to do.",
    epilog=examples("heliograph doctor", "heliograph doctor --data ./data --listen 127.0.0.1:9000"),
)
@data_options
@listen_option("Where the proxy listens.")
def doctor(data: Path, config: Path | None, listen: tuple[str, int]) -> None:
    """Check what a working set-up needs, and say what to do about what is wrong. Exit 1 if something is."""
    sys.exit(examine(data, config, listen))


def examine(data: Path, config: Path | None, listen: tuple[str, int]) -> int:
    """Print every finding; 1 if something is wrong, else 0."""
    findings = []
    for finding in (
        *_machine(),
        *_data(data, config),
        *_certificates(data),
        *_port(*listen),
        *_lake(data),
        *_cache(data),
    ):
        findings.append(finding)
        click.echo(f"{finding.level:>5}  {finding.subject}: {finding.says}")
    return 1 if any(finding.level == BAD for finding in findings) else 0


def _cache(data: Path) -> Iterator[Finding]:
    from addon.caching.store import CacheDown, CacheStore
    from addon.storage.folders import Folders

    store = CacheStore(Folders(data).cache)
    try:
        yield Finding(GOOD, "cache", f"{store.stats().entries} answers")
    except CacheDown as error:
        yield Finding(BAD, "cache", f"cannot be used: {error}")
    finally:
        store.close()


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
    node = shutil.which("node")
    if node is None:
        return
    found = re.match(r"v(\d+)\.(\d+)", subprocess.run([node, "--version"], capture_output=True, text=True).stdout)
    if not found:
        return
    major, minor = int(found[1]), int(found[2])
    able = major > max(_NODE_WITH_PROXY) or (major in _NODE_WITH_PROXY and minor >= _NODE_WITH_PROXY[major])
    says = f"{major}.{minor}"
    if not able:
        says += " has no proxy support in fetch; update to 22.21 or 24.5, or set the program's base URL"
    yield Finding(GOOD if able else NOTE, "Node", says)


def _data(data: Path, config: Path | None) -> Iterator[Finding]:
    from addon.storage.folders import Folders

    settings, problems = load_what_can_be_read(data, config, environ=os.environ)
    for problem in problems:
        yield Finding(BAD, "settings", problem.text)
    if not problems:
        yield Finding(GOOD, "settings", f"{settings.config}" if settings.config.exists() else "defaults")
    try:
        Folders(data).make()
        probe = data / ".doctor"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        yield Finding(BAD, "data", f"{data}: {error.strerror}; choose another folder with --data or $HELIOGRAPH_DATA")
        return
    yield Finding(GOOD, "data", str(data))
    free = shutil.disk_usage(data).free
    enough = free >= _ENOUGH_FREE_BYTES
    yield Finding(
        GOOD if enough else BAD,
        "disk",
        f"{free / 2**30:.1f} GiB free"
        + ("" if enough else "; make room: calls go on without a record when it is full"),
    )


def _certificates(data: Path) -> Iterator[Finding]:
    from cryptography import x509

    from addon.config import trust

    path = trust.ca_certificate(data)
    if not path.exists():
        yield Finding(NOTE, "certificate authority", "not made yet; `heliograph up`, `run` and `env` make it")
        return
    expires = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    left = expires - datetime.now(UTC)
    yield Finding(
        GOOD if left > timedelta(days=30) else BAD,
        "certificate authority",
        f"{path}, valid until {expires:%Y-%m-%d}"
        + ("" if left > timedelta(days=30) else f"; remove {trust.ca_folder(data)} and start again"),
    )
    bundle = trust.bundle_path(data)
    if not bundle.exists():
        yield Finding(NOTE, "bundle", "not made yet; `heliograph run` and `env` make it")
        return
    whole = path.read_text().strip() in bundle.read_text()
    yield Finding(
        GOOD if whole else BAD, "bundle", f"{bundle}" + ("" if whole else " lacks our authority; run `heliograph env`")
    )


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


def _lake(data: Path) -> Iterator[Finding]:
    from addon.settling.journal_reader import is_free
    from addon.settling.process import unsettled_segments
    from addon.storage.folders import Folders
    from analysis.unpriced import unpriced

    folders = Folders(data)
    waiting = [name for name in unsettled_segments(folders) if is_free(folders.journal / f"{name}.jsonl")]
    if waiting:
        yield Finding(
            NOTE,
            "journal",
            f"{len(waiting)} files of a proxy that was killed are not settled yet; `heliograph report` settles them",
        )
    for provider, model, calls, why in unpriced(data):
        yield Finding(NOTE, "no price", f"{provider} {model or 'without a model'}: {calls} calls, {why}")
