"""Timeouts by header: each of the four, on one call, with the config's for the others."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import anthropic
import httpx
import openai
import pytest

from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT, CLAUDE, GPT, HELLO, WAYS, anthropic_client, openai_client, plain
from tests.proxy.conftest import Proxy, run_up, to

CHAT_PATH = "/openai/v1/chat/completions"
KEY = {"authorization": "Bearer sk-test"}
STREAM = {**CHAT, "stream": True}


@contextlib.contextmanager
def full_house() -> Iterator[int]:
    """The port of a server that lets nobody in: its queue is full and it never takes anyone from it."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(200):  # Linux lets one in, others more
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.5)
            if waiting.connect_ex(server.getsockname()):
                break
        else:
            pytest.skip("this system lets everybody in")
        yield server.getsockname()[1]


@pytest.mark.parametrize("way", WAYS)
def test_no_first_byte_in_the_callers_time_is_a_504(proxy: Proxy, provider: FakeProviders, way: str) -> None:
    provider.script(Behaviour(delay_s=20))
    client = openai_client(proxy, way, {"Helicone-Timeout": "first-byte=0.3"})
    with pytest.raises(openai.InternalServerError, match=r"no first byte within 0\.3 s") as caught:
        client.chat.completions.create(model=GPT, messages=HELLO)
    answer = caught.value.response
    assert (answer.status_code, answer.json()["error"]["type"]) == (504, "upstream_timeout")
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["cost_nanousd"]) == (-2, "upstream_timeout", None)
    assert provider.wait_for(lambda: any(request.cancelled for request in provider.requests))
    assert provider.requests[0].header("helicone-timeout") is None


def test_the_504_is_in_the_dialect_of_the_called_api(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(delay_s=20))
    client = anthropic_client(proxy, headers={"Helicone-Timeout": "first-byte=0.3"})
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(model=CLAUDE, max_tokens=9, messages=HELLO)
    answer = caught.value.response
    assert (answer.status_code, answer.json()["type"]) == (504, "error")
    assert answer.json()["error"]["type"] == "upstream_timeout"


def test_a_stream_that_is_silent_for_longer_than_the_caller_allows_keeps_its_status(
    proxy: Proxy, provider: FakeProviders
) -> None:
    provider.script(Behaviour(chunk_delay_s=20))
    client = openai_client(proxy, headers={"Helicone-Timeout": "idle=0.3"})
    with pytest.raises(openai.APIConnectionError):
        for _ in (stream := client.chat.completions.create(model=GPT, messages=HELLO, stream=True)):
            pass
    row = proxy.row(stream.response.headers["helicone-id"])
    assert (row["status"], row["error_type"]) == (200, "upstream_timeout")


def test_a_stream_that_never_falls_silent_ends_when_its_whole_time_is_up(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(chunk_delay_s=0.1, words=300))
    client = openai_client(proxy, "forward", {"Helicone-Timeout": "idle=20;total=4"})
    with pytest.raises(openai.APIConnectionError):
        for _ in (stream := client.chat.completions.create(model=GPT, messages=HELLO, stream=True)):
            pass
    row = proxy.row(stream.response.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["usage_source"]) == (200, "upstream_timeout", "estimated")
    assert row["output_tokens"] > 0


@pytest.fixture(scope="module")
def before_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy whose OpenAI lets nobody in, and whose Anthropic takes connections and says nothing."""
    with full_house() as port, socket.create_server(("127.0.0.1", 0)) as silent:
        upstreams = [
            f"--upstream=openai=http://127.0.0.1:{port}",
            f"--upstream=anthropic=https://127.0.0.1:{silent.getsockname()[1]}",
        ]
        with run_up(tmp_path_factory.mktemp("data"), *upstreams) as proxy:
            yield proxy


def test_a_provider_that_refuses_connections_is_a_502(before_nobody: Proxy) -> None:
    proxy = before_nobody
    client = openai_client(proxy, headers={"Helicone-Timeout": "connect=0.3"}).with_options(timeout=25)
    with pytest.raises(openai.InternalServerError, match=r"no connection within 0\.3 s") as caught:
        client.chat.completions.create(model=GPT, messages=HELLO)
    answer = caught.value.response
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "connection_failed")
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["cost_nanousd"]) == (-100, "connection_failed", 0)
    # The next call on the same connection has its own time, and one that says nothing the config's 30 s.
    with plain(proxy) as caller:
        for asked, waits_s in (("connect=0.2", 25), ("connect=0.4", 25)):
            refused = caller.post(CHAT_PATH, json=CHAT, headers={**KEY, "Helicone-Timeout": asked}, timeout=waits_s)
            assert asked.replace("connect=", "within ") in refused.json()["error"]["message"]
        with pytest.raises(httpx.ReadTimeout):
            caller.post(CHAT_PATH, json=CHAT, headers=KEY, timeout=1)


def test_an_unanswered_tls_handshake_counts_as_connecting(before_nobody: Proxy) -> None:
    headers = {"x-api-key": "sk-test", "Helicone-Timeout": "connect=0.3"}
    answer = plain(before_nobody).post("/anthropic/v1/messages", json={**CHAT, "max_tokens": 9}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "connection_failed")


def test_a_caller_may_wait_for_longer_than_the_config(shared_provider: FakeProviders, tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text("[timeouts]\nfirst_byte_s = 0.3\n")
    slow = {**KEY, "x-fake": "delay=1.5"}
    with run_up(tmp_path, *to(shared_provider)) as proxy, plain(proxy) as caller:
        assert caller.post(CHAT_PATH, json=CHAT, headers=slow).status_code == 504
        longer = [{"Helicone-Timeout": "first-byte=20"}, {"Helicone-Increase-Timeout": "true"}]
        for header in longer:
            answer = caller.post(CHAT_PATH, json=CHAT, headers={**slow, **header})
            assert answer.status_code == 200, answer.text
            assert "helicone-warning" not in answer.headers
        assert caller.post(CHAT_PATH, json=CHAT, headers=slow).status_code == 504


def test_a_first_byte_that_is_late_is_asked_for_again(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(delay_s=1000), times=2)
    headers = {
        "Helicone-Timeout": "first-byte=0.3",
        "Helicone-Retry-Enabled": "true",
        "Helicone-Retry-Num": "20",  # on a busy machine an answer may be late that comes at once
        "Helicone-Retry-Min-Timeout": "10",
        "Helicone-Retry-Max-Timeout": "10",
    }
    client = openai_client(proxy, headers=headers)
    answer = client.chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
    attempts = int(answer.headers["helicone-attempts"])
    assert attempts >= 3
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["attempts"]) == (200, None, attempts)
    assert provider.wait_for(lambda: all(request.cancelled for request in provider.requests[:2]))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("Helicone-Timeout", "patience=5", "there are connect, first-byte, idle, total"),
        ("Helicone-Timeout", "idle=0", "above 0"),
        ("Helicone-Timeout", "idle=-3", "above 0"),
        ("Helicone-Timeout", "connect=3601", "up to 3600"),
        ("Helicone-Timeout", "total=86401", "up to 86400"),
        # One part that cannot be read turns off the whole header: what would be left is not what was meant.
        ("Helicone-Timeout", "first-byte=0.1;idle=soon", "above 0"),
        ("Helicone-Increase-Timeout", "30m", "neither true nor false"),
    ],
)
def test_a_value_that_cannot_be_read_is_off_and_warns(
    proxy: Proxy, provider: FakeProviders, name: str, value: str, says: str
) -> None:
    provider.script(Behaviour(delay_s=1))
    answer = plain(proxy).post(CHAT_PATH, json=CHAT, headers={**KEY, name: value})
    assert answer.status_code == 200
    assert answer.headers["helicone-warning"].startswith(name)
    assert says in answer.headers["helicone-warning"]
