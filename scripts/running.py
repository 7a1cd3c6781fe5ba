"""Processes that are measured: started on a free port, put under load, their CPU, memory and descriptors. Linux only."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HOME: Final = Path(__file__).resolve().parent.parent
START_S: Final = 120.0  # on a machine that is busy with other work
CHAT: Final = "/v1/chat/completions"
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Below the ports that systems give out: a connection to a port that nobody listens on may otherwise reach itself, and
    any program may be given it meanwhile. A Redis cluster needs the port that is 10,000 higher as well."""
    while True:
        port = random.randrange(10_000, 22_000)
        with (
            contextlib.suppress(OSError),
            contextlib.closing(socket.socket()) as one,
            contextlib.closing(socket.socket()) as higher,
        ):
            one.bind(("127.0.0.1", port))
            higher.bind(("127.0.0.1", port + 10_000))
            return port


def wait_for_more(count: Callable[[], int]) -> None:
    """Until work goes on, e.g. after a process was killed and another one has taken its place."""
    before, deadline = count(), time.monotonic() + START_S
    while count() <= before:
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing was done within {START_S:g} s")
        time.sleep(0.02)


@contextlib.contextmanager
def started(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=HOME, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command} did not start") from None
                time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(180)


def up_command(port: int, data: Path, provider: str) -> list[str]:
    command = [str(Path(sys.executable).parent / "heliograph"), "up", "--listen", f"127.0.0.1:{port}"]
    return [*command, "--data", str(data), "--upstream", f"openai={provider}"]


def load(url: str, path: str, **options: Any) -> dict[str, float]:
    command = [sys.executable, "-m", "scripts.bench_load", "--url", url, "--path", path]
    for name, value in options.items():
        command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    result: dict[str, float] = json.loads(subprocess.run(command, cwd=HOME, check=True, capture_output=True).stdout)
    return result


def children(pid: int) -> list[int]:
    """None where it has just ended."""
    try:
        threads = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return []


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def tree_cpu_s(pid: int) -> float:
    """Of a process and all below it. What children took that have ended meanwhile is missing."""
    try:
        return cpu_s(pid) + sum(map(tree_cpu_s, children(pid)))
    except OSError:
        return 0.0


@dataclass(frozen=True, slots=True)
class Size:
    """Of one process, or of several that do the same together."""

    rss_mb: float = 0.0
    descriptors: int = 0
    threads: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(self.rss_mb + other.rss_mb, self.descriptors + other.descriptors, self.threads + other.threads)


def size_of(pid: int) -> Size:
    """Zeros where the process has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  half as many calls of the system
    except OSError:
        return Size()
    found = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
    return Size(int(found.get("VmRSS", 0)) / 1024, descriptors, int(found.get("Threads", 0)))


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)] if values else 0.0
