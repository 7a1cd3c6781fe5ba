"""Many callers at once, on one process of heliograph: `scripts/bench --many`.

Idle connections that are kept alive, streams that stay open, and more calls than may be under way (docs/overload.md).
Each caller is a socket of this process; the provider is another process.
"""

import asyncio
import contextlib
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from addon.descriptors import raise_limit
from scripts.bench_load import one_call, request_bytes
from scripts.running import free_port, percentile, size_of, started, up_command
from scripts.soak_load import read_body

PATH: Final = "/openai/v1/chat/completions"
_OPEN_AT_ONCE: Final = 50  # connections; more would fill the system's line of new ones
_CACHED: Final = "Helicone-Cache-Enabled: true\r\n"
type Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Seen:
    """What the callers saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    whole_ms: dict[int, list[float]] = field(default_factory=dict)  # by status
    first_ms: list[float] = field(default_factory=list)
    broken: int = 0

    def note(self, status: int, took_s: float) -> None:
        self.statuses[status] += 1
        self.whole_ms.setdefault(status, []).append(took_s * 1000)


@dataclass(frozen=True, slots=True)
class Place:
    """A running proxy, or the provider itself."""

    port: int
    path: str
    pid: int

    def request(self, *, stream: bool = False, apart_s: float = 0, delay_s: float = 0, header: str = "") -> bytes:
        asked = request_bytes(f"127.0.0.1:{self.port}", self.path, stream, 60, header, apart_s)
        return asked.replace(b"x-fake: ", b"x-fake: delay=%g;" % delay_s) if delay_s else asked


@contextlib.contextmanager
def proxy(folder: Path, provider: str, config: str = "") -> Iterator[Place]:
    folder.mkdir(parents=True)
    (folder / "heliograph.toml").write_text(config)
    port = free_port()
    with started(up_command(port, folder, provider), port) as process:
        time.sleep(5)  # the settler loads its libraries
        yield Place(port, PATH, process.pid)


async def connect(place: Place) -> Pair:
    return await asyncio.open_connection("127.0.0.1", place.port)


async def connections(place: Place, count: int) -> list[Pair]:
    opened: list[Pair] = []
    for begin in range(0, count, _OPEN_AT_ONCE):
        opened += await asyncio.gather(*(connect(place) for _ in range(begin, min(count, begin + _OPEN_AT_ONCE))))
    return opened


async def call(pair: Pair, request: bytes, seen: Seen) -> None:
    reader, writer = pair
    began = time.perf_counter()
    try:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await read_body(head, reader)
        seen.note(int(head.split(b" ")[1]), time.perf_counter() - began)
    except (OSError, asyncio.IncompleteReadError):
        seen.broken += 1


async def first_piece(place: Place, seen: Seen) -> None:
    """A stream of its own connection, read to its end."""
    pair = await connect(place)
    first_s, _ = await one_call(*pair, place.request(stream=True))
    seen.first_ms.append(first_s * 1000)
    pair[1].close()


async def evenly(rate: float, seconds: float) -> AsyncIterator[int]:
    began = time.perf_counter()
    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        yield number


async def delays(place: Place, rate: float = 10, seconds: float = 10) -> Seen:
    """Of first pieces, at a low rate."""
    seen, tasks = Seen(), []
    async for _ in evenly(rate, seconds):
        tasks.append(asyncio.create_task(first_piece(place, seen)))
    await asyncio.gather(*tasks)
    return seen


def say(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def mb(place: Place) -> float:
    return size_of(place.pid).rss_mb


def delay_cells(direct: Seen, through: Seen) -> str:
    added = [percentile(through.first_ms, share) - percentile(direct.first_ms, share) for share in (0.5, 0.99)]
    return f"{added[0]:.1f} / {added[1]:.1f}"


async def idle_and_open(place: Place, provider: Place, idle: int, streams: int) -> None:
    print(f"\n### {idle:,} idle connections, then {streams:,} open streams as well\n")
    say("at that moment", "proxy MB", "descriptors", "first piece added p50 / p99 ms")
    print("| --- | ---: | ---: | ---: |")

    async def line(what: str) -> None:
        direct, through = await delays(provider), await delays(place)
        say(what, f"{mb(place):.0f}", size_of(place.pid).descriptors, delay_cells(direct, through))

    await delays(place)
    await line("nothing else")
    waiting, seen = list[Pair](), Seen()
    while len(waiting) < idle:  # each has had a call, which the cache answered
        opened = await connections(place, min(_OPEN_AT_ONCE, idle - len(waiting)))
        await asyncio.gather(*(call(pair, place.request(header=_CACHED), seen) for pair in opened))
        waiting += opened
    await line(f"{idle:,} idle connections")
    tasks: list[asyncio.Task[None]] = []
    while len(tasks) < streams:
        opened = await connections(place, min(_OPEN_AT_ONCE, streams - len(tasks)))
        tasks += [asyncio.create_task(call(pair, place.request(stream=True, apart_s=2), seen)) for pair in opened]
    await asyncio.sleep(10)
    await line(f"and {streams:,} open streams, a piece every 2 s each")
    for _, writer in waiting:
        writer.close()
    await asyncio.gather(*tasks)
    await asyncio.sleep(3)
    await line("all of them gone")
    say(
        "answers",
        ", ".join(f"{status}: {count:,}" for status, count in seen.statuses.items()),
        f"broken {seen.broken}",
        "",
    )


async def at_once(place: Place, count: int, delay_s: float) -> tuple[Seen, float, Seen]:
    """`count` calls in the same moment to a provider that takes its time; the most memory, and calls of /healthz meanwhile."""
    opened, seen, health, most = await connections(place, count), Seen(), Seen(), 0.0
    tasks = [asyncio.create_task(call(pair, place.request(delay_s=delay_s), seen)) for pair in opened]
    probe = await connect(place)
    while not all(task.done() for task in tasks):
        await call(probe, f"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:{place.port}\r\n\r\n".encode(), health)
        most = max(most, mb(place))
        await asyncio.sleep(0.2)
    for _, writer in (*opened, probe):
        writer.close()
    return seen, most, health


async def offered(place: Place, rate: float, seconds: float, delay_s: float) -> tuple[Seen, float]:
    """Calls at a rate, whatever has become of those before; each on a kept-alive connection that is free."""
    seen, free, tasks, most = Seen(), list[Pair](), [], 0.0

    async def one() -> None:
        pair = free.pop() if free else await connect(place)
        await call(pair, place.request(delay_s=delay_s), seen)
        free.append(pair)

    async for number in evenly(rate, seconds):
        tasks.append(asyncio.create_task(one()))
        if number % 200 == 0:
            most = max(most, mb(place))
    await asyncio.gather(*tasks)
    for _, writer in free:
        writer.close()
    return seen, max(most, mb(place))


def outcome(seen: Seen) -> list[object]:
    def ms(status: int) -> str:
        took = seen.whole_ms.get(status, [])
        return f"{percentile(took, 0.5):.0f} / {percentile(took, 0.99):.0f}" if took else "-"

    others = seen.statuses.total() - seen.statuses[200] - seen.statuses[503]
    return [f"{seen.statuses[200]:,}", ms(200), f"{seen.statuses[503]:,}", ms(503), f"{others:,}", seen.broken]


_OUTCOME: Final = ("200", "200: p50 / p99 ms", "503", "503: p50 / p99 ms", "other statuses", "broken")


async def slow_provider(place: Place, count: int) -> None:
    print(f"\n### {count:,} calls in the same moment, a provider that takes 5 s\n")
    say("memory before / most, MB", *_OUTCOME, "/healthz p50 / p99 ms")
    print(f"|{' ---: |' * 8}")
    before = mb(place)
    seen, most, health = await at_once(place, count, 5)
    took = health.whole_ms[200]
    say(f"{before:.0f} / {most:.0f}", *outcome(seen), f"{percentile(took, 0.5):.0f} / {percentile(took, 0.99):.0f}")


async def more_than_it_can(place: Place, calls: int, delay_s: float, seconds: float) -> None:
    saturation = calls / delay_s
    print(
        f"\n### More calls than slots: max_calls = {calls}, a provider that takes {delay_s:g} s, so {saturation:.0f} calls/s\n"
    )
    say("offered", "calls/s", *_OUTCOME, "most MB")
    print(f"|{' ---: |' * 9}")
    for times in (0.5, 1, 2, 4):
        seen, most = await offered(place, saturation * times, seconds, delay_s)
        say(f"{times:g} x", f"{saturation * times:.0f}", *outcome(seen), f"{most:.0f}")
        await asyncio.sleep(1)


def measure_many(quick: bool) -> None:
    raise_limit()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    print(f"descriptors that a process may have open: {most:,}")
    idle, streams, slow = (1000, 200, 500) if quick else (10_000, 2000, 5000)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory() as folder,
        started([sys.executable, "-m", "addon.demo.providers", "--port", f"{port}"], port) as process,
    ):
        provider = Place(port, "/v1/chat/completions", process.pid)
        with proxy(Path(folder) / "idle", url) as place:
            asyncio.run(idle_and_open(place, provider, idle, streams))
        with proxy(Path(folder) / "slow", url) as place:
            asyncio.run(slow_provider(place, slow))
        bound = "[overload]\nmax_calls = {0}\nmax_waiting = {0}\nwait_s = 1\n"
        # Few calls a second, so that the provider is what is short, and not the processor.
        with proxy(Path(folder) / "more", url, bound.format(10)) as place:
            asyncio.run(more_than_it_can(place, 10, 1, 5 if quick else 15))
