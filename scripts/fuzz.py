"""Sends odd bytes to a running proxy for some minutes, with providers behind it that answer odd bytes.

    scripts/fuzz 10                 ten minutes, a random seed (printed)
    scripts/fuzz 10 --seed 7        the same cases again
    scripts/fuzz --replay FILE      sends the cases of a find again, one after the other, and checks after each

After each batch the proxy must still answer normal calls (p50 within 100 ms), must not have grown beyond a bound, must
have said no traceback, and must have as many rows as calls seen. Every find becomes a file in a folder outside the
repository. Exit 1 when something was found.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from hypothesis import HealthCheck, Phase, given, seed, settings

from addon.config import trust
from addon.demo.providers import FakeProviders
from analysis.lake import Lake
from analysis.table import fetch
from scripts.bench import free_port
from scripts.fuzz_cases import KINDS, REQUEST, TARGETS, Case, framed

BATCH: Final = 60  # cases of one kind between two checks
QUIET_S: Final = 0.15  # a proxy that has said nothing for so long is waiting for more
LONGEST_S: Final = 3.0  # for one case
ANSWERS_WITHIN_S: Final = 0.1  # p50 of a few normal calls
STALL_S: Final = 1.0  # of any single one
GROWTH_MB: Final = 200.0
SETTLED_WITHIN_S: Final = 60.0


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


@dataclass(slots=True)
class Tally:
    """What one run did and found."""

    seed: int
    folder: Path
    seconds: float = 0.0
    cases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    calls_s: list[float] = field(default_factory=list)
    rows: int = 0
    rss_mb: tuple[float, float] = (0.0, 0.0)
    finds: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.cases.items()))
        statuses = ", ".join(f"{status} x {count:,}" for status, count in self.statuses.most_common(8))
        calls = [seconds * 1000 for seconds in self.calls_s] or [0.0]
        lines = {
            "seed": f"{self.seed}",
            "minutes": f"{self.seconds / 60:.1f}",
            "cases": f"{self.cases.total():,} ({kinds})",
            "answers": statuses,
            "normal calls between them, p50 / slowest": f"{statistics.median(calls):.0f} / {max(calls):.0f} ms",
            "memory of the proxy, after the first batch / at the end": "{:.0f} / {:.0f} MB".format(*self.rss_mb),
            "rows, each one call seen": f"{self.rows:,}",
            "finds": f"{len(self.finds)}",
        }
        return "\n".join(
            ["| what | count |", "| --- | --- |", *(f"| {what} | {said} |" for what, said in lines.items())]
        )


class Check:
    """What must hold after a batch. `wrong` says what does not, or None."""

    def __init__(self, proxy: Proxy, tally: Tally) -> None:
        self.proxy, self.tally = proxy, tally
        self._said_bytes = 0
        self._missing_rows = 0
        self._rss_bound_mb = 0.0

    def wrong(self) -> str | None:
        if self.proxy.process.poll() is not None:
            return f"the proxy ended with status {self.proxy.process.returncode}"
        return self._slow() or self._traceback() or self._grown() or self._rows()

    def _slow(self) -> str | None:
        try:
            took = [self.proxy.normal_call() for _ in range(5)]
        except (OSError, http.client.HTTPException) as error:
            return f"a normal call failed: {error!r}"
        self.tally.calls_s += took
        if max(took) > STALL_S or statistics.median(took) > ANSWERS_WITHIN_S:
            return f"normal calls took {', '.join(f'{seconds * 1000:.0f}' for seconds in took)} ms"
        return None

    def _traceback(self) -> str | None:
        with self.proxy.said.open("rb") as said:
            said.seek(self._said_bytes)
            fresh = said.read()
        self._said_bytes += len(fresh)
        return f"the proxy said:\n{fresh.decode(errors='replace')[-3000:]}" if b"Traceback" in fresh else None

    def _grown(self) -> str | None:
        rss = self.proxy.rss_mb()
        if not self._rss_bound_mb:
            self._rss_bound_mb = rss + GROWTH_MB
            self.tally.rss_mb = (rss, rss)
        self.tally.rss_mb = (self.tally.rss_mb[0], rss)
        if rss <= self._rss_bound_mb:
            return None
        self._rss_bound_mb = rss + GROWTH_MB
        return f"the proxy has grown to {rss:.0f} MB"

    def _rows(self) -> str | None:
        def settled() -> bool:
            self.calls = self.proxy.health()["calls"]
            self.tally.rows = self.proxy.rows() if self.calls["under_way"] == 0 else -1
            return bool(self.tally.rows + self._missing_rows == self.calls["seen"])

        if wait_until(settled, SETTLED_WITHIN_S):
            return None
        self._missing_rows = self.calls["seen"] - self.tally.rows if self.tally.rows >= 0 else self._missing_rows
        return f"calls {self.calls}, but {self.tally.rows} rows"


def batch_of(kind: str, size: int, number: int) -> list[Case]:
    """Cases by hypothesis, the same ones for the same number."""
    cases: list[Case] = []

    @seed(number)
    @settings(
        max_examples=size,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(KINDS[kind])
    def gather(case: Case) -> None:
        cases.append(case)

    gather()
    return cases


def send_all(proxy: Proxy, cases: list[Case], tally: Tally) -> None:
    """Cases of different targets side by side: each target has a provider of its own."""
    with ThreadPoolExecutor(len(TARGETS)) as pool:
        for answered in pool.map(
            lambda target: [proxy.send(case) for case in cases if case.target == target], range(len(TARGETS))
        ):
            tally.statuses.update(status_of(answer) for answer in answered)


def status_of(answer: bytes) -> str:
    if not answer:
        return "closed or silent"
    return answer.split(b" ", 2)[1][:3].decode("latin-1") if answer.startswith(b"HTTP/1") else "HTTP/2"


def keep(tally: Tally, what: str, cases: list[Case]) -> None:
    tally.finds.append(what)
    file = tally.folder / f"find-{len(tally.finds)}.json"
    file.write_text(json.dumps({"found": what, "seed": tally.seed, "cases": [case.to_json() for case in cases]}))
    print(f"FOUND: {what}\n  scripts/fuzz --replay {file}", file=sys.stderr)


def narrowed(check: Check, proxy: Proxy, cases: list[Case], tally: Tally) -> list[Case]:
    """The first case that does it alone, where there is one; else all."""
    for case in cases:
        proxy.send(case)
        if check.wrong():
            return [case]
    return cases


def search(data: Path, seconds: float, tally: Tally) -> None:
    began, number = time.monotonic(), 0
    with Proxy(data) as proxy:
        check = Check(proxy, tally)
        while tally.seconds < seconds:
            kind = list(KINDS)[number % len(KINDS)]
            cases = batch_of(kind, BATCH, tally.seed + number)
            send_all(proxy, cases, tally)
            tally.cases[kind] += len(cases)
            if wrong := check.wrong():
                still = proxy.process.poll() is None
                keep(tally, wrong, narrowed(check, proxy, cases, tally) if still else cases)
                if not still:
                    break
            number += 1
            tally.seconds = time.monotonic() - began
            if sys.stderr.isatty():
                print(f"\r{tally.seconds:.0f} s, {tally.cases.total():,} cases", end="", file=sys.stderr)


def replay(data: Path, file: Path) -> bool:
    """Whether all is well after each case of a find."""
    told = json.loads(file.read_bytes())
    tally = Tally(told["seed"], data)
    print(f"found then: {told['found']}")
    good = True
    with Proxy(data) as proxy:
        check = Check(proxy, tally)
        for case in map(Case.from_json, told["cases"]):
            print(f"{case.kind} by {case.way}: {b''.join(case.pieces)[:200]!r} -> {proxy.send(case)[:200]!r}")
            wrong = check.wrong()
            good = good and wrong is None
            print(wrong or "all is well")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", nargs="?", type=float, default=1.0)
    parser.add_argument("--seed", type=int, help="a number that an earlier run printed")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="a find of an earlier run")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="heliograph-fuzz-"))
    if chosen.replay:
        return 0 if replay(folder, chosen.replay) else 1
    tally = Tally(random.randrange(10**9) if chosen.seed is None else chosen.seed, folder)
    print(f"fuzz: seed {tally.seed}; finds go to {folder}", file=sys.stderr)
    search(folder, chosen.minutes * 60, tally)
    print(tally)
    return 1 if tally.finds else 0


if __name__ == "__main__":
    sys.exit(main())
