"""What shared limits and a shared cache cost a call: `python -m scripts.bench_shared`. Needs redis-server; prints one table.

Each figure is the time that one call waits, one call at a time, on loopback: a limit and a budget are decided, an answer of
4 kB is looked up. Beside it the same with the files of one machine. Below it what a call costs the server, which does one
thing at a time: its CPU, by its own INFO, while many ask at once.
"""

import asyncio
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import redis

from addon.caching.redis_store import RedisAnswers
from addon.caching.sqlite_store import LocalAnswers, SqliteCache
from addon.caching.store import AnswerStore, Claimed, Hit, Stored
from addon.limits.policy import parse_policy
from addon.limits.redis_store import RedisLedger, SharedGate
from addon.limits.sqlite_store import LocalGate, SqliteLimits
from addon.limits.store import BudgetLine, Check, LimitGate, Reservation, Spend
from addon.limits.upper_bound import UpperBound
from addon.storage.redis_link import Link

CALLS: Final = 2000
SERVER_CALLS: Final = 8_000
AT_ONCE: Final = 8
TIMEOUT_S: Final = 5.0


def main() -> int:
    if shutil.which("redis-server") is None:
        print("redis-server is not installed: apt-get install redis-server", file=sys.stderr)
        return 1
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            asyncio.run(_measure(f"redis://127.0.0.1:{port}/0", Path(folder)))
        finally:
            server.terminate()
            server.wait(10)
    return 0


async def _measure(url: str, folder: Path) -> None:
    link = Link(url, TIMEOUT_S)
    limits, answers = SqliteLimits(folder / "limits.sqlite"), SqliteCache(folder / "cache.sqlite")
    shared = SharedGate(link, "bench", "bench", SqliteLimits(folder / "share.sqlite"))
    print(f"{'one call waits, ms':<34}{'p50':>8}{'p99':>8}")
    for name, gate in (("file", LocalGate(limits)), ("Redis", shared)):
        _show(f"a limit and a budget, {name}", await _times(_deciding(gate)))
    for name, store in (("file", LocalAnswers(answers)), ("Redis", RedisAnswers(link, "bench", 2**30))):
        await store.put(["hit"], _answer(), now=time.time(), max_age_s=600, seed=None)
        _show(f"a hit of 4 kB, {name}", await _times(_looking_up(store)))
        _show(f"a miss with its claim, {name}", await _times(_claiming(store)))
        await store.close()
    await shared.close()
    limits.close()
    other = SharedGate(Link(url, TIMEOUT_S), "server", "bench", SqliteLimits(folder / "other.sqlite"))
    await _measure_server(url, other)
    await other.close()


async def _measure_server(url: str, gate: SharedGate) -> None:
    ledger = RedisLedger(url, "server", "bench", timeout_s=TIMEOUT_S)
    lines = (BudgetLine("budget|bench|", "2026-11", 10**15),)
    checks = [Check(key="server|bench||request", policy=parse_policy("100000000;w=60"))]

    async def decide(number: int, budgets: tuple[BudgetLine, ...]) -> None:
        reservation = (
            Reservation(call_id=f"s{number}", budgets=budgets, bound=UpperBound(1000, 100)) if budgets else None
        )
        verdict = await gate.decide(checks, time.time(), reservation)
        assert not verdict.trouble, verdict.trouble

    async def decide_all(budgets: tuple[BudgetLine, ...]) -> None:
        for first in range(0, SERVER_CALLS, AT_ONCE):
            await asyncio.gather(*(decide(first + number, budgets) for number in range(AT_ONCE)))

    def charge_all() -> None:
        for number in range(SERVER_CALLS):
            ledger.settle(f"s{number}", (), (Spend("budget|bench|", "2026-11", 400),), time.time(), [f"s{number - 1}"])

    print(f"\n{'CPU of the server, microseconds a call':<40}")
    with redis.Redis.from_url(url) as client:
        for name, ask in (
            ("a limit", lambda: decide_all(())),
            ("a limit and a budget", lambda: decide_all(lines)),
            ("a charge", lambda: asyncio.to_thread(charge_all)),
        ):
            before = _cpu_s(client)
            await ask()
            print(f"{name:<40}{(_cpu_s(client) - before) / SERVER_CALLS * 1e6:>8.1f}")
    ledger.close()


def _cpu_s(client: redis.Redis) -> float:
    found: Any = client.info("cpu")
    return float(found["used_cpu_user"] + found["used_cpu_sys"])


async def _times(ask: Callable[[int], Awaitable[None]]) -> list[float]:
    """Seconds, sorted. The first calls open files and connections and do not count."""
    times = []
    for number in range(CALLS + 100):
        began = time.perf_counter()
        await ask(number)
        times.append(time.perf_counter() - began)
    return sorted(times[100:])


def _show(name: str, times: list[float]) -> None:
    print(f"{name:<34}{statistics.median(times) * 1000:>8.3f}{times[len(times) * 99 // 100] * 1000:>8.3f}")


def _deciding(gate: LimitGate) -> Callable[[int], Awaitable[None]]:
    checks = [Check(key="server|bench||request", policy=parse_policy("1000000;w=60"))]
    lines = (BudgetLine("budget|bench|", "2026-11", 10**15),)

    async def ask(number: int) -> None:
        reservation = Reservation(call_id=str(number), budgets=lines, bound=UpperBound(1000, 100))
        verdict = await gate.decide(checks, time.time(), reservation)
        assert verdict.allowed and not verdict.trouble

    return ask


def _looking_up(store: AnswerStore) -> Callable[[int], Awaitable[None]]:
    async def ask(number: int) -> None:
        assert isinstance(await store.get_or_claim("hit", "bench", 5, time.time()), Hit)

    return ask


def _claiming(store: AnswerStore) -> Callable[[int], Awaitable[None]]:
    async def ask(number: int) -> None:
        found = await store.get_or_claim(f"miss {number}", "bench", 5, time.time())
        assert found is Claimed.OURS

    return ask


def _answer() -> Stored:
    body = b'{"id": "chatcmpl-1", "choices": [{"message": {"content": "' + b"some words " * 360 + b'"}}]}'
    headers = ((b"content-type", b"application/json"),)
    return Stored(status=200, headers=headers, chunks=(body,), latency_ms=500, request_id="r", started_at_us=0)


if __name__ == "__main__":
    sys.exit(main())
