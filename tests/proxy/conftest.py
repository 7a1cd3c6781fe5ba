"""A real proxy process for the tests, real SDK clients in front of it, fake providers at the far end of a socket."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from addon.calls.call_life import ILLEGAL_MOVE
from addon.config import trust
from addon.demo.providers import FakeProviders
from tests.stored_rows import Row as Row
from tests.stored_rows import StoredRows
from tests.waiting import wait_for as wait_for  # tests of the proxy take it from here

HOME = Path(__file__).resolve().parents[2]
HELIOGRAPH = str(Path(sys.executable).parent / "heliograph")
MITMDUMP = str(Path(sys.executable).parent / "mitmdump")


class Proxy:
    """A heliograph under test: where it listens, what it trusts, what it has recorded."""

    def __init__(self, process: subprocess.Popen[str], data: Path, url: str, ca: Path) -> None:
        self.process, self.data, self.url, self.ca = process, data, url, ca
        self.said: list[str] = []  # its stderr, line by line
        self.stored = StoredRows(data)

    def rows(self, where: str = "true", **values: object) -> list[Row]:
        """Settled rows by a condition over `$name`s."""
        return self.stored.ask(f"select * from requests where {where} order by started_at", values)

    def seen(self) -> int:
        """How many calls it has seen so far, settled or not."""
        answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self.url}/healthz")
        return int(json.load(answer)["calls"]["seen"])

    def row(self, request_id: str) -> Row:
        """The one row of a call, once it is settled."""
        (row,) = wait_for(lambda: self.rows("request_id = $id", id=request_id))
        return row

    def body(self, request_id: str) -> Row:
        """What was said in a call, once it is settled."""
        self.row(request_id)
        (body,) = self.stored.ask("select * from bodies where request_id = $id", {"id": request_id})
        return body

    def stop(self) -> int:
        """SIGTERM, and wait until all is settled."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def environment(**more: str) -> dict[str, str]:
    """This process's variables without what would send clients elsewhere."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    # Plain mitmdump says on stdout where it listens: into a pipe only when it ends, unless unbuffered.
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


@contextmanager
def run_up(data: Path, *options: str, **popen: Any) -> Iterator[Proxy]:
    """`heliograph up` on a free port, until the block ends."""
    command = [HELIOGRAPH, "up", "--listen", "127.0.0.1:0", "--data", str(data), *options]
    with _running(command, data, r"listens on (http://\S+?),", trust.ca_certificate(data), **popen) as proxy:
        yield proxy


@contextmanager
def run_mitmdump(data: Path, *options: str, folder: Path = HOME) -> Iterator[Proxy]:
    """Plain `mitmdump -s addon/main.py`, from a checkout at `folder`."""
    confdir = data / "mitmproxy"
    command = [
        *(MITMDUMP, "-s", str(folder / "addon" / "main.py"), "--listen-host", "127.0.0.1", "--listen-port", "0"),
        *("--set", f"confdir={confdir}", "--set", f"heliograph_data={data}", *options),
    ]
    with _running(command, data, r"listening at (127\.0\.0\.1:\d+)", confdir / "mitmproxy-ca-cert.pem") as proxy:
        yield proxy


@contextmanager
def _running(
    command: list[str], data: Path, announcement: str, ca: Path, variables: dict[str, str] | None = None, **popen: Any
) -> Iterator[Proxy]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(**(variables or {})),
        **popen,
    )
    proxy = Proxy(process, data, "", ca)
    listening = threading.Event()

    def listen_to() -> None:
        assert process.stdout
        for line in process.stdout:
            proxy.said.append(line.rstrip())
            if not proxy.url and (found := re.search(announcement, line)):
                proxy.url = found[1] if found[1].startswith("http") else f"http://{found[1]}"
                listening.set()
        listening.set()

    reader = threading.Thread(target=listen_to, daemon=True)
    reader.start()
    listening.wait(120)
    try:
        assert proxy.url, "\n".join(proxy.said)
        yield proxy
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(90)
        reader.join(30)
    assert not illegal_moves(proxy.said)


def illegal_moves(said: list[str]) -> list[str]:
    """What a proxy said of calls that went from one state to another which may not follow it (addon/calls/call_life.py)."""
    return [line for line in said if ILLEGAL_MOVE in line]


@pytest.fixture(scope="session")
def shared_provider() -> Iterator[FakeProviders]:
    with FakeProviders() as provider:
        yield provider


@pytest.fixture(scope="session")
def shared_proxy(shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One proxy for all tests that need nothing special of it."""
    with run_up(tmp_path_factory.mktemp("data"), *to(shared_provider)) as proxy:
        yield proxy
        assert proxy.stop() == 0
        assert not [line for line in proxy.said if "Traceback" in line], "\n".join(proxy.said)


@pytest.fixture
def provider(shared_provider: FakeProviders) -> FakeProviders:
    shared_provider.requests.clear()
    return shared_provider


@pytest.fixture
def proxy(shared_proxy: Proxy, provider: FakeProviders) -> Proxy:
    return shared_proxy


def to(provider: FakeProviders) -> list[str]:
    """The options that put both big providers at the fake one."""
    return [f"--upstream=openai={provider.url}", f"--upstream=anthropic={provider.url}"]


ProxyFactory = Callable[..., AbstractContextManager[Proxy]]
