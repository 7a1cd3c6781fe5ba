"""HTTP/2 callers (Codex, curl, Deno): many calls on one connection, each ended by itself."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import h2.connection
import httpx

from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT
from tests.proxy.conftest import Proxy, wait_for
from tests.proxy.gathering import LONG
from tests.proxy.tunnel import http2_tunnel

URL = "https://api.openai.com/v1/chat/completions"
RESPONSES = "https://api.openai.com/v1/responses"
KEY = {"authorization": "Bearer sk-test"}


class OnlyHttp2(ssl.SSLContext):
    """httpx offers HTTP/1.1 first inside a tunnel, and mitmproxy takes the first."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        super().set_alpn_protocols(["h2"])


@asynccontextmanager
async def http2_client(proxy: Proxy) -> AsyncIterator[httpx.AsyncClient]:
    context = OnlyHttp2(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(proxy.ca)
    async with httpx.AsyncClient(
        http1=False, http2=True, proxy=httpx.Proxy(proxy.url), verify=context, trust_env=False, timeout=30
    ) as client:
        yield client


def test_twelve_calls_at_once_on_one_connection_do_not_wait_for_each_other(
    proxy: Proxy, provider: FakeProviders
) -> None:
    """mitmproxy by itself lets five through at a time; the provider answers none of these before it has all."""

    async def calls() -> list[httpx.Response]:
        async with http2_client(proxy) as client:
            pending = [
                asyncio.create_task(client.post(URL, json=CHAT, headers={**KEY, "x-fake": LONG})) for _ in range(12)
            ]
            await asyncio.to_thread(wait_for, lambda: len(provider.requests) == 12)
            provider.answer_now()
            return await asyncio.gather(*pending)

    answers = asyncio.run(calls())
    assert {(answer.status_code, answer.http_version) for answer in answers} == {(200, "HTTP/2")}
    assert {proxy.row(answer.headers["helicone-id"])["status"] for answer in answers} == {200}


def test_a_stream_that_its_caller_resets_after_the_terminal_event_was_answered(proxy: Proxy) -> None:
    body = {"model": "gpt-4o-mini", "input": "Hello", "stream": True}

    async def leave_at_completed() -> str:
        async with http2_client(proxy) as client, client.stream("POST", RESPONSES, json=body, headers=KEY) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("event: response.completed"):
                    return answer.headers["helicone-id"]
        raise AssertionError("no terminal event")

    row = proxy.row(asyncio.run(leave_at_completed()))
    assert (row["status"], row["error_type"], row["usage_source"]) == (200, None, "provider")


def test_a_reset_stream_is_the_callers_leave_and_the_others_go_on(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(chunk_delay_s=0.05, words=400))
    stream = {**CHAT, "stream": True}

    async def one_leaves() -> tuple[str, httpx.Response]:
        async with http2_client(proxy) as client:
            async with client.stream("POST", URL, json=stream, headers=KEY) as answer:
                await anext(answer.aiter_raw())
                request_id = answer.headers["helicone-id"]
            return request_id, await client.post(URL, json=CHAT, headers=KEY)

    request_id, other = asyncio.run(one_leaves())
    assert other.status_code == 200
    row = proxy.row(request_id)
    assert (row["status"], row["error_type"]) == (-3, "client_disconnected")
    assert provider.wait_for(lambda: provider.requests[0].cancelled)


def test_callers_that_leave_at_any_moment_leave_no_call_under_way(proxy: Proxy) -> None:
    """Some while the requests come, some while connections to the provider are opened, some while answers come."""
    body = json.dumps(CHAT).encode()
    head = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "api.openai.com"),
        (":path", "/v1/chat/completions"),
    ]
    for number in range(40):
        speaks = h2.connection.H2Connection()
        speaks.initiate_connection()
        for stream in (1, 3, 5):
            speaks.send_headers(stream, [*head, *KEY.items()])
            speaks.send_data(stream, body, end_stream=True)
        if number % 3 == 1:
            speaks.reset_stream(5)
        with http2_tunnel(proxy, "api.openai.com") as caller:
            caller.sendall(speaks.data_to_send())
            time.sleep(number % 20 / 1000)
    health = f"{proxy.url}/healthz"
    wait_for(lambda: httpx.get(health, trust_env=False).json()["calls"]["under_way"] == 0)


def test_a_failure_is_json_over_http2_too(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(no_answer=True))

    async def call() -> httpx.Response:
        async with http2_client(proxy) as client:
            return await client.post(URL, json=CHAT, headers=KEY)

    answer = asyncio.run(call())
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "upstream_disconnected")


def test_a_base_url_with_tls_reaches_the_proxy_itself(proxy: Proxy) -> None:
    async def call() -> httpx.Response:
        context = OnlyHttp2(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(proxy.ca)
        async with httpx.AsyncClient(http1=False, http2=True, verify=context, trust_env=False, timeout=60) as client:
            url = proxy.url.replace("http://127.0.0.1", "https://localhost")
            return await client.post(f"{url}/openai/v1/chat/completions", json=CHAT, headers=KEY)

    answer = asyncio.run(call())
    assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
    assert proxy.row(answer.headers["helicone-id"])["mode"] == "reverse"
