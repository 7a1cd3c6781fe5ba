"""Half of saturation for a long time, with every control on: does anything grow, and is every call a row with its exact cost?

    scripts/soak 60                  an hour, at half of the rate that is measured first
    scripts/soak 20 --rate 25        20 minutes, 25 calls a second

The real `heliograph up` on real sockets; only the providers are fake. Calls are JSON and streams over HTTP/1.1 and HTTP/2, with
cache, limits, budgets, retries, fallbacks and redaction; callers leave in the middle; the provider resets, stalls, cuts streams, answers 429 and 500; now
and then SIGKILL hits the settler, the process of the endpoints or a worker (`--up=--workers=2`). A line of the table a minute, then
a verdict: exit 0 if it is good, else 1. Linux only.
"""

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from addon.config import trust
from addon.settling.process import settle_leftovers, unsettled_segments
from addon.storage.folders import Folders
from analysis.lake import Lake
from analysis.table import fetch
from scripts.count_table import count_table
from scripts.running import Size, children, free_port, load, percentile, size_of, started
from scripts.soak_calls import CONFIG
from scripts.soak_http2 import trusting
from scripts.soak_load import Callers, Seen
from scripts.soak_rows import Counted, count, wrong_rows

ROLES: Final[Mapping[bytes, str]] = {
    b"addon.workers.process": "workers",
    b"addon.settling.process": "settler",
    b"analysis.serving": "endpoints",
    b"addon.callers.process": "callers",
}
WORKERS: Final = "workers"  # of `--up=--workers=N`
KILLED: Final = ("settler", "endpoints", WORKERS)
OTHER: Final = "other"  # any other child of the proxy
# What may differ between the first and the last part of a run without anything leaking.
ROOM_MB, ROOM_SHARE, ROOM_COUNT, MOST_FILES = 12.0, 0.1, 40, 600


@dataclass(slots=True)
class Minute:
    """One line of the table."""

    minute: int
    calls: int
    sizes: dict[str, Size]
    tasks: int  # asyncio's, of the proxy; -1: not known
    connections: int
    files: int
    p50_ms: float
    p99_ms: float

    def cells(self) -> list[str]:
        rss = [f"{self.sizes.get(role, Size()).rss_mb:.0f}" for role in ("proxy", WORKERS, "settler", "endpoints")]
        serving = self.sizes.get("proxy", Size()) + self.sizes.get(WORKERS, Size())
        counts = [serving.descriptors, self.connections, self.tasks, serving.threads, self.files]
        return [
            f"{self.minute}",
            f"{self.calls:,}",
            *rss,
            *map(str, counts),
            f"{self.p50_ms:.0f} / {self.p99_ms:.0f}",
        ]


HEADINGS: Final = [
    *("minute", "calls", "proxy MB", "workers MB", "settler MB", "endpoints MB", "descriptors", "connections", "tasks"),
    *("threads", "files", "plain JSON p50 / p99 ms"),
]


def processes(proxy: int) -> list[tuple[str, int]]:
    """The proxy and all processes below it, by what they do."""
    found, waiting = [("proxy", proxy)], [proxy]
    while waiting:
        for child in children(waiting.pop()):
            waiting.append(child)
            command = _command(child)
            found.append((next((name for part, name in ROLES.items() if part in command), OTHER), child))
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def sizes(proxy: int) -> dict[str, Size]:
    found: dict[str, Size] = {}
    for role, pid in processes(proxy):
        found[role] = found.get(role, Size()) + size_of(pid)
    return found


def metrics(port: int) -> dict[str, float]:
    """The proxy's own gauges; none while the process of the endpoints starts again."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        text = opener.open(f"http://127.0.0.1:{port}/metrics", timeout=30).read().decode()
    except OSError:
        return {}
    return {name: float(value) for name, value in re.findall(r"^(\w+) ([\d.e+]+)$", text, re.MULTILINE)}


def calls_at_end(port: int) -> dict[str, int]:
    """The proxy's own counts, once no call is under way; it gets a minute for that."""
    deadline = time.monotonic() + 60
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        calls: dict[str, int] = json.load(opener.open(f"http://127.0.0.1:{port}/healthz", timeout=30))["calls"]
        if not calls["under_way"] or time.monotonic() > deadline:
            return calls
        time.sleep(0.2)


def files_in(data: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(data))


@dataclass(slots=True)
class Run:
    """What a run is about, and what it has seen."""

    data: Path
    port: int
    proxy: int  # pid
    minutes: float
    kills_every_s: float
    kills: Counter[str] = field(default_factory=Counter)
    at_end: Mapping[str, int] = field(
        default_factory=dict
    )  # the proxy's own counts of calls, once all callers are gone
    lines: list[Minute] = field(default_factory=list)

    async def watch(self, seen: Seen, until: float) -> None:
        """A line a minute."""
        print(f"| {' | '.join(HEADINGS)} |\n|{' ---: |' * len(HEADINGS)}", flush=True)
        began = time.monotonic()
        for minute in range(1, 10_000):
            if (at := began + minute * 60) > until + 1:
                return
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            told = await asyncio.to_thread(metrics, self.port)
            latencies, seen.latencies_ms = seen.latencies_ms, []
            line = Minute(
                minute=minute,
                calls=seen.sent,
                sizes=sizes(self.proxy),
                tasks=int(told.get("heliograph_tasks", -1)),
                connections=int(told.get("heliograph_connections", -1)),
                files=files_in(self.data),
                p50_ms=percentile(latencies, 0.5),
                p99_ms=percentile(latencies, 0.99),
            )
            self.lines.append(line)
            print(f"| {' | '.join(line.cells())} |", flush=True)

    async def kill(self, until: float) -> None:
        """SIGKILL now and then, for the settler, the process of the endpoints, and a worker where there are more than one."""
        while (now := time.monotonic()) < until:
            await asyncio.sleep(min(self.kills_every_s, until - now))
            found = [(role, pid) for role, pid in processes(self.proxy) if role in KILLED]
            if found and time.monotonic() < until:
                role, pid = random.choice(found)
                self.kills[role] += 1
                with_signal(pid)


def with_signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself


async def soak(run: Run, callers: Callers) -> None:
    until = time.monotonic() + run.minutes * 60
    await asyncio.gather(callers.run(until), run.watch(callers.seen, until), run.kill(until))


# The verdict.


def grown(lines: list[Minute]) -> list[str]:
    """What is larger in the last third than in the second one; the first warms up."""
    third = len(lines) // 3
    if third < 2:
        return []
    before, after = lines[third : 2 * third], lines[-third:]
    problems = []
    for role in ("proxy", WORKERS, "settler", "endpoints", OTHER):
        was, now = (_usual_mb(role, part) for part in (before, after))
        if now > was * (1 + ROOM_SHARE) + ROOM_MB:
            problems.append(f"memory of {role}: {was:.0f} MB, then {now:.0f} MB")
    for name in ("descriptors", "threads"):
        was, now = (median(getattr(_all(line), name) for line in part) for part in (before, after))
        if now > was + ROOM_COUNT:
            problems.append(f"{name}: {was:.0f}, then {now:.0f}")
    for name in ("tasks", "connections"):
        was, now = (median(getattr(line, name) for line in part) for part in (before, after))
        if now > was + ROOM_COUNT:
            problems.append(f"{name}: {was:.0f}, then {now:.0f}")
    if (files := lines[-1].files) > MOST_FILES:
        problems.append(f"{files} files in the data folder")
    return problems


def _usual_mb(role: str, lines: list[Minute]) -> float:
    """Not the highest: a settler that merges files takes more for a moment. 0 where the process had been killed each time."""
    return median([mb for line in lines if (mb := line.sizes.get(role, Size()).rss_mb)] or [0.0])


def _all(line: Minute) -> Size:
    return sum(line.sizes.values(), Size())


def verdict(run: Run, seen: Seen, counted: Counted) -> list[str]:
    """What is wrong; nothing, if all is well."""
    problems = grown(run.lines)
    missing = counted.missing
    if not run.kills[WORKERS]:  # a killed worker may not have read yet what a caller sent
        missing = missing + counted.missing_unanswered
    if missing:
        problems.append(f"{len(missing)} calls without a row, e.g. {', '.join(missing[:3])}")
    problems += wrong_rows(counted, seen)
    if run.at_end["under_way"]:
        problems.append(f"{run.at_end['under_way']} calls still under way, a minute after the last caller had gone")
    if run.at_end["seen"] != counted.rows and not run.kills[WORKERS]:
        problems.append(f"{run.at_end['seen']} calls seen by the proxy, {counted.rows} rows")
    problems += [
        f"{times} calls: {what}"
        for what, times in seen.statuses.items()
        if what in ("no answer in time", "no connection")
    ]
    return problems


def summary(run: Run, seen: Seen, counted: Counted) -> str:
    outcomes = ", ".join(f"{what} {times:,}" for what, times in seen.statuses.most_common())
    kills = ", ".join(f"{role} {times}" for role, times in sorted(run.kills.items())) or "none"
    lines = {
        "calls (of them over HTTP/2)": f"{seen.sent:,} ({seen.over_http2:,})",
        "outcomes, as the callers saw them": outcomes,
        "kills": kills,
        "calls under way at the end": f"{run.at_end['under_way']}",
        "calls that the proxy saw, rows": f"{run.at_end['seen']:,}, {counted.rows:,}",
        "calls with an answer but without a row, rows doubled": f"{len(counted.missing)}, {counted.doubled}",
        "calls without an answer and without a row": f"{len(counted.missing_unanswered)}",
        "calls whose callers left before the proxy had read them": f"{counted.unread}",
        "cost of whole answers, nano-dollars: expected": f"{counted.expected_nanousd:,}",
        "cost of whole answers, nano-dollars: rows": f"{counted.found_nanousd:,}",
    }
    return count_table(lines)


def settle_all(data: Path) -> None:
    """What a killed settler left, as `heliograph report` would."""
    deadline = time.monotonic() + 120
    while unsettled_segments(Folders(data)) and time.monotonic() < deadline:
        settle_leftovers(data)
        time.sleep(0.05)


def half_of_saturation(port: int) -> float:
    return load(f"http://127.0.0.1:{port}", "/openai/v1/chat/completions", calls=2000, connections=16)["rate"] / 2


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("minutes", type=float)
    parser.add_argument("--rate", type=float, help="calls a second; default: half of what is measured first")
    parser.add_argument("--kills-every", type=float, default=45.0, metavar="S", help="seconds between kills")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    parser.add_argument("--up", nargs="*", default=[], metavar="OPTION", help="more options of `heliograph up`")
    options = parser.parse_args()
    data = Path(tempfile.mkdtemp(prefix="heliograph-soak-"))
    (data / "heliograph.toml").write_text(CONFIG)
    port, provider_port = free_port(), free_port()
    provider = f"http://127.0.0.1:{provider_port}"
    upstreams = [f"--upstream={name}={provider}" for name in ("openai", "anthropic", "groq")]
    up = [str(Path(sys.executable).parent / "heliograph"), "up", f"--listen=127.0.0.1:{port}", f"--data={data}"]
    with (
        started([sys.executable, "-m", "addon.demo.providers", f"--port={provider_port}"], provider_port),
        started([*up, *upstreams, *options.up], port) as proxy,
    ):
        first: set[str] = set()
        rate = options.rate
        if rate is None:
            rate = half_of_saturation(port)
            first = settled_ids(data, wanted=2000)
        print(f"{rate:.0f} calls a second, seed {options.seed}, data in {data}\n", flush=True)
        run = Run(data, port, proxy.pid, options.minutes, options.kills_every)
        callers = Callers(port, rate, options.seed, trusting(trust.ca_certificate(data)))
        asyncio.run(soak(run, callers))
        run.at_end = calls_at_end(port)
    settle_all(data)
    counted = count(data, callers.seen, first)
    print(f"\n{summary(run, callers.seen, counted)}")
    problems = verdict(run, callers.seen, counted)
    print("\nverdict: " + ("good" if not problems else "\n".join(["not good", *problems])))
    if not problems:
        shutil.rmtree(data)
    return 1 if problems else 0


def settled_ids(data: Path, wanted: int) -> set[str]:
    """Of the calls that measured the rate."""
    ids: set[str] = set()
    deadline = time.monotonic() + 60
    while len(ids) < wanted and time.monotonic() < deadline:
        time.sleep(1)
        rows = Lake(data).ask(lambda connection: fetch(connection, "select request_id from requests")).records()
        ids = {str(row["request_id"]) for row in rows}
    return ids


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"scripts/soak: {error}")
