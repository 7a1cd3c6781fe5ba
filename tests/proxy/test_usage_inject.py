"""`[usage] inject = true`: every OpenAI-shaped stream states its usage, and no caller sees it who did not ask."""

import asyncio
import contextlib
import json
import re
import sqlite3
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from addon.config.settings import ConfigError, load
from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT, CLAUDE, GPT, HELLO, WAYS, anthropic_client, openai_client, plain
from tests.proxy.conftest import Proxy, run_up, to, wait_for
from tests.proxy.gathering import LONG, Gathering
from tests.proxy.test_http2 import http2_client

CHAT_PATH = "/openai/v1/chat/completions"
KEY = {"authorization": "Bearer sk-test"}
STREAM = {**CHAT, "stream": True}
ASKED = {**STREAM, "stream_options": {"include_usage": True}}
COMPLETION = {"model": "gpt-3.5-turbo-instruct", "prompt": "Where is my parcel?", "stream": True}


@pytest.fixture(scope="module")
def shared_injecting(shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    data = tmp_path_factory.mktemp("inject")
    (data / "heliograph.toml").write_text("[usage]\ninject = true\n")
    with run_up(data, *to(shared_provider)) as proxy:
        yield proxy
        assert proxy.stop() == 0
        assert not [line for line in proxy.said if "Traceback" in line], "\n".join(proxy.said)


@pytest.fixture
def injecting(shared_injecting: Proxy, provider: FakeProviders) -> Proxy:
    return shared_injecting


def without_ids(content: bytes) -> bytes:
    """The fake provider's ids follow from the request, which is another with the option in it."""
    return re.sub(rb'"id":"[a-z]+-[0-9a-f]+"', b'"id":""', content)


def raw(
    proxy: Proxy, body: dict[str, Any] = STREAM, path: str = CHAT_PATH, **headers: str
) -> tuple[httpx.Response, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with plain(proxy).stream("POST", path, json=body, headers={**KEY, **named}) as answer:
        return answer, b"".join(answer.iter_raw())


def is_stored(proxy: Proxy, seed: str) -> bool:
    """A hit alone may be of an answer that is on its way into the store, for callers that read the same encodings."""
    with contextlib.closing(sqlite3.connect(f"file:{proxy.data}/cache.sqlite?mode=ro", uri=True)) as store:
        return bool(store.execute("select 1 from entries where seed = ?", [seed]).fetchall())


def has_usage(content: bytes) -> bool:
    return b'"choices":[],"usage":{' in content


@pytest.mark.parametrize("way", WAYS)
def test_the_openai_sdk_gets_the_chunks_that_it_would_have_got(
    proxy: Proxy, injecting: Proxy, provider: FakeProviders, way: str
) -> None:
    chunks: dict[Proxy, list[dict[str, Any]]] = {}
    for through in (proxy, injecting):
        stream = openai_client(through, way).chat.completions.create(model=GPT, messages=HELLO, stream=True)
        chunks[through] = [{**chunk.model_dump(exclude_unset=True), "id": ""} for chunk in stream]
        assert all(chunk["choices"] and "usage" not in chunk for chunk in chunks[through])
    assert chunks[injecting] == chunks[proxy]
    assert [json.loads(request.body).get("stream_options") for request in provider.requests] == [
        None,
        {"include_usage": True},
    ]
    row = injecting.row(stream.response.headers["helicone-id"])
    asked, _ = raw(proxy, ASKED)
    as_asked = proxy.row(asked.headers["helicone-id"])
    assert (row["usage_source"], row["status"], row["error_type"]) == ("provider", 200, None)
    for column in ("input_tokens", "output_tokens", "cost_nanousd", "cost_source", "usage_raw", "finish_reasons"):
        assert row[column] == as_asked[column], column
    assert row["cost_nanousd"] > 0


@pytest.mark.parametrize(("path", "body"), [(CHAT_PATH, STREAM), ("/openai/v1/completions", COMPLETION)])
def test_the_bytes_are_those_of_a_stream_that_was_not_asked(
    proxy: Proxy, injecting: Proxy, path: str, body: dict[str, Any]
) -> None:
    unasked, expected = raw(proxy, body, path)
    answer, content = raw(injecting, body, path)
    assert without_ids(content) == without_ids(expected)
    assert "helicone-warning" not in answer.headers
    row = injecting.row(answer.headers["helicone-id"])
    assert row["usage_source"] == "provider"
    kept = injecting.body(row["request_id"])
    assert has_usage(kept["response_body"].encode())
    assert json.loads(kept["request_body"])["stream_options"] == {"include_usage": True}
    assert proxy.row(unasked.headers["helicone-id"])["usage_source"] == "estimated"


def test_the_async_sdk_sees_nothing_of_it_either(injecting: Proxy) -> None:
    async def ask() -> tuple[list[Any], str]:
        async with AsyncOpenAI(api_key="k", base_url=f"{injecting.url}/openai/v1", max_retries=0) as client:
            stream = await client.chat.completions.create(model=GPT, messages=HELLO, stream=True)
            return [chunk async for chunk in stream], stream.response.headers["helicone-id"]

    chunks, request_id = asyncio.run(ask())
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert injecting.row(request_id)["usage_source"] == "provider"


def test_over_http2_as_well(injecting: Proxy, proxy: Proxy) -> None:
    async def ask() -> httpx.Response:
        async with http2_client(injecting) as client:
            return await client.post("https://api.openai.com/v1/chat/completions", json=STREAM, headers=KEY)

    answer = asyncio.run(ask())
    assert answer.http_version == "HTTP/2"
    assert without_ids(answer.content) == without_ids(raw(proxy)[1])


@pytest.mark.parametrize(
    ("body", "headers"),
    [(ASKED, {}), (STREAM, {"Helicone_Stream_Usage": "true"}), (ASKED, {"Helicone_Stream_Usage": "true"})],
)
def test_a_caller_that_asks_sees_the_usage(injecting: Proxy, body: dict[str, Any], headers: dict[str, str]) -> None:
    assert has_usage(raw(injecting, body, **headers)[1])


def test_a_caller_that_says_no_does_not_see_it(injecting: Proxy) -> None:
    answer, content = raw(injecting, {**STREAM, "stream_options": {"include_usage": False}})
    assert b"usage" not in content
    assert injecting.row(answer.headers["helicone-id"])["usage_source"] == "provider"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT_PATH, CHAT),
        ("/openai/v1/responses", {"model": GPT, "input": "Hi", "stream": True}),
        ("/openai/v1/embeddings", {"model": "text-embedding-3-small", "input": "Hi"}),
        ("/anthropic/v1/messages", {"model": CLAUDE, "max_tokens": 9, "messages": HELLO, "stream": True}),
    ],
)
def test_everything_else_passes_untouched(
    proxy: Proxy, injecting: Proxy, provider: FakeProviders, path: str, body: dict[str, Any]
) -> None:
    expected, content = raw(proxy, body, path)[1], raw(injecting, body, path)[1]
    assert content == expected
    first, second = provider.requests
    assert first.body == second.body
    assert first.header("accept-encoding") == second.header("accept-encoding") != "identity"


def test_an_anthropic_stream_is_as_it_was(injecting: Proxy) -> None:
    with anthropic_client(injecting).messages.stream(model=CLAUDE, max_tokens=64, messages=HELLO) as stream:
        assert stream.get_final_message().usage.output_tokens


def test_a_signed_request_is_left_alone(injecting: Proxy, provider: FakeProviders) -> None:
    raw(injecting, authorization="AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/bedrock/aws4_request")
    assert "stream_options" not in json.loads(provider.requests[0].body)


@pytest.mark.parametrize("value", ["1", '"true"'])
def test_a_setting_that_cannot_be_read_says_so(tmp_path: Path, value: str) -> None:
    (tmp_path / "heliograph.toml").write_text(f"[usage]\ninject = {value}\n")
    with pytest.raises(ConfigError, match=r"usage\.inject: .* is neither true nor false"):
        load(tmp_path)


# Compression. What is compressed cannot be cut as it passes, so such a call is asked for without.


def test_the_provider_is_asked_not_to_compress_what_is_to_be_cut(injecting: Proxy, provider: FakeProviders) -> None:
    raw(injecting, accept_encoding="gzip, br")
    raw(injecting, ASKED, accept_encoding="gzip, br")
    assert [request.header("accept-encoding") for request in provider.requests] == ["identity", "gzip, br"]


def test_a_provider_that_compresses_nevertheless_is_passed_on_with_a_warning(
    injecting: Proxy, provider: FakeProviders
) -> None:
    provider.script(Behaviour(encoding="gzip"))
    answer = plain(injecting).post(CHAT_PATH, json=STREAM, headers=KEY)
    assert has_usage(answer.content)
    assert "compressed" in answer.headers["helicone-warning"]


def test_a_stream_of_known_length_gets_no_wrong_one(proxy: Proxy, injecting: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(content_type="text/event-stream"), times=2)
    unasked, expected = raw(proxy)
    answer, content = raw(injecting)
    assert ("content-length" in unasked.headers, "content-length" in answer.headers) == (True, False)
    assert without_ids(content) == without_ids(expected)
    with plain(injecting) as caller:  # the connection is as good as before
        for _ in range(3):
            provider.script(Behaviour(content_type="text/event-stream"))
            assert caller.post(CHAT_PATH, json=STREAM, headers=KEY).text.endswith("data: [DONE]\n\n")


# Streams that do not end well.

EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"word %d"}}],"usage":null}\n\n'
SHOWN = EVENT.replace(b',"usage":null', b"")


def shown(sent: bytes) -> bytes:
    """What a caller sees of so much of a stream: of an event that is not whole, all."""
    events, end, rest = sent.rpartition(b"\n\n")
    return events.replace(b',"usage":null', b"") + end + rest


def until_cut(proxy: Proxy) -> tuple[bytes, str]:
    got = b""
    with plain(proxy).stream("POST", CHAT_PATH, json=STREAM, headers=KEY) as answer:
        with pytest.raises(httpx.RemoteProtocolError):
            for piece in answer.iter_raw():
                got += piece
        return got, answer.headers["helicone-id"]


def test_of_a_stream_that_is_cut_nothing_is_lost(injecting: Proxy, provider: FakeProviders) -> None:
    body = b"".join(EVENT % number for number in range(4))
    cut_at = -(-len(body) // 8) * 3  # in the middle of the second event
    provider.script(Behaviour(body=body, content_type="text/event-stream", cut_after=3))
    got, request_id = until_cut(injecting)
    assert got == SHOWN % 0 + body[len(EVENT % 0) : cut_at]
    row = injecting.row(request_id)
    assert (row["status"], row["error_type"], row["usage_source"]) == (200, "upstream_disconnected", "estimated")
    assert injecting.body(request_id)["response_body"].encode() == body[:cut_at]


def test_of_a_usage_chunk_that_is_cut_the_caller_sees_nothing(injecting: Proxy, provider: FakeProviders) -> None:
    usage = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":' + b"1" * 100
    provider.script(Behaviour(body=SHOWN % 0 + usage, content_type="text/event-stream", cut_after=7))
    assert until_cut(injecting)[0] == SHOWN % 0


def test_a_stream_that_our_own_timeout_cuts_leaves_what_was_held(injecting: Proxy, provider: FakeProviders) -> None:
    body = b"".join(EVENT % number for number in range(4))
    provider.script(Behaviour(body=body, content_type="text/event-stream", chunk_delay_s=0.5))
    got = b""
    with (
        plain(injecting).stream(
            "POST", CHAT_PATH, json=STREAM, headers={**KEY, "Helicone-Timeout": "idle=20;total=3.5"}
        ) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        for piece in answer.iter_raw():
            got += piece
    eighth = -(-len(body) // 8)
    assert got in [shown(body[: pieces * eighth]) for pieces in range(2, 8)], "as many as came in the time"


def test_an_error_event_passes(injecting: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(error_after=3))
    answer, content = raw(injecting)
    assert b'"error"' in content
    assert injecting.row(answer.headers["helicone-id"])["error_type"] == "server_error"


def test_a_json_error_passes(injecting: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=429, headers=(("retry-after", "7"),)))
    answer, content = raw(injecting)
    assert (answer.status_code, json.loads(content)["error"]["type"]) == (429, "requests")


def test_the_first_piece_is_not_held_back(injecting: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(chunk_delay_s=1, words=60))
    with plain(injecting).stream("POST", CHAT_PATH, json=STREAM, headers=KEY) as answer:
        assert next(answer.iter_raw()).endswith(b"}\n\n")
    assert provider.wait_for(lambda: provider.requests[-1].cancelled)


def test_a_retried_stream_is_filtered_once(proxy: Proxy, injecting: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=500), times=2)
    answer, content = raw(injecting, Helicone_Retry_Enabled="true", Helicone_Retry_Min_Timeout="10")
    assert answer.headers["helicone-attempts"] == "3"
    assert without_ids(content) == without_ids(raw(proxy)[1])


# The cache: one answer for those who asked and those who did not.


@pytest.mark.parametrize("first_asks", [True, False])
def test_a_cached_answer_is_given_to_each_as_it_asked(
    proxy: Proxy, injecting: Proxy, provider: FakeProviders, first_asks: bool
) -> None:
    cached = {"Helicone_Cache_Enabled": "true", "Helicone_Cache_Seed": str(uuid.uuid4())}
    expected = raw(proxy)[1]
    original, _ = raw(injecting, ASKED if first_asks else STREAM, **cached)
    wait_for(lambda: is_stored(injecting, cached["Helicone_Cache_Seed"]))
    calls = len(provider.requests)
    asked, with_usage = raw(injecting, ASKED, **cached)
    unasked, content = raw(injecting, STREAM, **cached)
    by_header, seen = raw(injecting, STREAM, **cached, Helicone_Stream_Usage="true")
    assert {answer.headers["helicone-cache"] for answer in (asked, unasked, by_header)} == {"HIT"}
    assert len(provider.requests) == calls
    assert has_usage(with_usage)
    assert seen == with_usage
    assert without_ids(content) == without_ids(expected)
    assert unasked.headers["content-length"] == str(len(content))
    row = injecting.row(unasked.headers["helicone-id"])
    assert (row["cost_nanousd"], row["cache_reference_id"]) == (0, original.headers["helicone-id"])
    assert row["saved_nanousd"] == injecting.row(original.headers["helicone-id"])["cost_nanousd"] > 0


def test_an_answer_that_was_stored_compressed_is_filtered_too(
    proxy: Proxy, injecting: Proxy, provider: FakeProviders
) -> None:
    cached = {"Helicone_Cache_Enabled": "true", "Helicone_Cache_Seed": str(uuid.uuid4()), "accept_encoding": "gzip"}
    provider.script(Behaviour(encoding="gzip"))
    assert raw(injecting, ASKED, **cached)[0].headers["content-encoding"] == "gzip"
    wait_for(lambda: is_stored(injecting, cached["Helicone_Cache_Seed"]))
    assert raw(injecting, ASKED, **cached)[0].headers["helicone-cache"] == "HIT"
    answer, content = raw(injecting, STREAM, **cached)
    assert answer.headers["helicone-cache"] == "HIT"
    assert without_ids(content) == without_ids(raw(proxy)[1])


def test_of_callers_that_share_a_stream_only_those_that_asked_see_the_usage(
    injecting: Proxy, provider: FakeProviders
) -> None:
    headers = {
        "Helicone_Cache_Enabled": "true",
        "Helicone_Cache_Seed": str(uuid.uuid4()),
        "accept_encoding": "identity",
        "x_fake": f"{LONG};chunk-delay=0.1",
    }
    gathering = Gathering(injecting)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(raw, injecting, body, **headers) for body in (ASKED, STREAM, ASKED, STREAM)]
        gathering.answer(provider, 4)
        heard = [call.result() for call in calls]
    assert len(provider.requests) == 1
    assert [has_usage(content) for _, content in heard] == [True, False, True, False]
    assert sorted(answer.headers["helicone-cache"] for answer, _ in heard) == ["COALESCED"] * 3 + ["MISS"]
