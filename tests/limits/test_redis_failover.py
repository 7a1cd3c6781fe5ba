"""A Redis Cluster of six nodes and a master with three sentinels, whose primary dies under load: calls go on, limits hold and it heals."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from addon.caching.redis_store import RedisAnswers
from addon.limits.policy import parse_policy
from addon.limits.redis_store import RedisLedger, SharedGate, tag
from addon.limits.store import BudgetLine, Check, Reservation, Spend, StoreDown
from addon.limits.upper_bound import UpperBound
from addon.storage.redis_link import Link
from scripts.running import free_port
from tests.caching.answers import answer
from tests.limits.test_redis_trouble import NOW, gate, play
from tests.redis_server import RedisServer, needs_redis, running

needs_sentinel = pytest.mark.skipif(
    shutil.which("redis-sentinel") is None, reason="redis-sentinel is not installed: apt-get install redis-sentinel"
)
pytestmark = [
    needs_redis,
    pytest.mark.long,
]  # 20 s, and nodes that wait a second for each other are not for a busy machine
PATIENCE_S = 20.0  # of a decision: the machine may be busy
HEALED_S = 60.0
PASSWORD = "p@ss"
TEN = Check(key="k|global|request", policy=parse_policy("10;w=86400"))


def until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + HEALED_S
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@contextmanager
def cluster(folder: Path) -> Iterator[list[RedisServer]]:
    """Three primaries with a replica each."""
    with ExitStack() as started:
        nodes = []
        for number in range(6):
            (folder / f"{number}").mkdir()
            options = [
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "1000",
                "--cluster-replica-validity-factor",
                "0",
            ]
            options += ["--requirepass", PASSWORD, "--masterauth", PASSWORD]
            nodes.append(started.enter_context(running(folder / f"{number}", *options, password="p%40ss")))
        addresses = [f"127.0.0.1:{node.port}" for node in nodes]
        command = ["redis-cli", "-a", PASSWORD, "--no-auth-warning", "--cluster", "create", *addresses]
        made = subprocess.run(
            [*command, "--cluster-replicas", "1", "--cluster-yes"], capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stdout[-2000:] + made.stderr
        for node in nodes:
            until(lambda node=node: b"cluster_state:ok" in _cluster(node, "INFO"), "the cluster is not whole")  # type: ignore[misc]
        until(lambda: all(_replicas_are_linked(node) for node in nodes), "replicas do not follow")
        yield nodes


def _cluster(node: RedisServer, *words: object) -> bytes:
    return bytes(node.client().execute_command("CLUSTER", *words))


def _replicas_are_linked(node: RedisServer) -> bool:
    told = node.client().info("replication")
    return (told["role"] == "master" and told["connected_slaves"] == 1) or told.get("master_link_status") == "up"


def primary_of(nodes: list[RedisServer], key: str) -> RedisServer:
    slot = int(nodes[0].client().execute_command("CLUSTER", "KEYSLOT", key))
    for first, last, primary, *_ in nodes[0].client().execute_command("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return next(node for node in nodes if node.port == primary[1])
    raise AssertionError("no node has this slot")


def stop_once_replicated(primary: RedisServer, replicas: int) -> None:
    """A server that is killed takes along what its replicas have not read yet."""
    client = primary.client()
    client.set(f"{tag('test')}written last", "")
    assert client.wait(replicas, int(HEALED_S * 1000)) == replicas
    primary.stop()


async def fails_over_under_load(shared: SharedGate, break_it: Callable[[], None]) -> None:
    """Four calls of ten before, 40 while the primary dies, more until it heals; the bucket is full of none of them after."""
    verdicts = [await shared.decide([TEN], NOW) for _ in range(4)]
    assert all(each.allowed and not each.trouble for each in verdicts), verdicts
    await asyncio.sleep(0)
    await asyncio.to_thread(break_it)
    meanwhile = [await asyncio.wait_for(shared.decide([TEN], NOW), 2 * PATIENCE_S) for _ in range(40)]
    assert any(each.trouble for each in meanwhile), "the primary was gone"
    assert sum(each.allowed for each in meanwhile) <= 10, "at most one more quota passes in all"
    deadline = time.monotonic() + HEALED_S
    while (verdict := await shared.decide([TEN], NOW)).trouble:
        assert time.monotonic() < deadline, verdict.trouble
        await asyncio.sleep(0.1)
    after = [verdict, *[await shared.decide([TEN], NOW) for _ in range(20)]]
    assert not any(each.trouble for each in after)
    assert sum(each.allowed for each in after) <= 6, "the four of before still count: the replica had them"


def test_a_cluster_of_six_whose_primary_dies(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes:
        url = f"redis+cluster://:p%40ss@127.0.0.1:{nodes[0].port}"
        line = ("budget|all|", "2026-11")

        async def story() -> None:
            answers = RedisAnswers(Link(url, PATIENCE_S), "test", 2**30)
            for name in range(40):
                assert await answers.put([f"{name}"], answer(), now=0.0, max_age_s=60, seed=None)
                assert await answers.get([f"{name}"], NOW, lambda n: n - 1)
            await answers.close()
            async with gate(url, tmp_path, PATIENCE_S) as shared:
                asked = Reservation(call_id="c", budgets=(BudgetLine(*line, 100),), bound=UpperBound(5, 5))
                verdict = await shared.decide([], NOW, asked)
                assert (verdict.allowed, verdict.trouble) == (True, None)
                ledger = RedisLedger(url, "test", "here", timeout_s=PATIENCE_S)
                await asyncio.to_thread(ledger.settle, "c", [], [Spend(*line, 7)], NOW)
                assert await asyncio.to_thread(ledger.spent, [line]) == [7]
                await fails_over_under_load(shared, lambda: stop_once_replicated(primary_of(nodes, tag("test")), 1))
                await asyncio.to_thread(until, lambda: _spent(ledger, line) == [7], "what was charged is lost")
                ledger.close()

        play(story)


def _spent(ledger: RedisLedger, line: tuple[str, str]) -> list[int | None] | None:
    """None: it cannot be asked just now."""
    try:
        return list(ledger.spent([line]))
    except StoreDown:
        return None


@contextmanager
def watched(folder: Path) -> Iterator[tuple[list[RedisServer], list[int]]]:
    """A primary with two replicas, and the ports of three sentinels; all with passwords."""
    with ExitStack() as started:
        servers: list[RedisServer] = []
        for number in range(3):
            options = ["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0"]
            if number:
                options += ["--replicaof", "127.0.0.1", str(servers[0].port)]
            (folder / f"{number}").mkdir()
            servers.append(started.enter_context(running(folder / f"{number}", *options, password="p%40ss")))
        ports = []
        for number in range(3):
            ports.append(port := free_port())
            config = folder / f"sentinel-{number}.conf"
            config.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {folder}\nrequirepass watch\nsentinel sentinel-pass watch\n"
                f"sentinel monitor house 127.0.0.1 {servers[0].port} 2\nsentinel auth-pass house {PASSWORD}\n"
                "sentinel down-after-milliseconds house 1000\nsentinel failover-timeout house 5000\n"
            )
            process = subprocess.Popen(["redis-sentinel", str(config)], stdout=subprocess.DEVNULL)
            started.callback(process.wait, 20)
            started.callback(process.kill)
        until(lambda: servers[0].client().info("replication")["connected_slaves"] == 2, "replicas do not follow")
        for port in ports:
            until(lambda port=port: _knows_all(port), "sentinels do not know each other")  # type: ignore[misc]
        yield servers, ports


def _knows_all(port: int) -> bool:
    command = ["redis-cli", "-p", str(port), "-a", "watch", "--no-auth-warning", "sentinel", "master", "house"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    found = dict(zip(told[::2], told[1::2], strict=False))
    return (found.get("num-other-sentinels"), found.get("num-slaves")) == ("2", "2")


@needs_sentinel
def test_a_primary_that_sentinels_watch_dies(tmp_path: Path) -> None:
    with watched(tmp_path) as (servers, ports):
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        url = f"redis+sentinel://:p%40ss@{hosts}/house/0?sentinel_password=watch"

        async def story() -> None:
            async with gate(url, tmp_path, PATIENCE_S) as shared:
                await fails_over_under_load(shared, lambda: stop_once_replicated(servers[0], 2))

        play(story)
        ledger = RedisLedger(url, "test", "here", timeout_s=PATIENCE_S)
        assert ledger.forget(["nobody"]) == 0
        ledger.close()
