"""The proxy under `scripts/fuzz`, the providers behind it, and how a case is sent."""

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

from addon.config import trust
from addon.demo.providers import FakeProviders
from analysis.lake import Lake
from analysis.table import fetch
from scripts.fuzz_cases import REQUEST, TARGETS, Case, framed
from scripts.running import free_port

QUIET_S: Final = 0.15  # a proxy that has said nothing for so long is waiting for more
LONGEST_S: Final = 3.0  # for one case


class RawProvider(threading.Thread):
    """Answers every request with the bytes in `answer`, whatever they are, and hangs up."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.answer = b""
        self._server = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(LONGEST_S)
            head = b""
            while b"\r\n\r\n" not in head:
                if not (piece := connection.recv(65_536)):
                    return
                head += piece
            connection.sendall(self.answer)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):  # else the rest of the request would reset what was answered
                pass

    def close(self) -> None:
        self._server.close()


class Proxy:
    """A heliograph with the providers behind it, each case's and that of the normal calls."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.raw = [RawProvider() for _ in TARGETS]
        self.normal = FakeProviders(keep_requests=False)
        self.said = data / "stderr.txt"

    def __enter__(self) -> Self:
        self.normal.__enter__()
        upstreams = {"openai": self.normal.url} | {
            target.name: raw.url for target, raw in zip(TARGETS, self.raw, strict=True)
        }
        command = [str(Path(sys.executable).parent / "heliograph"), "up", "--data", str(self.data / "data")]
        command += ["--listen", f"127.0.0.1:{self.port}", "--upstream-timeout", "5"]
        command += [f"--upstream={name}={url}" for name, url in upstreams.items()]
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(command, stdout=said, stderr=said, env=kept)
        wait_until(self.answers, 30)
        self.tls = ssl.create_default_context(cafile=str(trust.ca_certificate(self.data / "data")))
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(90)
            except subprocess.TimeoutExpired:
                self.process.kill()
        for raw in self.raw:
            raw.close()
        self.normal.__exit__(None, None, None)

    def answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return bool(self.health()["status"] == "ok")
        return False

    def health(self) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/healthz")
            told: dict[str, Any] = json.load(connection.getresponse())
            return told

    def normal_call(self) -> float:
        """Seconds that a normal call took on a connection of its own. OSError or HTTPException if it failed."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(
                "POST", "/openai/v1/chat/completions", json.dumps(REQUEST), {"authorization": "Bearer k"}
            )
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise http.client.HTTPException(f"a normal call was answered {answer.status}")
        return time.monotonic() - began

    def rss_mb(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def rows(self) -> int:
        sql = "select count(*) as rows from requests where mode != 'async'"
        (row,) = Lake(self.data / "data").ask(lambda connection: fetch(connection, sql)).records()
        return int(row["rows"])

    def send(self, case: Case) -> bytes:
        """What the proxy answered, until it closed or fell silent."""
        self.raw[case.target].answer = case.answer
        with contextlib.suppress(OSError), self._connected(case) as connection:
            for piece in case.pieces:
                connection.sendall(piece)
            return read_until_quiet(connection)
        return b""

    @contextlib.contextmanager
    def _connected(self, case: Case) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=LONGEST_S) as connection:
            if case.way == "plain":
                yield connection
                return
            host = TARGETS[case.target].host
            connection.sendall(framed(b"CONNECT %b:443 HTTP/1.1" % host.encode(), [], b""))
            while not connection.recv(4096).endswith(b"\r\n\r\n"):
                pass
            self.tls.set_alpn_protocols(["h2" if case.way == "h2" else "http/1.1"])
            with self.tls.wrap_socket(connection, server_hostname=host) as secure:
                yield secure


def read_until_quiet(connection: socket.socket) -> bytes:
    connection.settimeout(QUIET_S)
    deadline, answer = time.monotonic() + LONGEST_S, b""
    with contextlib.suppress(OSError):  # silent for QUIET_S, or reset
        while time.monotonic() < deadline and (piece := connection.recv(65_536)):
            answer += piece
    return answer


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
