"""Identical calls at the same time share one upstream call, where the cache is on."""

import asyncio
import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from openai import AsyncOpenAI

from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.proxy.clients import CLAUDE, GPT, HELLO, anthropic_client, openai_client, plain
from tests.proxy.conftest import Proxy, run_up, to, wait_for
from tests.proxy.gathering import LONG, SLOW_STREAM, Gathering
from tests.proxy.test_http2 import URL, http2_client
from tests.sockets import head_of

CHAT_PATH = "/openai/v1/chat/completions"


def cached(**more: str) -> dict[str, str]:
    """Headers with a seed of their own, so that tests share nothing."""
    return {"Helicone-Cache-Enabled": "true", "Helicone-Cache-Seed": str(uuid.uuid4()), **more}


def ask(proxy: Proxy, headers: dict[str, str], **body: Any) -> httpx.Response:
    request = {"model": GPT, "messages": HELLO, **body}
    return plain(proxy).post(CHAT_PATH, json=request, headers={"authorization": "Bearer k", **headers})


@contextlib.contextmanager
def asking(proxy: Proxy, headers: dict[str, str], **body: Any) -> Iterator[httpx.Response]:
    """A stream under way: its head is in."""
    request = {"model": GPT, "messages": HELLO, "stream": True, **body}
    with (
        plain(proxy) as client,
        client.stream("POST", CHAT_PATH, json=request, headers={"authorization": "Bearer k", **headers}) as answer,
    ):
        yield answer


class Raw:
    """A caller on a plain socket that can disconnect at any moment."""

    def __init__(self, proxy: Proxy, headers: dict[str, str], body: bytes) -> None:
        self.proxy, address = proxy, urlsplit(proxy.url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=30)
        named = {"host": "localhost", "authorization": "Bearer k", "content-type": "application/json", **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        self.socket.sendall(f"POST {CHAT_PATH} HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    def leave(self) -> None:
        """When it returns the proxy knows of it: it has answered a question that came later."""
        self.socket.close()
        self.proxy.seen()


def together[T](proxy: Proxy, provider: FakeProviders, count: int, call: Callable[[], T]) -> list[T]:
    """Their answers; the provider waits with its own until all calls are there, if they ask for it (LONG)."""
    gathering = Gathering(proxy)
    with ThreadPoolExecutor(count) as pool:
        calls = [pool.submit(call) for _ in range(count)]
        gathering.answer(provider, count)
        return [each.result() for each in calls]


def test_200_identical_calls_at_once_are_one_upstream_call(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"x-fake": LONG})
    gathering, held_s = Gathering(proxy), 0.5

    def let_them_wait() -> None:
        gathering.wait(200, 300)
        time.sleep(held_s)  # of each call's time so much at least is the provider's
        gathering.answer(provider, 200)

    async def ask_all() -> list[Any]:
        async with AsyncOpenAI(
            api_key="sk-test",
            base_url=f"{proxy.url}/openai/v1",
            default_headers=headers,
            max_retries=0,
            timeout=300,  # its own gives up a connection after 5 s, and 200 at once are more than a queue holds
        ) as client:
            create = client.chat.completions.with_raw_response.create
            calls = asyncio.gather(*(create(model=GPT, messages=HELLO) for _ in range(200)))
            await asyncio.to_thread(let_them_wait)
            return await calls

    answers = asyncio.run(ask_all())
    assert len(provider.requests) == 1
    assert len({answer.content for answer in answers}) == 1
    assert sorted(answer.headers["helicone-cache"] for answer in answers) == ["COALESCED"] * 199 + ["MISS"]
    (leader,) = [answer for answer in answers if answer.headers["helicone-cache"] == "MISS"]
    first = proxy.row(leader.headers["helicone-id"])
    ids = {answer.headers["helicone-id"] for answer in answers} - {first["request_id"]}
    rows = wait_for(
        lambda: found if len(found := proxy.rows("cache_reference_id = $id", id=first["request_id"])) == 199 else []
    )
    assert {row["request_id"] for row in rows} == ids
    assert first["cost_nanousd"] > 0
    assert (first["cache_status"], first["attempts"], first["cache_reference_id"]) == ("miss", 1, None)
    for row in rows:
        assert (row["cache_status"], row["status"], row["error_type"], row["attempts"]) == ("coalesced", 200, None, 0)
        assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (0, 0, 0)
        assert row["saved_nanousd"] == first["cost_nanousd"]
        assert row["overhead_ms"] <= row["duration_ms"] - held_s * 1000 + 5, (
            "the provider's time is not ours"
        )  # rounded


def test_a_late_caller_gets_the_answer_so_far_and_then_follows_live(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"x-fake": SLOW_STREAM})
    with asking(proxy, headers) as leader:
        pieces = leader.iter_raw()
        heard = next(pieces) + next(pieces) + next(pieces)
        with asking(proxy, headers) as follower:
            assert follower.headers["helicone-cache"] == "COALESCED"
            assert follower.headers["content-type"] == leader.headers["content-type"]
            said = follower.iter_raw()
            so_far = b""
            while len(so_far) < len(heard):  # at once, though the provider has more than a minute to go
                so_far += next(said)
            assert so_far.startswith(heard)
            assert b"[DONE]" not in so_far
            provider.answer_now()
            whole = so_far + b"".join(said)
        assert whole == heard + b"".join(pieces)
    assert len(provider.requests) == 1
    assert whole.rstrip().endswith(b"[DONE]")


def test_sdk_streams_share_an_answer(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"x-fake": "chunk-delay=0.05"})

    def words(_: int) -> str:
        client = openai_client(proxy, "forward", headers)
        stream = client.chat.completions.create(model=GPT, messages=HELLO, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

    with ThreadPoolExecutor(8) as pool:
        assert len(texts := set(pool.map(words, range(8)))) == 1
    assert texts.pop()
    assert len(provider.requests) == 1


def test_anthropic_streams_share_an_answer(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"x-fake": "chunk-delay=0.05"})

    def words(_: int) -> str:
        client = anthropic_client(proxy, "path prefix", headers)
        with client.messages.stream(model=CLAUDE, max_tokens=64, messages=HELLO) as stream:
            return stream.get_final_text()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(words, range(4)))) == 1
    assert len(provider.requests) == 1


def test_the_next_call_is_a_hit(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"x-fake": LONG})
    first, *_ = together(proxy, provider, 4, lambda: ask(proxy, headers))
    again = wait_for(lambda: [answer] if (answer := ask(proxy, headers)).headers["helicone-cache"] == "HIT" else [])[0]
    assert again.content == first.content
    assert len(provider.requests) == 1


def test_a_call_that_comes_when_the_answer_is_complete_is_a_hit_stored_or_not(
    proxy: Proxy, provider: FakeProviders
) -> None:
    """Waits for the answer, which may not be stored yet."""
    with plain(proxy) as client:
        for _ in range(20):
            headers = {"authorization": "Bearer k", **cached()}
            asked = [client.post(CHAT_PATH, json={"model": GPT, "messages": HELLO}, headers=headers) for _ in range(2)]
            assert [answer.headers["helicone-cache"] for answer in asked] == ["MISS", "HIT"]
            assert asked[0].content == asked[1].content
    rows = [proxy.row(answer.headers["helicone-id"]) for answer in asked]
    assert [row["cache_status"] for row in rows] == ["miss", "hit"]
    assert len(provider.requests) == 20


# Callers that leave.


@pytest.mark.parametrize("words", [LONG, SLOW_STREAM])
def test_if_the_first_caller_leaves_the_others_still_get_their_answer(
    proxy: Proxy, provider: FakeProviders, words: str
) -> None:
    headers = cached(**{"x-fake": words, "accept-encoding": "gzip, deflate, br, zstd"})
    body = httpx.Request("POST", "http://x", json={"model": GPT, "messages": HELLO, "stream": True}).content
    leader_id = str(uuid.uuid4())
    leader = Raw(proxy, {**headers, "Helicone-Request-Id": leader_id}, body)
    assert provider.wait_for(lambda: len(provider.requests) == 1)
    gathering = Gathering(proxy)
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(ask, proxy, headers, stream=True) for _ in range(3)]
        gathering.wait(3)
        leader.leave()
        provider.answer_now()
        answers = [call.result() for call in calls]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["helicone-cache"] == "COALESCED"
        assert answer.text.rstrip().endswith("[DONE]")
    assert len(provider.requests) == 1
    assert not provider.requests[0].cancelled
    row = proxy.row(leader_id)  # the call was made and is billed, so its row has what it cost
    assert (row["status"], row["error_type"], row["cache_status"]) == (-3, "client_disconnected", "miss")
    assert row["cost_nanousd"] > 0
    assert row["output_tokens"] > 0
    hit = wait_for(lambda: [a] if (a := ask(proxy, headers, stream=True)).headers["helicone-cache"] == "HIT" else [])[0]
    assert hit.content == answers[0].content


def test_if_the_first_caller_leaves_a_tunnel_the_others_still_get_their_answer(
    proxy: Proxy, provider: FakeProviders
) -> None:
    headers = cached(**{"x-fake": SLOW_STREAM})
    leading = openai_client(proxy, "forward", headers)
    stream = leading.chat.completions.create(model=GPT, messages=HELLO, stream=True)
    next(iter(stream))
    gathering = Gathering(proxy)
    with ThreadPoolExecutor(1) as pool:
        follower = openai_client(proxy, "forward", headers)
        call = pool.submit(lambda: list(follower.chat.completions.create(model=GPT, messages=HELLO, stream=True)))
        gathering.wait(1)
        stream.close()
        leading.close()
        provider.answer_now()
        assert call.result()[-1].choices[0].finish_reason == "stop"
    assert len(provider.requests) == 1


def test_if_the_first_caller_resets_its_http2_stream_the_others_still_get_their_answer(
    proxy: Proxy, provider: FakeProviders
) -> None:
    headers = cached(**{"x-fake": SLOW_STREAM, "authorization": "Bearer k"})
    request = {"model": GPT, "messages": HELLO, "stream": True}

    def start(client: httpx.AsyncClient) -> contextlib.AbstractAsyncContextManager[httpx.Response]:
        return client.stream("POST", URL, json=request, headers=headers)

    async def leave_and_listen() -> bytes:
        async with http2_client(proxy) as client, contextlib.AsyncExitStack() as following:
            async with start(client) as leader:
                await anext(leader.aiter_raw())
                follower = await following.enter_async_context(start(client))
            assert follower.headers["helicone-cache"] == "COALESCED"
            provider.answer_now()
            return b"".join([piece async for piece in follower.aiter_raw()])

    assert asyncio.run(leave_and_listen()).rstrip().endswith(b"[DONE]")
    assert len(provider.requests) == 1


def test_if_all_leave_the_provider_is_left_too(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"x-fake": SLOW_STREAM})
    body = httpx.Request("POST", "http://x", json={"model": GPT, "messages": HELLO, "stream": True}).content
    ids = [str(uuid.uuid4()) for _ in range(3)]
    callers = []
    for each in ids:
        callers.append(Raw(proxy, {**headers, "Helicone-Request-Id": each}, body))
        assert provider.wait_for(lambda: len(provider.requests) == 1)
    wait_for(lambda: all(caller.socket.recv(65536) for caller in callers))
    callers.pop(0).leave()
    for _ in range(5):
        assert callers[0].socket.recv(65536)  # more words
    assert not provider.requests[0].cancelled
    for caller in callers:
        caller.leave()
    assert provider.wait_for(lambda: provider.requests[0].cancelled, 30)
    assert [proxy.row(each)["status"] for each in ids] == [-3, -3, -3]
    assert proxy.row(ids[0])["cost_nanousd"] > 0
    assert [proxy.row(each)["cost_nanousd"] for each in ids[1:]] == [0, 0]
    answer = ask(proxy, {**headers, "x-fake": "words=3"}, stream=True)  # and nobody waits for what is gone
    assert answer.headers["helicone-cache"] == "MISS"


def test_a_follower_that_leaves_does_not_disturb_the_others(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"x-fake": SLOW_STREAM, "accept-encoding": "gzip, deflate, br, zstd"})
    body = httpx.Request("POST", "http://x", json={"model": GPT, "messages": HELLO, "stream": True}).content
    with asking(proxy, headers) as leader:
        pieces = leader.iter_raw()
        next(pieces)
        follower_id = str(uuid.uuid4())
        follower = Raw(proxy, {**headers, "Helicone-Request-Id": follower_id}, body)
        assert b"COALESCED" in head_of(follower.socket)
        follower.leave()
        provider.answer_now()
        assert b"".join(pieces).rstrip().endswith(b"[DONE]")
    row = proxy.row(follower_id)
    assert (row["status"], row["cache_status"], row["cost_nanousd"]) == (-3, "coalesced", 0)
    assert len(provider.requests) == 1


# What goes wrong upstream.


@pytest.mark.parametrize(
    ("wish", "status", "error_type"),
    [
        (f"{LONG};status=500", 500, "server_error"),
        (f"{LONG};status=429", 429, "rate_limit_error"),
        (f"{LONG};no-answer=1", 502, "upstream_disconnected"),
    ],
)
def test_a_failure_is_everybodys(
    proxy: Proxy, provider: FakeProviders, wish: str, status: int, error_type: str
) -> None:
    headers = cached(**{"x-fake": wish})
    answers = together(proxy, provider, 5, lambda: ask(proxy, headers))
    assert [answer.status_code for answer in answers] == [status] * 5
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["error"]["message"]
    assert len(provider.requests) == 1
    rows = [proxy.row(answer.headers["helicone-id"]) for answer in answers]
    assert {row["error_type"] for row in rows} == {rows[0]["error_type"]}
    assert sorted(row["cache_status"] for row in rows) == ["coalesced"] * 4 + ["miss"]
    assert ask(proxy, {**headers, "x-fake": "delay=0"}).headers["helicone-cache"] == "MISS"  # and is not stored


def test_a_cut_stream_is_cut_for_everybody(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"x-fake": f"{LONG};chunk-delay=0.1;cut=4"})
    ids: list[str] = []

    def listen() -> bytes:
        heard = b""
        with asking(proxy, headers) as answer:
            ids.append(answer.headers["helicone-id"])
            with pytest.raises(httpx.RemoteProtocolError):
                for piece in answer.iter_raw():
                    heard += piece
        return heard

    assert len(heard := set(together(proxy, provider, 3, listen))) == 1
    assert heard.pop().count(b"data:") == 4
    assert len(provider.requests) == 1
    assert {proxy.row(each)["error_type"] for each in ids} == {"upstream_disconnected"}
    assert {proxy.row(each)["status"] for each in ids} == {200}


def test_the_first_callers_retries_are_everybodys(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"Helicone-Retry-Enabled": "true", "Helicone-Retry-Min-Timeout": "300"})
    provider.script(Behaviour(status=503, delay_s=1000))
    answers = together(proxy, provider, 5, lambda: ask(proxy, headers))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert sorted(answer.headers["helicone-attempts"] for answer in answers) == ["0", "0", "0", "0", "2"]
    assert len(provider.requests) == 2


def test_a_retry_goes_on_for_the_others_when_the_first_caller_leaves(proxy: Proxy, provider: FakeProviders) -> None:
    retry = {"Helicone-Retry-Enabled": "true", "Helicone-Retry-Min-Timeout": "1500"}
    headers = cached(**{**retry, "accept-encoding": "gzip, deflate, br, zstd"})
    body = httpx.Request("POST", "http://x", json={"model": GPT, "messages": HELLO}).content
    provider.script(Behaviour(status=503))
    leader = Raw(proxy, headers, body)
    assert provider.wait_for(lambda: len(provider.requests) == 1)
    gathering = Gathering(proxy)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, proxy, headers)
        gathering.wait(1)
        leader.leave()
        assert call.result().status_code == 200
    assert len(provider.requests) == 2


# Calls that do not share.


@pytest.mark.parametrize(
    "other",
    [
        {"authorization": "Bearer somebody-else"},
        {"Helicone-Cache-Seed": "shared with nobody"},
        {"Helicone-Cache-Enabled": "false"},
        {"accept-encoding": "identity"},
    ],
)
def test_what_is_not_identical_makes_its_own_call(proxy: Proxy, provider: FakeProviders, other: dict[str, str]) -> None:
    headers = cached(**{"x-fake": LONG})
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(ask, proxy, headers), pool.submit(ask, proxy, {**headers, **other})]
        wait_for(lambda: len(provider.requests) == 2)
        provider.answer_now()
        assert [call.result().status_code for call in calls] == [200, 200]
    assert len(provider.requests) == 2


def test_while_a_bucket_fills_every_call_is_its_own(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"x-fake": LONG, "Helicone-Cache-Bucket-Max-Size": "3"})
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(ask, proxy, headers) for _ in range(3)]
        wait_for(lambda: len(provider.requests) == 3)
        provider.answer_now()
        answers = [call.result() for call in calls]
    assert {answer.headers["helicone-cache"] for answer in answers} == {"MISS"}
    assert len(provider.requests) == 3


def test_calls_that_share_an_answer_are_not_limited(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"x-fake": LONG, "Helicone-RateLimit-Policy": "1;w=600;s=user"})
    headers["Helicone-User-Id"] = str(uuid.uuid4())
    answers = together(proxy, provider, 6, lambda: ask(proxy, headers))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len(provider.requests) == 1
    refused = ask(proxy, headers, temperature=1)
    assert refused.status_code == 429  # the one that was sent has used the quota up


def test_a_refusal_by_our_own_limit_is_not_shared(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached(**{"x-fake": "delay=0.5", "Helicone-RateLimit-Policy": "1;w=600;s=user"})
    headers["Helicone-User-Id"] = str(uuid.uuid4())
    assert ask(proxy, headers).status_code == 200  # the quota is used up
    other = cached(**{"x-fake": "delay=0.5"})
    mine = {**headers, "Helicone-Cache-Seed": other["Helicone-Cache-Seed"]}
    answers: list[int] = []
    barrier = threading.Barrier(2)

    def run(wanted: dict[str, str]) -> None:
        barrier.wait()
        answers.append(ask(proxy, wanted, temperature=0.5).status_code)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, [mine, other]))
    assert 200 in answers  # one call of the three: a refused call has no followers


def test_identical_calls_of_two_processes_are_one_upstream_call(proxy: Proxy, provider: FakeProviders) -> None:
    with run_up(proxy.data, *to(provider)) as other:
        headers = cached(**{"x-fake": LONG})
        proxies, gathering = [proxy, other] * 5, Gathering(proxy, other)
        with ThreadPoolExecutor(len(proxies)) as pool:
            calls = [pool.submit(ask, each, headers) for each in proxies]
            gathering.answer(provider, len(proxies))
            answers = [call.result() for call in calls]
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert len(provider.requests) == 1
        told = sorted(answer.headers["helicone-cache"] for answer in answers)
        assert told == ["COALESCED"] * 9 + ["MISS"]

        provider.requests.clear()  # a refusal is stored nowhere: the others go on by themselves at once
        headers = cached(**{"x-fake": "delay=1;status=400"})
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda each: ask(each, headers), [proxy, other]))
        assert {answer.status_code for answer in answers} == {400}
        assert len(provider.requests) == 2
