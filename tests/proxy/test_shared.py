"""Two proxies with data folders of their own, and one Redis: limits and answers are those of one proxy."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from addon.demo.providers import FakeProviders
from tests.proxy.clients import GPT, HELLO, plain
from tests.proxy.conftest import Proxy, run_up, to
from tests.proxy.gathering import LONG, Gathering
from tests.redis_server import RedisServer, needs_redis, running

pytestmark = needs_redis
CONFIG = """
[shared]
url = "$FLEET_REDIS"
timeout_ms = 10000

[[limits]]
name = "house"
quota = 10
window = "1d"
match = { user = "ann" }
"""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def proxies(
    redis: RedisServer, shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Proxy]]:
    with ExitStack() as started:
        found = []
        for name in ("one", "two"):
            data: Path = tmp_path_factory.mktemp(name)
            (data / "heliograph.toml").write_text(CONFIG)
            up = run_up(data, *to(shared_provider), variables={"FLEET_REDIS": redis.url})
            found.append(started.enter_context(up))
        yield found


def ask(proxy: Proxy, headers: dict[str, str], **body: Any) -> httpx.Response:
    request = {"model": GPT, "messages": HELLO, **body}
    named = {"authorization": "Bearer k", **headers}
    return plain(proxy).post("/openai/v1/chat/completions", json=request, headers=named)


def together(
    proxies: list[Proxy], provider: FakeProviders, headers: dict[str, str], count: int
) -> list[httpx.Response]:
    gathering = Gathering(*proxies)
    with ThreadPoolExecutor(count) as pool:
        calls = [pool.submit(ask, proxies[number % len(proxies)], headers) for number in range(count)]
        gathering.answer(provider, count)
        return [call.result() for call in calls]


def test_identical_calls_on_two_machines_are_one_upstream_call(proxies: list[Proxy], provider: FakeProviders) -> None:
    headers = {"Helicone-Cache-Enabled": "true", "Helicone-Cache-Seed": str(uuid.uuid4()), "x-fake": LONG}
    answers = together(proxies, provider, headers, 10)
    assert {answer.status_code for answer in answers} == {200}
    assert len(provider.requests) == 1
    assert sorted(answer.headers["helicone-cache"] for answer in answers) == ["COALESCED"] * 9 + ["MISS"]
    assert [ask(proxy, headers).headers["helicone-cache"] for proxy in proxies] == ["HIT", "HIT"]


def test_a_limit_holds_over_both_and_calls_go_on_without_redis(
    proxies: list[Proxy], provider: FakeProviders, redis: RedisServer
) -> None:
    answers = together(proxies, provider, {"Helicone-User-Id": "ann"}, 24)
    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 14

    redis.stop()
    try:
        answer = ask(proxies[0], {"Helicone-User-Id": "ann", "Helicone-Cache-Enabled": "true"})
        assert answer.status_code == 200, "its own share is not used yet"
        assert proxies[0].row(answer.headers["helicone-id"])["rate_limit_status"] == "unchecked"
        counted = [line for line in plain(proxies[0]).get("/metrics").text.splitlines() if "unchecked_total" in line]
        assert counted[-1].endswith(" 1.0")
    finally:
        redis.start()
