"""Debian's redis-server for tests: real ones on loopback, without files. Tests that need one are skipped where it is missing."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import redis

from scripts.running import free_port

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed: apt-get install redis-server"
)


class RedisServer:
    """One process. `url` is for database 0."""

    def __init__(self, port: int, folder: Path, *options: str, password: str = "", tls: bool = False) -> None:
        self.port, self.folder, self.options = port, folder, options
        user = f":{password}@" if password else ""
        self.url = f"{'rediss' if tls else 'redis'}://{user}127.0.0.1:{port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self._tls = tls

    def start(self) -> None:
        ports = ("--port", "0", "--tls-port", str(self.port)) if self._tls else ("--port", str(self.port))
        command = ["redis-server", *ports, "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self._process = subprocess.Popen([*command, *self.options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break  # the port was taken meanwhile
            with suppress(OSError), closing(socket.create_connection(("127.0.0.1", self.port), 1)):
                return
            time.sleep(0.01)
        raise TimeoutError(f"redis-server does not listen on port {self.port}")

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def pause(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)


def started(make: Callable[[], RedisServer]) -> RedisServer:
    """On another port where somebody was faster."""
    for _ in range(5):
        with suppress(TimeoutError):
            server = make()
            server.start()
            return server
    raise TimeoutError("redis-server does not start")


@contextmanager
def running(folder: Path, *options: str, password: str = "", tls: bool = False) -> Iterator[RedisServer]:
    server = started(lambda: RedisServer(free_port(), folder, *options, password=password, tls=tls))
    try:
        yield server
    finally:
        server.stop()
