"""Runs one client through a `heliograph up` of its own, with the variables of `heliograph env` and nothing else."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from analysis.lake import Lake
from analysis.table import fetch
from scripts.agent_cases.model import Client
from scripts.agent_cases.provider import FakeProvider, Received, fake_providers
from scripts.running import free_port

START_S: Final = 60
RUN_S: Final = 180
PROGRAMS: Final = Path(__file__).with_name("programs")
_HELIOGRAPH: Final = str(Path(sys.executable).with_name("heliograph"))
ORIGIN: Final = "https://github.com/example/shop.git"


class NotStarted(Exception):
    """What a proxy said that did not answer."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run left."""

    status: int | None  # of the program; None: it did not end in time
    said: str  # its output, both streams
    rows: list[dict[str, Any]]
    received: list[Received]  # calls that providers answered
    others: list[str]  # every other request that reached a provider
    proxy_said: str
    folder: Path  # the program's working directory


def run(client: Client, programs: Path, node: Path | None, home: Path) -> Run:
    """`home` is an empty folder for all that the run writes."""
    folder = home / "checkout"
    _prepare(client, programs, home, folder)
    with fake_providers() as providers:
        providers["openai"].refuses_sockets = client.refuses_sockets
        with _proxy(home, providers) as address:
            status = _run_client(client, _environ(client, programs, node, home), home, folder, address)
        calls = [call for provider in providers.values() for call in provider.calls]
        others = [f"{provider.name} {asked}" for provider in providers.values() for asked in provider.others]
    # A client may ask how many tokens a prompt has; the fake provider does not tell.
    sql = "select * from requests where operation_name is distinct from 'count_tokens' order by started_at"
    rows = list(Lake(home / "data").ask(lambda connection: fetch(connection, sql)).records())
    said, proxy_said = ((home / name).read_text(errors="replace") for name in ("client.txt", "proxy.txt"))
    return Run(status, said, rows, sorted(calls, key=lambda call: call.at), others, proxy_said, folder)


def _prepare(client: Client, programs: Path, home: Path, folder: Path) -> None:
    for path, text in client.files.items():
        file = home / "home" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (home / "home").mkdir(exist_ok=True)
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "remote", "add", "origin", ORIGIN], check=True)
    for program in PROGRAMS.iterdir():
        if program.name in client.command:
            shutil.copy(program, folder)
    if client.command[0] == "node":  # a module finds packages beside its own file only
        (folder / "node_modules").symlink_to(programs.parent)


@contextlib.contextmanager
def _proxy(home: Path, providers: dict[str, FakeProvider]) -> Iterator[str]:
    """`heliograph up` on a free port. At the end all calls are settled."""
    address = f"127.0.0.1:{free_port()}"
    command = [_HELIOGRAPH, "up", "--listen", address, "--data", str(home / "data")]
    command += [f"--upstream={name}={provider.url}" for name, provider in providers.items()]
    with (home / "proxy.txt").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=_without_proxies())
    try:
        if not _answers(process, f"http://{address}/healthz"):
            raise NotStarted((home / "proxy.txt").read_text(errors="replace"))
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(90)


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    """Waits until the proxy answers. False: it ended, or did not answer in time."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            opener.open(url).close()
            return True
        time.sleep(0.1)
    return False


def _environ(client: Client, programs: Path, node: Path | None, home: Path) -> dict[str, str]:
    """Of a new user: a home of its own, no registries, no proxies. `heliograph env` adds the rest."""
    path = [str(programs), *([str(node)] if node else []), "/usr/local/bin", "/usr/bin", "/bin"]
    common = {"HOME": str(home / "home"), "LANG": "C.UTF-8", "TERM": "dumb", "PATH": os.pathsep.join(path)}
    return {**common, **client.variables}


def _run_client(client: Client, environ: dict[str, str], home: Path, folder: Path, address: str) -> int | None:
    """The status of the program, started by a shell that has taken over what `heliograph env` prints."""
    told = f"{shlex.quote(_HELIOGRAPH)} env --listen {address} --data {shlex.quote(str(home / 'data'))}"
    command: Sequence[str] = ["sh", "-c", f'eval "$({told})"; exec "$@"', "sh", *client.command]
    with (home / "client.txt").open("wb") as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        return process.wait(RUN_S)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):  # helpers that it left running
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _end_daemons(home / "home")


def _end_daemons(home: Path) -> None:
    """Processes of this run that have a session of their own, as Cline's hub: they have its home folder."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("HOME") == str(home):
                process.kill()


def _without_proxies() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
