"""A Redis that is gone, slow, full, or not ours to write: calls go on at once by this machine's share, and it heals by itself."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from addon.caching.redis_store import RedisAnswers
from addon.limits.policy import parse_policy
from addon.limits.redis_store import RedisLedger, SharedGate
from addon.limits.sqlite_store import SqliteLimits
from addon.limits.store import BudgetLine, Check, Reservation, Spend, StoreDown, Verdict
from addon.limits.upper_bound import UpperBound
from addon.storage.redis_clients import place_of, too_old
from addon.storage.redis_link import Link
from tests.caching.answers import answer
from tests.redis_server import RedisServer, needs_redis, running

NOW = 1_795_262_400.0
TEN = Check(key="k|global|request", policy=parse_policy("10;w=3600"))
BOUND_S = 2.0  # far above a decision on loopback, also where the machine is busy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@asynccontextmanager
async def gate(url: str, folder: Path, timeout_s: float = BOUND_S) -> AsyncIterator[SharedGate]:
    opened = SharedGate(Link(url, timeout_s), "test", "here", SqliteLimits(folder / "limits.sqlite"))
    try:
        yield opened
    finally:
        await opened.close()


def play[T](story: Callable[[], Awaitable[T]]) -> T:
    async def told() -> T:
        return await story()

    return asyncio.run(told())


async def ask(shared: SharedGate) -> Verdict:
    return await shared.decide([TEN], NOW)


async def until_healed(shared: SharedGate) -> None:
    deadline = time.monotonic() + 60
    while (await ask(shared)).trouble and time.monotonic() < deadline:  # noqa: ASYNC110  it heals without a word to us
        await asyncio.sleep(0.05)
    assert (await ask(shared)).trouble is None


@needs_redis
def test_a_server_that_does_not_answer_is_waited_for_once_and_asked_again_when_it_does(
    server: RedisServer, tmp_path: Path
) -> None:
    async def story() -> None:
        async with gate(server.url, tmp_path) as shared:
            await until_healed(shared)
            server.pause()
            began = time.monotonic()
            verdicts = await asyncio.gather(*(ask(shared) for _ in range(50)))
            waited_s = time.monotonic() - began
            assert all("did not answer within 2000 ms" in str(verdict.trouble) for verdict in verdicts)
            assert sum(verdict.allowed for verdict in verdicts) == 10, "the share of the only proxy is the whole quota"
            assert waited_s < 20 * BOUND_S, "they waited together"
            began = time.monotonic()
            assert (await ask(shared)).trouble
            assert time.monotonic() - began < BOUND_S, "nobody waits for a store that is known to be down"
            server.resume()
            await until_healed(shared)

    try:
        play(story)
    finally:
        server.resume()


@needs_redis
def test_a_server_that_is_gone_and_comes_back_empty(server: RedisServer, tmp_path: Path) -> None:
    async def story() -> None:
        async with gate(server.url, tmp_path) as shared:
            await until_healed(shared)
            server.stop()
            assert "cannot be reached" in str((await ask(shared)).trouble)
            server.start()
            await until_healed(shared)

    play(story)


def test_the_first_call_does_not_wait_for_a_server_that_refuses_it(tmp_path: Path) -> None:
    async def story() -> str | None:
        async with gate("redis://127.0.0.1:1", tmp_path, timeout_s=600) as shared, asyncio.timeout(60):
            return (await ask(shared)).trouble

    assert "cannot be reached" in str(play(story))


@needs_redis
def test_a_full_server_refuses_at_once_and_answers_are_not_stored(server: RedisServer, tmp_path: Path) -> None:
    async def story() -> None:
        async with gate(server.url, tmp_path, 20) as shared:
            await until_healed(shared)
            answers = RedisAnswers(Link(server.url, 20), "test", 2**30)
            assert await answers.put(["a"], answer(), now=0.0, max_age_s=60, seed=None)
            server.client().config_set("maxmemory", "1")
            assert "is full: raise its maxmemory" in str((await ask(shared)).trouble)
            assert not await answers.put(["b"], answer(), now=0.0, max_age_s=60, seed=None)
            assert await answers.get(["a"], NOW, lambda n: 0), "what is there is still given"
            server.client().config_set("maxmemory", "0")
            assert (await ask(shared)).trouble is None
            await answers.close()

    try:
        play(story)
    finally:
        server.client().config_set("maxmemory", "0")


@needs_redis
def test_a_read_only_replica_is_named(server: RedisServer, tmp_path: Path) -> None:
    async def story() -> str | None:
        async with gate(server.url, tmp_path, 20) as shared:
            await until_healed(shared)
            server.client().replicaof("127.0.0.1", "1")
            try:
                return (await ask(shared)).trouble
            finally:
                server.client().replicaof("NO", "ONE")

    assert "is a read-only replica" in str(play(story))


@needs_redis
def test_a_password_and_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    options = ["--requirepass", "p@ss/word", "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    options += ["--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "no"]
    with running(tmp_path, *options, password="p%40ss%2Fword", tls=True) as server:

        async def trouble(url: str, timeout_s: float = 20.0) -> str | None:
            """Of a connection that was made or refused: on a busy machine a handshake may take longer than one is waited for."""
            async with gate(url, tmp_path, timeout_s) as shared, asyncio.timeout(120):
                while "did not answer" in str(told := (await ask(shared)).trouble):  # noqa: ASYNC110  nobody tells us
                    await asyncio.sleep(0.1)
                return told

        trusted = f"{server.url}?ssl_ca_certs={certificate}"
        assert play(lambda: trouble(trusted, 20)) is None
        wrong = str(play(lambda: trouble(trusted.replace("%2Fword", "%2Fwrong"))))
        assert "refuses the user or password" in wrong
        assert "wrong@" not in wrong
        assert "cannot be reached" in str(play(lambda: trouble(server.url))), "its certificate is not trusted"


@needs_redis
def test_a_cluster_keeps_all_keys_of_a_decision_in_one_slot(tmp_path: Path) -> None:
    with running(tmp_path, "--cluster-enabled", "yes") as server:
        server.client().execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while b"cluster_state:ok" not in bytes(server.client().execute_command("CLUSTER", "INFO")):
            time.sleep(0.02)
        url = server.url.replace("redis://", "redis+cluster://").removesuffix("/0")
        line = ("budget|all|", "2026-11")

        async def story() -> None:
            async with gate(url, tmp_path, 20) as shared:
                await until_healed(shared)
                checks = [TEN, Check(key="k|cents", policy=parse_policy("9;w=60;u=cents"))]
                lines = (BudgetLine(*line, 100),)
                verdict = await shared.decide(
                    checks, NOW, Reservation(call_id="c", budgets=lines, bound=UpperBound(5, 5))
                )
                assert (verdict.allowed, verdict.trouble) == (True, None)
            answers = RedisAnswers(Link(url, 20), "test", 2**30)
            for name in range(20):
                assert await answers.put([f"{name}", f"{name}-2"], answer(), now=0.0, max_age_s=60, seed=None)
                assert await answers.put([f"{name}", f"{name}-2"], answer(), now=0.0, max_age_s=60, seed=None)
                assert await answers.get([f"{name}", f"{name}-2"], NOW, lambda n: n - 1)
            await answers.close()

        play(story)
        ledger = RedisLedger(url, "test", "here", timeout_s=20)
        ledger.settle("c", [], [Spend(*line, 7)], NOW)
        assert ledger.spent([line]) == [7]
        assert ledger.forget(["nobody"]) == 0
        ledger.close()


def test_without_a_server_the_share_is_the_quota_divided_by_the_proxies_seen(tmp_path: Path) -> None:
    async def story() -> tuple[int, bool]:
        async with gate("redis://127.0.0.1:1/0", tmp_path) as shared:
            shared.proxies = 4
            allowed = sum([(await ask(shared)).allowed for _ in range(10)])
            lines = (BudgetLine("budget|all|", "2026-11", 100),)
            first = await shared.decide([], NOW, Reservation(call_id="a", budgets=lines, bound=UpperBound(25, 1)))
            again = await shared.decide([], NOW, Reservation(call_id="b", budgets=lines, bound=UpperBound(25, 1)))
            assert first.spent[0].reserved_nanousd == 0
            return allowed, again.spent[0].reserved_nanousd == 25

    assert play(story) == (2, True)


def test_the_settler_is_told_and_does_not_wait_each_time() -> None:
    ledger = RedisLedger("redis://127.0.0.1:1/0", "test", "here")
    for _ in range(2):
        with pytest.raises(StoreDown, match="cannot be reached"):
            ledger.is_recounted()


def test_urls_of_clusters_and_sentinels() -> None:
    assert place_of("rediss+cluster://u:p@h:7000?a=b").url == "rediss://u:p@h:7000?a=b"
    found = place_of("redis+sentinel://u:p@h1:26379,h2/mymaster/3")
    assert (found.sentinels, found.master, found.url) == (
        (("h1", 26379), ("h2", 26379)),
        "mymaster",
        "redis://u:p@localhost/3",
    )
    assert "p@" not in found.shown


def test_old_versions_are_refused() -> None:
    assert too_old("6.2.14") is None
    assert too_old("7.2.4") is None
    assert "Redis 6.2 or Valkey is needed" in str(too_old("6.0.20"))
