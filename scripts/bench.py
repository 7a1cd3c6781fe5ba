"""What heliograph adds: the proxy with and without it, in one run, interleaved. Ratios count, absolute times do not.

./scripts/bench               about 7 minutes, with 50,000 calls for memory
./scripts/bench --quick       about 3 minutes
./scripts/bench --controls    about 1 minute: what each control costs when on, and nothing else
./scripts/bench --answers     about 1 minute: what each form of an answer costs in the settler and on the way, and nothing else
./scripts/bench --many        about 4 minutes: 10,000 idle connections, 2,000 open streams, and more calls than slots; --quick: a tenth
./scripts/bench --peer NAME=COMMAND   other proxies beside us (docs/performance.md), and nothing else
./scripts/bench --lake N      reports over N made-up calls, and nothing else; --lake-dir DIR keeps the calls for the next time;
                              --bucket asks them of a bucket 20 ms away; --report NAME only one, repeatable
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from scripts.running import CHAT, HOME, children, cpu_s, free_port, load, size_of, started, up_command

# The features that a header switches on. Bare mitmdump asks the provider each time.
CONTROLS = {"every call a cache hit": "Helicone-Cache-Enabled: true", "retries on": "Helicone-Retry-Enabled: true"}
# Variants that are compared with the same proxy with everything off: set by a header of each call, or by the config.
LIMIT_HEADERS = {
    "limit by header": "Helicone-RateLimit-Policy: 100000000;w=3600",
    "timeouts by header": "Helicone-Timeout: connect=5;first-byte=30;idle=20;total=120",
}
LIMIT_CONFIGS = {
    "[[limits]]": '[[limits]]\nname = "house"\nquota = 100_000_000\nwindow = "1d"\nunit = "request"\n',
    "[[budgets]]": '[[budgets]]\nname = "team"\nusd = 1_000_000\nperiod = "month"\n',
}
SETTLER = b"addon.settling.process"
USAGE_HEADERS = {"Helicone-Stream-Usage": "Helicone-Stream-Usage: true"}
USAGE_CONFIGS = {"[usage] inject": "[usage]\ninject = true\n"}


@dataclass(frozen=True, slots=True)
class Variant:
    """One proxy under test, running. `path` is what the client asks it for, `header` one more of each call."""

    name: str
    url: str
    path: str
    process: subprocess.Popen[bytes]
    header: str = ""

    def cpu_s(self) -> float:
        return cpu_s(self.process.pid)

    def rss_mb(self) -> float:
        return size_of(self.process.pid).rss_mb

    def settler(self) -> int | None:
        """One of its child processes; another looks up which programs call."""
        return next(
            (pid for pid in children(self.process.pid) if SETTLER in Path(f"/proc/{pid}/cmdline").read_bytes()), None
        )


@contextlib.contextmanager
def variants(provider: str, folder: Path) -> Iterator[list[Variant]]:
    bin_folder = Path(sys.executable).parent
    stock = [str(bin_folder / "mitmdump"), "-q", "--set", f"confdir={folder}/ca"]
    ports = [free_port() for _ in range(4)]
    commands = {
        "bare mitmdump -q": [
            *stock,
            "--mode",
            f"reverse:{provider}",
            "--listen-host",
            "127.0.0.1",
            "-p",
            f"{ports[0]}",
        ],
        "lean master alone": [sys.executable, "-m", "scripts.bench_lean", f"reverse:{provider}", f"{ports[1]}"],
        "heliograph up": up_command(ports[2], folder / "up", provider),
        "mitmdump -s addon": [
            *(*stock, "-s", "addon/main.py", "--listen-host", "127.0.0.1", "-p", f"{ports[3]}"),
            *("--set", f"heliograph_data={folder}/dump", "--set", f"heliograph_upstreams=openai={provider}"),
        ],
    }
    with contextlib.ExitStack() as stack:
        running = []
        for port, (name, command) in zip(ports, commands.items(), strict=True):
            process = stack.enter_context(started(command, port))
            path = CHAT if "reverse:" in " ".join(command) else f"/openai{CHAT}"
            running.append(Variant(name, f"http://127.0.0.1:{port}", path, process))
        time.sleep(5)  # the settlers load their libraries
        yield running


@contextlib.contextmanager
def controlled(
    provider: str, folder: Path, headers: dict[str, str], configs: dict[str, str]
) -> Iterator[list[Variant]]:
    """`heliograph up` with everything off, with each header, and with each config."""
    with contextlib.ExitStack() as stack:
        running = []
        for number, (name, config) in enumerate({"everything off": "", **configs}.items()):
            port, data = free_port(), folder / f"controlled{number}"
            data.mkdir(parents=True)
            (data / "heliograph.toml").write_text(config)
            process = stack.enter_context(started(up_command(port, data, provider), port))
            running.append(Variant(name, f"http://127.0.0.1:{port}", f"/openai{CHAT}", process))
        off, *configured = running
        time.sleep(5)  # the settlers load their libraries
        yield [off, *(replace(off, name=name, header=header) for name, header in headers.items()), *configured]


def rounds(running: list[Variant], count: int, **options: Any) -> dict[str, dict[str, float]]:
    """Medians over `count` rounds, the variants in turn within each."""
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(count + 1):
        for variant in running:
            settler = variant.settler()
            before, settler_before = variant.cpu_s(), cpu_s(settler) if settler else 0.0
            result = load(variant.url, variant.path, **{"header": variant.header, **options})
            result["cpu_ms"] = (variant.cpu_s() - before) * 1000 / options["calls"]
            result["settler_cpu_ms"] = ((cpu_s(settler) if settler else 0.0) - settler_before) * 1000 / options["calls"]
            if number:  # the first round warms up
                for name, value in result.items():
                    seen[variant.name][name].append(value)
    return {name: {figure: median(values) for figure, values in figures.items()} for name, figures in seen.items()}


def print_table(title: str, table: dict[str, dict[str, float]]) -> None:
    base = next(iter(table.values()))
    print(f"\n### {title}\n")
    print(
        "| proxy | CPU/call ms | x CPU | calls/s | x rate | p50 ms | p99 ms | first piece p50 ms | settler CPU/call ms |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, row in table.items():
        print(
            f"| {name} | {row['cpu_ms']:.2f} | {row['cpu_ms'] / base['cpu_ms']:.2f} | {row['rate']:.0f} "
            f"| {row['rate'] / base['rate']:.2f} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} "
            f"| {row['first_p50_ms']:.2f} | {row['settler_cpu_ms']:.2f} |",
            flush=True,
        )


def print_checks(call_cpu_ms: float) -> None:
    """What it costs to decide whether a request may go on, beside all that the proxy does for a call."""
    command = [sys.executable, "-O", "-m", "scripts.bench_checks"]
    found = json.loads(subprocess.run(command, cwd=HOME, check=True, capture_output=True).stdout)
    print("\n### Checks of one request\n\n| check | CPU, microseconds | share of a JSON call |\n| --- | ---: | ---: |")
    for name, us in {**found, "all": sum(found.values())}.items():
        print(f"| {name} | {us:.1f} | {us / call_cpu_ms / 10:.1f} % |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer calls and rounds, no memory run")
    parser.add_argument("--controls", action="store_true", help="measure only the cost of each control")
    parser.add_argument("--answers", action="store_true", help="measure only the forms of answers")
    parser.add_argument("--lake", type=int, metavar="N", help="measure only reports, over N made-up calls")
    parser.add_argument("--bucket", action="store_true", help="with --lake: reports over a bucket 20 ms away")
    parser.add_argument("--report", action="append", default=[], metavar="NAME", help="with --bucket: only this one")
    parser.add_argument("--lake-dir", type=Path, metavar="DIR", help="where these calls are kept, or are already")
    parser.add_argument("--many", action="store_true", help="measure only many callers at once")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="another proxy; {port} and {upstream} are filled in",
    )
    parser.add_argument(
        "--peer-header",
        action="append",
        default=[],
        metavar="NAME=HEADER: VALUE",
        help="sent with each call to that proxy",
    )
    chosen = parser.parse_args()
    count, calls = (2, 1000) if chosen.quick else (3, 2000)
    port = free_port()
    provider = f"http://127.0.0.1:{port}"
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    )
    if chosen.lake and chosen.bucket:
        from scripts.bench_bucket import measure_bucket

        measure_bucket(chosen.lake, chosen.lake_dir, tuple(chosen.report))
        return
    if chosen.lake:
        from scripts.bench_lake import measure_lake  # its libraries must not weigh on what the rest measures

        measure_lake(chosen.lake, chosen.lake_dir)
        return
    if chosen.many:
        from scripts.bench_many import measure_many

        measure_many(chosen.quick)
        return
    if chosen.peer:
        from scripts.bench_peers import measure_peers, peers_of

        try:
            peers = peers_of(chosen.peer, chosen.peer_header)
        except ValueError as error:
            parser.error(str(error))
        measure_peers(peers, count, calls)
        return
    measure_answers(300 if chosen.quick or chosen.answers else 1000)
    if chosen.answers:
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        started([sys.executable, "-m", "addon.demo.providers", "--port", f"{port}"], port),
    ):
        if not chosen.controls:
            measure_proxies(provider, Path(folder), count, calls, chosen.quick)
        measure_controls(provider, Path(folder), count, calls)


def measure_answers(calls: int) -> None:
    """In a process of its own, so that this one stays small."""
    print("\n### Forms of answers, streams of 60 pieces and much the same size\n", flush=True)
    subprocess.run([sys.executable, "-m", "scripts.bench_settler", "--calls", str(calls)], cwd=HOME, check=True)


def measure_controls(provider: str, folder: Path, count: int, calls: int) -> None:
    """The cost of a control that is on: same proxy, same call."""
    with controlled(provider, folder / "limits", LIMIT_HEADERS, LIMIT_CONFIGS) as running:
        print_table("JSON, 16 connections, one control on", rounds(running, count, calls=calls, connections=16))
    with controlled(provider, folder / "usage", USAGE_HEADERS, USAGE_CONFIGS) as running:
        options = {"calls": calls // 5, "connections": 16, "stream": True, "words": 60}
        print_table("Stream of 60 pieces, 16 connections, usage asked for", rounds(running, count, **options))


def measure_proxies(provider: str, folder: Path, count: int, calls: int, quick: bool) -> None:
    """heliograph against mitmproxy without it."""
    with variants(provider, folder) as running:
        print(f"idle memory, MB: {', '.join(f'{variant.name} {variant.rss_mb():.0f}' for variant in running)}")
        table = rounds(running, count, calls=calls, connections=16)
        print_table("JSON, 16 connections", table)
        print_checks(table["heliograph up"]["cpu_ms"])
        print_table(
            "Stream of 60 pieces, 16 connections",
            rounds(running, count, calls=calls // 5, connections=16, stream=True, words=60),
        )
        print_table(
            "Stream of 60 pieces, 10 ms apart, 16 connections",
            rounds(running, count, calls=calls // 20, connections=16, stream=True, words=60, apart=0.01),
        )
        bare, up = running[0], running[2]
        for title, header in CONTROLS.items():
            print_table(
                f"JSON, 16 connections, {title}", rounds([bare, up], count, calls=calls, connections=16, header=header)
            )
        direct = load(provider, CHAT, calls=100, connections=4, rate=10, stream=True, words=60)
        table = rounds(running, 1 if quick else 2, calls=100, connections=4, rate=10, stream=True, words=60)
        print_table("Stream of 60 pieces, 10 calls a second", table)
        print(f"\nwithout a proxy: p50 {direct['p50_ms']:.2f} ms, first piece p50 {direct['first_p50_ms']:.2f} ms")
        if not quick:
            print("\n### Memory of heliograph up\n\n| calls | proxy MB | settler MB |\n| ---: | ---: | ---: |")
            for done in range(0, 50_001, 10_000):
                if done:
                    load(up.url, up.path, calls=10_000, connections=16)
                settler = up.settler()
                print(f"| {done} | {up.rss_mb():.0f} | {size_of(settler).rss_mb if settler else 0:.0f} |", flush=True)


if __name__ == "__main__":
    main()
