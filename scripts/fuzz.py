"""Sends odd bytes to a running proxy for some minutes, with providers behind it that answer odd bytes.

    scripts/fuzz 10                 ten minutes, a random seed (printed)
    scripts/fuzz 10 --seed 7        the same cases again
    scripts/fuzz --replay FILE      sends the cases of a find again, one after the other, and checks after each

After each batch the proxy must still answer normal calls (p50 within 100 ms), must not have grown beyond a bound, must
have said no traceback, and must have as many rows as calls seen. Every find becomes a file in a folder outside the
repository. Exit 1 when something was found. Slow calls are a find when the same batch makes them slow a second time: on
a machine with other work, any call is slow now and then.
"""

import argparse
import http.client
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from scripts.count_table import count_table
from scripts.fuzz_cases import KINDS, TARGETS, Case
from scripts.fuzz_proxy import Proxy, wait_until

BATCH: Final = 60  # cases of one kind between two checks
ANSWERS_WITHIN_S: Final = 0.1  # p50 of a few normal calls
STALL_S: Final = 1.0  # of any single one
GROWTH_MB: Final = 200.0
SETTLED_WITHIN_S: Final = 60.0
SLOW: Final = "normal calls took"


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
    slow_once: int = 0  # batches after which normal calls were slow, but not when they were sent again

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
            "batches with slow calls after them, but not when sent again": f"{self.slow_once}",
            "finds": f"{len(self.finds)}",
        }
        return count_table(lines)


class Check:
    """The checks after a batch. `wrong` names the one that failed, or is None."""

    def __init__(self, proxy: Proxy, tally: Tally) -> None:
        self.proxy, self.tally = proxy, tally
        self._said_bytes = 0
        self._missing_rows = 0
        self._rss_bound_mb = 0.0

    def wrong(self) -> str | None:
        if self.proxy.process.poll() is not None:
            return f"the proxy ended with status {self.proxy.process.returncode}"
        return self._traceback() or self._grown() or self._rows() or self.slow()

    def slow(self) -> str | None:
        try:
            took = [self.proxy.normal_call() for _ in range(5)]
        except (OSError, http.client.HTTPException) as error:
            return f"a normal call failed: {error!r}"
        self.tally.calls_s += took
        if max(took) > STALL_S or statistics.median(took) > ANSWERS_WITHIN_S:
            return f"{SLOW} {', '.join(f'{seconds * 1000:.0f}' for seconds in took)} ms"
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


def narrowed(check: Check, proxy: Proxy, cases: list[Case]) -> list[Case]:
    """The first case that causes the failure alone and again, where there is one; else all cases."""

    def does_it(case: Case) -> bool:
        proxy.send(case)
        return check.wrong() is not None

    return next(([case] for case in cases if does_it(case) and does_it(case)), cases)


def is_chance(check: Check, proxy: Proxy, cases: list[Case], tally: Tally) -> bool:
    """Whether normal calls are fast after the same batch, sent again."""
    send_all(proxy, cases, tally)
    chance = proxy.process.poll() is None and check.slow() is None
    tally.slow_once += chance
    return chance


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
                if proxy.process.poll() is not None:
                    keep(tally, wrong, cases)
                    break
                if not (wrong.startswith(SLOW) and is_chance(check, proxy, cases, tally)):
                    keep(tally, wrong, narrowed(check, proxy, cases))
            number += 1
            tally.seconds = time.monotonic() - began
            if sys.stderr.isatty():
                print(f"\r{tally.seconds:.0f} s, {tally.cases.total():,} cases", end="", file=sys.stderr)


def replay(data: Path, file: Path) -> bool:
    """Whether the checks pass after each case of a find."""
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
