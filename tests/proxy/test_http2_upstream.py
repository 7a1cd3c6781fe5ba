"""Retries and fallbacks where the providers speak HTTP/2: many calls share a connection, and each has a stream of its own."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT
from tests.proxy.conftest import Proxy, run_mitmdump
from tests.proxy.http2_provider import Http2Provider
from tests.proxy.test_http2 import KEY, URL, http2_client

RETRY = {"Helicone-Retry-Enabled": "true", "Helicone-Retry-Num": "2", "Helicone-Retry-Min-Timeout": "10"}
STREAM = {**CHAT, "stream": True}


def fallbacks(*targets: str) -> dict[str, str]:
    return {
        "Helicone-Fallbacks": json.dumps(
            [
                {"target-url": target, "headers": {"Authorization": f"Bearer {index}"}, "onCodes": ["500-599"]}
                for index, target in enumerate(targets)
            ]
        )
    }


@contextmanager
def run(data: Path, openai: str, groq: str) -> Iterator[Proxy]:
    """Plain mitmdump, which can be told to trust the certificates of a test."""
    upstreams = [f"--set=heliograph_upstreams=openai={openai}", f"--set=heliograph_upstreams=groq={groq}"]
    with run_mitmdump(data, "--set=ssl_insecure=true", *upstreams) as proxy:
        yield proxy
        assert not [line for line in proxy.said if "Traceback" in line], "\n".join(proxy.said)


def ask(proxy: Proxy, headers: dict[str, str], count: int = 1, body: dict[str, Any] = CHAT) -> list[httpx.Response]:
    """Calls on one HTTP/2 connection: one, which opens what is to be opened upstream, then the others at once."""

    async def calls() -> list[httpx.Response]:
        async with http2_client(proxy) as client:
            first = await client.post(URL, json=body, headers={**KEY, **headers})
            rest = (client.post(URL, json=body, headers={**KEY, **headers}) for _ in range(count - 1))
            return [first, *await asyncio.gather(*rest)]

    return asyncio.run(calls())


def test_a_call_is_tried_again_on_the_same_connection(tmp_path: Path) -> None:
    with Http2Provider(tmp_path / "a", 500, "reset") as first, run(tmp_path, first.url, first.url) as proxy:
        (answer,) = ask(proxy, RETRY, body=STREAM)
        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        assert answer.text.rstrip().endswith("[DONE]")
        assert (len(first.requests), first.connections) == (3, 1)
        assert proxy.row(answer.headers["helicone-id"])["attempts"] == 3


def test_a_call_falls_back_from_one_provider_to_another(tmp_path: Path) -> None:
    with (
        Http2Provider(tmp_path / "a", 503, "reset", 503) as first,
        Http2Provider(tmp_path / "b") as second,
        run(tmp_path, first.url, second.url) as proxy,
    ):
        for body in (CHAT, STREAM, CHAT):
            headers = fallbacks("https://api.openai.com", "https://api.groq.com/openai/v1")
            (answer,) = ask(proxy, headers, body=body)
            assert (answer.status_code, answer.headers["helicone-fallback-index"]) == (200, "1")
            row = proxy.row(answer.headers["helicone-id"])
            assert (row["provider_name"], row["attempts"], row["status"]) == ("groq", 2, 200)
        assert (len(first.requests), len(second.requests)) == (3, 3)
        named = dict(second.requests[0].headers)
        assert (named[":path"], named["authorization"]) == ("/openai/v1/chat/completions", "Bearer 1")
        assert named[":authority"] == second.url.removeprefix("https://")


def test_a_call_falls_back_to_a_provider_that_speaks_http1_and_the_other_way_round(
    tmp_path: Path,
) -> None:
    with (
        FakeProviders() as old,
        Http2Provider(tmp_path / "a", 500) as new,
        run(tmp_path, new.url, old.url) as proxy,
    ):
        (answer,) = ask(proxy, fallbacks("https://api.openai.com", "https://api.groq.com/openai/v1"), body=STREAM)
        assert answer.text.rstrip().endswith("[DONE]")
        assert (len(new.requests), len(old.requests)) == (1, 1)
        entries = json.loads(
            fallbacks("https://api.groq.com/openai/v1", "https://api.openai.com/v1")["Helicone-Fallbacks"]
        )
        entries[0]["headers"]["x-fake"] = "status=500"
        (answer,) = ask(proxy, {"Helicone-Fallbacks": json.dumps(entries)}, body=STREAM)
        assert answer.text.rstrip().endswith("[DONE]")
        assert (len(new.requests), len(old.requests)) == (2, 2)


def test_calls_that_share_a_connection_each_fall_back_for_themselves(tmp_path: Path) -> None:
    with (
        Http2Provider(tmp_path / "a", *([500, 200] * 6)) as first,
        Http2Provider(tmp_path / "b") as second,
        run(tmp_path, first.url, second.url) as proxy,
    ):
        answers = ask(proxy, fallbacks("https://api.openai.com", "https://api.groq.com/openai/v1"), count=12)
        assert {answer.status_code for answer in answers} == {200}
        assert sorted(answer.headers["helicone-fallback-index"] for answer in answers) == ["0"] * 6 + ["1"] * 6
        assert (len(first.requests), len(second.requests)) == (12, 6)
        assert (first.connections, second.connections) == (1, 1)
