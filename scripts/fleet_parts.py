"""The parts of the fleet that `scripts/fleet` starts, kills and pauses: proxies, Redis, and a store that speaks S3."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scripts.running import HOME, free_port
from scripts.soak import processes

HELIOGRAPH: Final = str(Path(sys.executable).parent / "heliograph")
BUCKET: Final = "fleet"
LAKE: Final = f"s3://{BUCKET}/team"
SETTINGS: Final = f"s3://{BUCKET}/settings/heliograph.toml"
START_S: Final = 180.0  # on a machine that is busy with other work


@dataclass(slots=True)
class Part:
    """One process and all below it."""

    name: str
    command: list[str]
    answers: Callable[[], bool]  # it does its work
    environ: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=HOME, env=self.environ, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start; see {self.log}")
            time.sleep(0.05)

    def kill(self, *, whole: bool) -> None:
        """SIGKILL; `whole`: for all processes below it, too, as when a machine dies."""
        self._signal(signal.SIGKILL, whole=whole)
        assert self.process
        self.process.wait()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP, whole=True)

    def resume(self) -> None:
        self._signal(signal.SIGCONT, whole=True)

    def stop(self) -> None:
        """In order."""
        if self.process and self.process.poll() is None:
            self._signal(signal.SIGCONT, whole=True)
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(START_S)

    def _signal(self, number: int, *, whole: bool) -> None:
        assert self.process
        found = [pid for _, pid in processes(self.process.pid)] if whole else [self.process.pid]
        for pid in found:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue  # it ended by itself


@dataclass(slots=True)
class Fleet:
    """Everything that runs. `front` of the store stands for its end point: moto keeps its objects in memory."""

    folder: Path
    proxies: list[Part]
    redis: Part
    store: Part
    front: Part
    balancer: Part
    port: int  # of the balancer
    environ: Mapping[str, str]

    def all(self) -> list[Part]:
        return [*self.proxies, self.redis, self.store, self.front, self.balancer]

    def data(self) -> list[Path]:
        return [self.folder / part.name for part in self.proxies]


def made(folder: Path, count: int) -> Fleet:
    """A fleet that is not started. Ports are chosen once: a part that was killed comes back where it was."""
    redis_port, store_port, front_port, balancer_port = (free_port() for _ in range(4))
    ports = [free_port() for _ in range(count)]
    environ = {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{front_port}",
        "HELIOGRAPH_CONFIG": SETTINGS,
        "HELIOGRAPH_REDACT_KEY": "of the whole fleet",
        "FLEET_REDIS": f"redis://127.0.0.1:{redis_port}/0",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }

    def part(name: str, port: int, *command: str) -> Part:
        path = "/healthz" if name.startswith("proxy") else None
        return Part(name, list(command), lambda: _answers(port, path), environ, folder / f"{name}.log")

    redis = ("redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    relay = (sys.executable, "-m", "scripts.tcp_relay")
    moto = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(store_port))
    return Fleet(
        folder=folder,
        proxies=[
            part(
                f"proxy {number}",
                port,
                *(HELIOGRAPH, "up", f"--listen=127.0.0.1:{port}", f"--data={folder / f'proxy {number}'}"),
            )
            for number, port in enumerate(ports, 1)
        ],
        redis=part("Redis", redis_port, *redis),
        store=part("S3", store_port, *moto),
        front=part("end point of S3", front_port, *relay, str(front_port), str(store_port)),
        balancer=part("balancer", balancer_port, *relay, str(balancer_port), *map(str, ports)),
        port=balancer_port,
        environ=environ,
    )


def _answers(port: int, path: str | None) -> bool:
    """It accepts a connection, and with `path` says 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.connect()
        if path:
            connection.request("GET", path)
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
