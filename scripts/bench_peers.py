"""Other proxies measured beside us, in the same run, with the same load and provider: `scripts/bench --peer NAME=COMMAND`.

What to write for LiteLLM, Portkey and bare mitmdump is in docs/performance.md, "Beside other proxies". Each is started where it
is installed, with `{port}` and `{upstream}` filled in, for each of three providers in turn: one that answers JSON, one that
streams 60 pieces at once, one that streams them 10 ms apart. CPU is of all processes of a proxy together.
"""

import contextlib
import shlex
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from scripts.running import CHAT, free_port, load, started, tree_cpu_s, up_command

OURS: Final = "heliograph"
DIRECT: Final = "without a proxy"
_WARM_UP_S: Final = 5.0  # a settler or a worker loads its libraries
type Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Peer:
    """A proxy that is not ours. The command's and the headers' `{port}` and `{upstream}` are filled in."""

    name: str
    command: str
    headers: tuple[str, ...] = ()

    def started_as(self, port: int, upstream: str) -> list[str]:
        return [filled(part, port, upstream) for part in shlex.split(self.command)]


@dataclass(frozen=True, slots=True)
class Measured:
    """A running proxy, or the provider itself."""

    name: str
    url: str
    path: str
    pid: int
    header: str = ""  # lines, separated by line ends


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. `added`: the latencies are told as what the proxy adds to the provider's own."""

    title: str
    share: float  # of the calls of a round
    options: Mapping[str, Any] = field(default_factory=dict)
    added: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Lines that share a provider; `usual` is how it answers (addon/demo/behaviour.py)."""

    usual: str
    rows: tuple[Row, ...]


PARTS: Final = (
    Part(
        "words=250",
        (
            Row("JSON, 1 connection", 0.25, {"connections": 1}),
            Row("JSON, 16 connections", 1, {"connections": 16}),
            Row("JSON, 64 connections", 1, {"connections": 64}),
            Row("JSON, a new connection each, 16 at a time", 0.5, {"connections": 16, "fresh": True}),
            Row("JSON at 50 calls/s", 0.25, {"connections": 16, "rate": 50}, ("p50_ms", "p99_ms")),
        ),
    ),
    Part("words=60", (Row("stream of 60 pieces, 16 connections", 0.3, {"connections": 16, "stream": True}),)),
    Part(
        "words=60;chunk-delay=0.01",
        (
            Row(
                "stream of 60 pieces 10 ms apart, 16 at a time",
                0.05,
                {"connections": 16, "stream": True},
                ("first_p50_ms",),
            ),
        ),
    ),
)


def filled(text: str, port: int, upstream: str) -> str:
    return text.replace("{port}", str(port)).replace("{upstream}", upstream)


def peers_of(commands: Sequence[str], headers: Sequence[str]) -> list[Peer]:
    """From `NAME=COMMAND` and `NAME=HEADER: VALUE`. Raises ValueError that says what is allowed."""
    lines: dict[str, list[str]] = {}
    for text in commands:
        name, equals, command = text.partition("=")
        if not (name and equals and "{port}" in command):
            raise ValueError(
                f"--peer {text!r}: write NAME=COMMAND, with {{port}} in it, and {{upstream}} for the provider's URL"
            )
        lines[name] = []
    for text in headers:
        name, equals, header = text.partition("=")
        if not equals or ":" not in header or name not in lines:
            raise ValueError(f"--peer-header {text!r}: write NAME=HEADER: VALUE, with the NAME of a --peer")
        lines[name].append(header)
    commands_of = dict(text.split("=", 1) for text in commands)
    return [Peer(name, commands_of[name], tuple(found)) for name, found in lines.items()]


@contextlib.contextmanager
def running(peers: Sequence[Peer], upstream: str, folder: Path) -> Iterator[list[Measured]]:
    """Us first, then the peers, each on a port of its own."""
    with contextlib.ExitStack() as stack:
        port = free_port()
        process = stack.enter_context(started(up_command(port, folder, upstream), port))
        found = [Measured(OURS, f"http://127.0.0.1:{port}", f"/openai{CHAT}", process.pid)]
        for peer in peers:
            port = free_port()
            process = stack.enter_context(started(peer.started_as(port, upstream), port))
            header = "\r\n".join(filled(header, port, upstream) for header in peer.headers)
            found.append(Measured(peer.name, f"http://127.0.0.1:{port}", CHAT, process.pid, header))
        time.sleep(_WARM_UP_S)
        yield found


def measure_row(row: Row, places: Sequence[Measured], rounds: int, calls: int) -> dict[str, Figures | str]:
    """Medians over the rounds, the proxies in turn within each; the first round warms up. A proxy that does not answer such
    calls is left out from there on: why, in place of its figures."""
    seen: dict[str, dict[str, list[float]]] = {place.name: defaultdict(list) for place in places}
    refused: dict[str, str] = {}
    count = max(20, round(calls * row.share))
    for number in range(rounds + 1):
        for place in [place for place in places if place.name not in refused]:
            before = tree_cpu_s(place.pid)
            try:
                figures = load(place.url, place.path, calls=count, plain=True, header=place.header, **row.options)
            except subprocess.CalledProcessError as error:
                refused[place.name] = last_line(error.stderr)
                continue
            figures["cpu_ms"] = (tree_cpu_s(place.pid) - before) * 1000 / count
            for name, value in figures.items() if number else ():
                seen[place.name][name].append(value)
    medians = {name: {figure: median(values) for figure, values in of.items()} for name, of in seen.items()}
    return {**medians, **refused}


def last_line(said: bytes) -> str:
    """The message of the exception that ended a program."""
    return said.decode(errors="replace").strip().rpartition("\n")[2]


def cell(row: Row, figures: Figures | str, direct: Figures) -> str:
    if isinstance(figures, str):
        return "-"
    cpu = f"{figures['cpu_ms']:.2f}"
    if not row.added:
        return f"{figures['rate']:.0f}; {cpu}"
    return f"{' / '.join(f'{figures[name] - direct[name]:.1f}' for name in row.added)}; {cpu}"


def measure_peers(peers: Sequence[Peer], rounds: int, calls: int) -> None:
    names = [OURS, *(peer.name for peer in peers)]
    print("\n### Beside other proxies: calls/s, or the ms that are added; then CPU ms a call, all processes\n")
    print(f"| | {' | '.join(names)} | {DIRECT} |\n| --- |{' ---: |' * (len(names) + 1)}", flush=True)
    reasons: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, part in enumerate(PARTS):
            port = free_port()
            provider = [sys.executable, "-m", "addon.demo.providers", "--port", f"{port}", "--usual", part.usual]
            upstream = f"http://127.0.0.1:{port}"
            with (
                started(provider, port) as process,
                running(peers, upstream, Path(folder) / str(number)) as places,
            ):
                for row in part.rows:
                    direct = Measured(DIRECT, upstream, CHAT, process.pid)
                    table = measure_row(row, [*places, direct], rounds, calls)
                    if isinstance(usual := table[DIRECT], str):
                        raise RuntimeError(f"the provider itself does not answer: {usual}")
                    cells = [cell(row, table[name], usual) for name in names]
                    print(f"| {' | '.join([row.title, *cells, _direct_cell(row, usual)])} |", flush=True)
                    reasons += [f"{row.title}, {name}: {why}" for name in names if isinstance(why := table[name], str)]
    for reason in reasons:
        print(f"\n- {reason}")


def _direct_cell(row: Row, figures: Figures) -> str:
    if not row.added:
        return f"{figures['rate']:.0f}"
    return " / ".join(f"{figures[name]:.1f}" for name in row.added)
