"""`heliograph up --workers N`: real processes that share one port, one settler and one API process."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx
import pytest

from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT
from tests.proxy.conftest import HELIOGRAPH, Proxy, environment, run_up, to, wait_for
from tests.proxy.gathering import LONG, SLOW_STREAM
from tests.proxy.test_http2 import URL, http2_client
from tests.proxy.test_keys import CHAT_PATH

HEADERS = {"authorization": "Bearer sk-test"}
LIMIT = '[[limits]]\nname = "fifty"\nquota = 50\nwindow = "1d"\nunit = "request"\nper = "user"\n'


@pytest.fixture(scope="module")
def pair(shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Two workers, for all tests that end with two of them."""
    with run_up(tmp_path_factory.mktemp("data"), "--workers", "2", *to(shared_provider)) as proxy:
        yield proxy
        assert proxy.stop() == 0
        assert not [line for line in proxy.said if "Traceback" in line], "\n".join(proxy.said)


def children(pid: int) -> dict[str, list[int]]:
    """Process ids of the children, by the module that they run."""
    found: dict[str, list[int]] = {}
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        child, parent, command = line.split(maxsplit=2)
        if int(parent) == pid and (module := re.search(r" -m (\S+)", command)):
            found.setdefault(module[1], []).append(int(child))
    return found


def workers(proxy: Proxy) -> list[int]:
    return children(proxy.process.pid).get("addon.workers.process", [])


def health(proxy: Proxy) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(fetched(proxy, "/healthz"))
    return answer


def fetched(proxy: Proxy, path: str) -> str:
    """Over a connection of its own, so any worker may answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return str(opener.open(f"{proxy.url}{path}", timeout=30).read().decode())


class Load:
    """Calls without a pause in a thread of its own: callers with kept-alive connections, as many that connect for each call, and
    some that speak HTTP/2."""

    def __init__(self, proxy: Proxy, callers: int = 2, over_http2: int = 0) -> None:
        self.answered: list[str] = []  # ids of calls that were answered in whole
        self.broken: list[str] = []  # what became of the others
        self.worker_of: dict[str, int] = {}
        self.over_http2: list[str] = []  # those of `answered` that were
        self._proxy, self._callers, self._over_http2 = proxy, callers, over_http2
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    async def _run(self) -> None:
        kept = [self._call_often(is_kept=True) for _ in range(self._callers)]
        fresh = [self._call_often(is_kept=False) for _ in range(self._callers)]
        await asyncio.gather(*kept, *fresh, *(self._call_over_http2() for _ in range(self._over_http2)))

    async def _call_often(self, *, is_kept: bool) -> None:
        limits = httpx.Limits(max_keepalive_connections=1 if is_kept else 0)
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=30, limits=limits) as client:
            while not self._stop.is_set():
                await self._call(client, f"{self._proxy.url}{CHAT_PATH}")

    async def _call_over_http2(self) -> None:
        async with http2_client(self._proxy) as client:
            while not self._stop.is_set():
                if answered := await self._call(client, URL):
                    self.over_http2.append(answered)

    async def _call(self, client: httpx.AsyncClient, url: str) -> str | None:
        try:
            answer = await client.post(url, json=CHAT, headers=HEADERS)
        except httpx.HTTPError as error:
            self.broken.append(repr(error))
            return None
        if answer.status_code != 200:
            self.broken.append(f"{answer.status_code} {answer.text}")
            return None
        self.answered.append(answer.headers["helicone-id"])
        return self.answered[-1]


def connected(proxy: Proxy) -> socket.socket:
    host, _, port = proxy.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)))


def has_rows_of_all(proxy: Proxy, ids: list[str]) -> bool:
    settled = Counter(row["request_id"] for row in proxy.rows())
    return all(settled[one] == 1 for one in ids)


def test_one_settler_and_one_api_for_all_and_any_worker_tells_of_all(pair: Proxy) -> None:
    before = health(pair)["calls"]["seen"]
    for _ in range(8):  # a connection each
        assert (
            httpx.post(f"{pair.url}{CHAT_PATH}", json=CHAT, headers=HEADERS, trust_env=False, timeout=60).status_code
            == 200
        )
    assert {health(pair)["calls"]["seen"] for _ in range(6)} == {before + 8}
    assert health(pair)["workers"] == 2
    for _ in range(4):
        seen = re.search(r"^heliograph_seen_total (\S+)", fetched(pair, "/metrics"), re.MULTILINE)
        assert seen and float(seen[1]) == before + 8
    running = children(pair.process.pid)
    assert {module: len(pids) for module, pids in running.items()} == {
        "addon.workers.process": 2,
        "addon.settling.process": 1,
        "analysis.serving": 1,
    }
    runs = {path.name[:32] for path in (pair.data / "journal").glob("*.jsonl")}
    assert len(runs) == 3, "each worker has a run of its own, and the API has one"


def test_a_killed_worker_is_replaced_and_costs_only_its_own_calls(pair: Proxy) -> None:
    seen_before = health(pair)["calls"]["seen"]
    with Load(pair) as load:
        wait_for(lambda: len(load.answered) > 30)
        killed, other = workers(pair)
        os.kill(killed, signal.SIGKILL)
        answered = len(load.answered)
        wait_for(lambda: len(load.answered) > answered + 30)
        wait_for(lambda: len(workers(pair)) == 2 and killed not in workers(pair))
        assert other in workers(pair)
        wait_for(lambda: health(pair)["workers"] == 2)
    torn = ("ReadError", "WriteError", "RemoteProtocolError")
    assert all(one.startswith(torn) for one in load.broken), load.broken
    assert len(load.broken) <= 4, "at most one call of each caller was on that worker"
    wait_for(lambda: has_rows_of_all(pair, load.answered))
    calls = health(pair)["calls"]
    assert calls["under_way"] == 0, "calls of the dead are not under way"
    assert seen_before + len(load.answered) <= calls["seen"] <= seen_before + len(load.answered) + len(load.broken)


def test_sighup_replaces_all_workers_without_a_refused_or_broken_call(pair: Proxy) -> None:
    before = set(workers(pair))
    (pair.data / "heliograph.toml").write_text("[capture]\nmax_body_bytes = 1000\n[timeouts]\nfirst_byte_s = 77\n")
    with Load(pair, over_http2=2) as load, connected(pair) as idle:
        wait_for(lambda: len(load.answered) > 20 and len(load.over_http2) > 5)
        idle.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        answer = HTTPResponse(idle)
        answer.begin()
        assert (answer.status, bool(answer.read())) == (200, True)
        told = subprocess.run(
            [HELIOGRAPH, "reload", "--data", str(pair.data)], capture_output=True, text=True, env=environment()
        )
        assert told.returncode == 0, told.stderr
        assert told.stdout.endswith("[timeouts]; all 2 workers are new\n"), told.stdout
        idle.settimeout(60)
        assert idle.recv(65536) == b"", "an idle connection is closed in good order"
        wait_for(lambda: len(workers(pair)) == 2)
        assert not before & set(workers(pair))
        answered, over_http2 = len(load.answered), len(load.over_http2)
        wait_for(lambda: len(load.answered) > answered + 20 and len(load.over_http2) > over_http2 + 5)
    assert load.broken == []
    wait_for(lambda: has_rows_of_all(pair, load.answered))
    (pair.data / "heliograph.toml").unlink()


def test_a_call_under_way_ends_on_the_worker_that_leaves(pair: Proxy, shared_provider: FakeProviders) -> None:
    before = set(workers(pair))
    with httpx.stream(
        "POST",
        f"{pair.url}{CHAT_PATH}",
        json=CHAT | {"stream": True},
        headers=HEADERS | {"x-fake": SLOW_STREAM},
        trust_env=False,
        timeout=60,
    ) as answer:
        pieces = answer.iter_bytes()
        next(pieces)
        pair.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(set(workers(pair)) - before) == 2)
        shared_provider.answer_now()
        assert b"[DONE]" in b"".join(pieces)
    wait_for(lambda: not before & set(workers(pair)))


def test_identical_calls_on_both_workers_are_one_upstream_call(pair: Proxy, shared_provider: FakeProviders) -> None:
    before = shared_provider.hits
    body = CHAT | {"messages": [{"role": "user", "content": "asked by many at once"}]}
    cached = HEADERS | {"helicone-cache-enabled": "true", "x-fake": "delay=0.5"}

    async def answers() -> set[str]:
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60, limits=limits) as client:
            calls = [client.post(f"{pair.url}{CHAT_PATH}", json=body, headers=cached) for _ in range(8)]
            return {answer.json()["id"] for answer in await asyncio.gather(*calls)}

    assert len(asyncio.run(answers())) == 1
    assert shared_provider.hits == before + 1


def test_limits_are_exact_across_workers_and_a_change_of_settings_reaches_all(pair: Proxy) -> None:
    (pair.data / "heliograph.toml").write_text(LIMIT)

    async def answers(count: int, user: str) -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=0)
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60, limits=limits) as client:
            named = HEADERS | {"helicone-user-id": user}
            calls = [client.post(f"{pair.url}{CHAT_PATH}", json=CHAT, headers=named) for _ in range(count)]
            return await asyncio.gather(*calls)

    def is_in_force() -> bool:
        """For so many calls that no worker is left out."""
        return all("helicone-ratelimit-limit" in answer.headers for answer in asyncio.run(answers(40, "tries")))

    wait_for(is_in_force, message="\n".join(pair.said))
    counted = Counter(answer.status_code for answer in asyncio.run(answers(120, "counted")))
    assert counted == {200: 50, 429: 70}
    (pair.data / "heliograph.toml").unlink()
    wait_for(lambda: [line for line in pair.said if "limits (fifty removed)" in line])


def test_the_bound_on_calls_under_way_is_shared_out_among_the_workers(
    pair: Proxy, shared_provider: FakeProviders
) -> None:
    (pair.data / "heliograph.toml").write_text("[overload]\nmax_calls = 2\nmax_waiting = 0\n")

    async def answers() -> list[httpx.Response]:
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60, limits=limits) as client:
            slow, before = HEADERS | {"x-fake": LONG}, shared_provider.hits
            calls = [
                asyncio.create_task(client.post(f"{pair.url}{CHAT_PATH}", json=CHAT, headers=slow)) for _ in range(12)
            ]

            def are_decided() -> bool:
                return shared_provider.hits - before + sum(call.done() for call in calls) == len(calls)

            await asyncio.to_thread(wait_for, are_decided)
            shared_provider.answer_now()
            return await asyncio.gather(*calls)

    def some_are_refused() -> list[httpx.Response]:
        found = asyncio.run(answers())
        return found if any(answer.status_code == 503 for answer in found) else []

    def is_shared_out() -> list[httpx.Response]:
        """As many are served as both workers together may have. One may have the settings before the other one has."""
        found = some_are_refused()
        return found if sum(answer.status_code == 200 for answer in found) <= 2 else []

    found = wait_for(is_shared_out)
    assert {answer.status_code for answer in found} == {200, 503}
    refused = {answer.json()["error"]["message"].partition(",")[0] for answer in found if answer.status_code == 503}
    assert refused == {"this one of 2 workers has 1 calls under way"}
    (pair.data / "heliograph.toml").unlink()
    wait_for(lambda: not some_are_refused())


def test_without_their_parent_workers_end_and_all_is_settled(tmp_path: Path, shared_provider: FakeProviders) -> None:
    with run_up(tmp_path, "--workers", "2", *to(shared_provider)) as proxy:
        answers = [
            httpx.post(f"{proxy.url}{CHAT_PATH}", json=CHAT, headers=HEADERS, trust_env=False, timeout=60)
            for _ in range(4)
        ]
        orphans = [pid for pids in children(proxy.process.pid).values() for pid in pids]
        proxy.process.kill()
        wait_for(lambda: not [pid for pid in orphans if is_running(pid)])
        assert has_rows_of_all(proxy, [answer.headers["helicone-id"] for answer in answers])
        assert not list((tmp_path / "journal").glob("*.jsonl"))


def is_running(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")
