"""What each report asks of a lake in a bucket 20 ms away, with an empty cache and again: the whole process.

./scripts/bench --lake 10000000 --lake-dir DIR --bucket     ships a copy of the calls in DIR to moto's S3 server, one minute

Requests, bytes and waiting are counted in a relay before the server (far_store.py), and do not depend on what else runs here.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from analysis.reports.report import REPORTS
from scripts.bench_lake import SINCE, Taken, lake_folder, make_calls, shortest_process
from tests.buckets import CREDENTIALS, make_bucket, s3_server

DELAY_MS: Final = 20
GOAL_S: Final = 3.0  # again, whole process
_RUNS: Final = 2


@dataclass(frozen=True, slots=True)
class Asked:
    taken: Taken
    requests: int
    bytes_read: int
    waited_s: float


def measure_bucket(calls: int, kept: Path | None, names: tuple[str, ...]) -> None:
    """Prints a row for each report. `names`: only these, empty: all."""
    os.nice(10)  # the processes that it starts, too
    with lake_folder(kept) as made, tempfile.TemporaryDirectory(prefix="heliograph-bench-") as folder:
        make_calls(made, calls)
        with s3_server() as server, _far(server) as relay:
            url = make_bucket(server, "bench")
            _ship(made, Path(folder) / "data", url, server)
            print(f"\n{DELAY_MS} ms away; s: whole process, waited: while a request was under way\n")
            print(
                "| report | first s | CPU s | requests | MB | waited s | again s | CPU s | requests | MB | waited s |"
            )
            print(f"| --- |{' ---: |' * 10}", flush=True)
            for name in names or REPORTS:
                cache = Path(folder) / "cache"
                first = _asked(name, url, relay, cache, 1)
                again = _asked(name, url, relay, cache, _RUNS)
                print(f"| {name} | {_cells(first)} | {_cells(again)} |", flush=True)
                shutil.rmtree(cache)


def _ship(made: Path, data: Path, url: str, server: str) -> None:
    """A copy, as shipping makes a note in the folder. Links are enough: files of the lake never change."""
    shutil.copytree(made, data, copy_function=os.link)
    (data / "heliograph.toml").write_text(f'lake = "{url}"\n')
    taken = shortest_process(1, "ship", "--data", data, environment=CREDENTIALS | {"AWS_ENDPOINT_URL": server})
    print(f"shipped in {taken.clock_s:.1f} s, {taken.cpu_s:.1f} s of CPU")


class _Far:
    """The running relay. `url`: where it is."""

    def __init__(self, process: subprocess.Popen[str], output: IO[str]) -> None:
        self._process, self._output = process, output
        self.url = output.readline().strip()

    def counts(self) -> Mapping[str, Any]:
        """Since the last time."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        counts: Mapping[str, Any] = json.loads(self._output.readline())
        return counts


@contextlib.contextmanager
def _far(server: str) -> Iterator[_Far]:
    command = [sys.executable, "-m", "scripts.far_store", server.rpartition(":")[2], str(DELAY_MS)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield _Far(process, process.stdout)
    finally:
        process.kill()
        process.wait()


def _asked(name: str, url: str, relay: _Far, cache: Path, runs: int) -> Asked:
    relay.counts()
    environment = CREDENTIALS | {"AWS_ENDPOINT_URL": relay.url, "XDG_CACHE_HOME": str(cache)}
    arguments = ("report", name, "--since", SINCE, "--tz", "UTC", "--data", url)
    taken = shortest_process(runs, *arguments, environment=environment)
    counts = relay.counts()
    return Asked(taken, counts["requests"] // runs, counts["bytes_read"] // runs, counts["waited_s"] / runs)


def _cells(asked: Asked) -> str:
    taken = asked.taken
    return f"{taken.clock_s:.2f} | {taken.cpu_s:.2f} | {asked.requests:,} | {asked.bytes_read / 1e6:,.1f} | {asked.waited_s:.2f}"
