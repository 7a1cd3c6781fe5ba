"""Streams pass piece by piece, bytes unchanged, compressed or not."""

import gzip
import http.client
import json
from urllib.parse import urlsplit

import pytest

from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from addon.metering.piece_times import read_piece_times
from tests.proxy.clients import CHAT, CLAUDE, HELLO, openai_client, plain
from tests.proxy.conftest import Proxy

KEY = {"authorization": "Bearer sk-test"}
STREAM = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
PATHS = {
    "/openai/v1/chat/completions": STREAM,
    "/openai/v1/responses": {"model": "gpt-4o-mini", "input": "Hello", "stream": True},
    "/anthropic/v1/messages": {"model": CLAUDE, "max_tokens": 50, "messages": HELLO, "stream": True},
}


def raw_answer(url: str, path: str, body: dict[str, object], fake: str) -> tuple[bytes, str | None]:
    """The answer's bytes as they came, and its Helicone-Id."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    headers = {**KEY, "content-type": "application/json", "x-fake": fake}
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.read(), answer.headers["helicone-id"]


@pytest.mark.parametrize("encoding", ["", "encoding=gzip", "encoding=br", "encoding=zstd", "encoding=deflate"])
@pytest.mark.parametrize("path", PATHS)
def test_the_bytes_are_the_providers_own(proxy: Proxy, provider: FakeProviders, path: str, encoding: str) -> None:
    through, request_id = raw_answer(proxy.url, path, PATHS[path], encoding)
    direct, _ = raw_answer(provider.url, "/" + path.split("/", 2)[2], PATHS[path], encoding)
    assert through == direct
    row = proxy.row(request_id or "")
    assert (row["usage_source"], row["response_bytes"]) == ("provider", len(through))
    assert row["output_tokens"] > 0
    body = proxy.body(row["request_id"])
    assert body["response_text"]
    assert body["request_headers"] == {"accept-encoding": "identity", "content-type": "application/json"}
    assert body["response_headers"]["content-type"].startswith("text/event-stream")
    times = read_piece_times(body["response_piece_times"])
    assert sum(length for _, _, length in times) == len(through)
    assert row["time_to_first_token_ms"] - 2 <= times[0][0] <= times[-1][0] <= row["duration_ms"] + 2


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_a_compressed_json_answer_is_read(proxy: Proxy, provider: FakeProviders, encoding: str) -> None:
    _, request_id = raw_answer(proxy.url, "/openai/v1/chat/completions", CHAT, f"encoding={encoding}")
    row = proxy.row(request_id or "")
    assert row["usage_source"] == "provider"
    assert json.loads(proxy.body(row["request_id"])["response_body"])["usage"]


def test_a_piece_is_not_held_back_until_the_next(proxy: Proxy, provider: FakeProviders) -> None:
    """The first piece is here while the provider has a minute to go."""
    provider.script(Behaviour(chunk_delay_s=0.5, words=120))
    with plain(proxy).stream("POST", "/openai/v1/chat/completions", json=STREAM, headers=KEY) as answer:
        assert next(answer.iter_raw()).startswith(b"data: {")
    assert provider.wait_for(lambda: provider.requests[-1].cancelled)


def test_a_stream_without_usage_is_estimated_and_says_so(proxy: Proxy) -> None:
    client = openai_client(proxy)
    with client.chat.completions.with_streaming_response.create(
        model="gpt-4o-mini", messages=HELLO, stream=True
    ) as answer:
        list(answer.parse())
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["usage_source"], row["usage_raw"]) == ("estimated", None)
    assert row["input_tokens"] > 0
    assert row["output_tokens"] > 0
    assert row["cost_nanousd"] > 0


def test_a_compressed_request_is_read_and_forwarded_as_it_came(proxy: Proxy, provider: FakeProviders) -> None:
    import zstandard

    content = zstandard.ZstdCompressor().compress(json.dumps(CHAT).encode())
    headers = {**KEY, "content-encoding": "zstd", "content-type": "application/json"}
    answer = plain(proxy).post("/openai/v1/chat/completions", content=content, headers=headers)
    assert provider.requests[-1].body == content
    row = proxy.row(answer.headers["helicone-id"])
    assert row["request_model"] == "gpt-4o-mini"
    assert json.loads(proxy.body(row["request_id"])["request_body"]) == CHAT


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_stream_states_its_usage_where_the_caller_wishes_it(
    proxy: Proxy, provider: FakeProviders, encoding: str | None
) -> None:
    body = json.dumps({**CHAT, "stream": True}).encode()
    headers = {**KEY, "Helicone-Stream-Usage": "true", "content-type": "application/json"}
    if encoding:
        body, headers = gzip.compress(body), {**headers, "content-encoding": encoding}
    answer = plain(proxy).post("/openai/v1/chat/completions", content=body, headers=headers)
    assert '"choices":[]' in answer.text.replace(" ", "")
    row = proxy.row(answer.headers["helicone-id"])
    assert row["usage_source"] == "provider"
    sent = provider.requests[-1].body
    asked = json.loads(gzip.decompress(sent) if encoding else sent)
    assert asked == {**CHAT, "stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("path", PATHS)
def test_a_body_is_left_alone_where_there_is_nothing_to_ask(proxy: Proxy, provider: FakeProviders, path: str) -> None:
    body = json.dumps(PATHS[path], indent=3).encode()
    headers = {**KEY, "Helicone-Stream-Usage": "true", "content-type": "application/json"}
    assert plain(proxy).post(path, content=body, headers=headers).status_code == 200
    assert provider.requests[-1].body == body
