"""Retries, switched on per call by Helicone's headers; the provider counts the attempts."""

import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT, CLAUDE, GPT, HELLO, WAYS, anthropic_client, leaving, openai_client, plain
from tests.proxy.conftest import Proxy, run_up, to, wait_for

RETRY = {"Helicone-Retry-Enabled": "true", "Helicone-Retry-Num": "3", "Helicone-Retry-Min-Timeout": "10"}
CHAT_PATH = "/openai/v1/chat/completions"
STREAM = {**CHAT, "stream": True}


def call(proxy: Proxy, body: dict[str, Any] = CHAT, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return plain(proxy).post(CHAT_PATH, json=body, headers={"authorization": "Bearer k", **RETRY, **named})


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_call_is_tried_again_until_it_is_answered(proxy: Proxy, provider: FakeProviders, way: str) -> None:
    provider.script(Behaviour(status=500), times=2)
    client = openai_client(proxy, way, RETRY)
    answer = client.chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
    assert answer.parse().choices[0].message.content
    assert len(provider.requests) == 3
    assert len({request.body for request in provider.requests}) == 1
    assert answer.headers["helicone-attempts"] == "3"
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["attempts"]) == (200, None, 3)
    assert len(proxy.rows("request_id = $id", id=row["request_id"])) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 522, 529])
def test_every_passing_trouble_is_tried_again(proxy: Proxy, provider: FakeProviders, status: int) -> None:
    provider.script(Behaviour(status=status))
    assert call(proxy).status_code == 200
    assert len(provider.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422])
def test_the_callers_own_mistake_is_not(proxy: Proxy, provider: FakeProviders, status: int) -> None:
    provider.script(Behaviour(status=status))
    answer = call(proxy)
    assert (answer.status_code, answer.headers["helicone-attempts"]) == (status, "1")
    assert "x-should-retry" not in answer.headers
    assert len(provider.requests) == 1


@pytest.mark.parametrize("behaviour", [Behaviour(no_answer=True), Behaviour(no_answer=True, reset=True)])
def test_a_connection_that_breaks_before_the_first_byte_is_tried_again(
    proxy: Proxy, provider: FakeProviders, behaviour: Behaviour
) -> None:
    provider.script(behaviour, times=2)
    answer = call(proxy)
    assert (answer.status_code, answer.headers["helicone-attempts"]) == (200, "3")


def test_a_stream_is_tried_again_and_then_not_held_back(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=529))
    provider.script(Behaviour(chunk_delay_s=0.5, words=120))
    with plain(proxy).stream("POST", CHAT_PATH, json=STREAM, headers=RETRY) as answer:
        assert next(answer.iter_raw()).startswith(b"data: {")
    assert provider.wait_for(lambda: provider.requests[-1].cancelled)
    assert len(provider.requests) == 2


def test_a_stream_that_breaks_after_its_first_byte_is_not_tried_again(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(cut_after=3))
    with (
        plain(proxy).stream("POST", CHAT_PATH, json=STREAM, headers=RETRY) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        answer.read()
    assert len(provider.requests) == 1


def test_an_anthropic_stream_is_tried_again(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=529), times=2)
    client = anthropic_client(proxy, "forward", RETRY)
    with client.messages.stream(model=CLAUDE, max_tokens=64, messages=HELLO) as stream:
        assert stream.get_final_message().usage.output_tokens
    assert len(provider.requests) == 3


def test_after_giving_up_the_last_answer_comes_as_it_was_and_ends_the_sdks_own_retries(
    proxy: Proxy, provider: FakeProviders
) -> None:
    provider.script(Behaviour(status=500), times=3)
    client = openai_client(proxy, headers={**RETRY, "Helicone-Retry-Num": "2"}).with_options(max_retries=2)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=GPT, messages=HELLO)
    answer = caught.value.response
    assert len(provider.requests) == 3
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["helicone-attempts"] == "3"
    assert answer.json()["error"]["type"] == "server_error"
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["attempts"], row["cost_nanousd"]) == (500, "server_error", 3, 0)


def test_a_wait_that_the_provider_asks_for_is_kept_and_one_of_minutes_is_not(
    proxy: Proxy, provider: FakeProviders
) -> None:
    provider.script(Behaviour(status=429, headers=(("retry-after-ms", "700"),)))
    began = time.monotonic()
    assert call(proxy).status_code == 200
    assert time.monotonic() - began >= 0.7
    provider.requests.clear()
    provider.script(Behaviour(status=429, headers=(("retry-after", "120"),)))
    answer = call(proxy)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "120")
    assert len(provider.requests) == 1


def test_the_providers_word_on_whether_to_retry_is_obeyed(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=500, headers=(("x-should-retry", "false"),)))
    assert call(proxy).status_code == 500
    assert len(provider.requests) == 1
    provider.script(Behaviour(status=409, headers=(("x-should-retry", "true"),)))
    assert call(proxy).status_code == 200


def test_a_caller_that_leaves_during_the_wait_costs_no_further_call(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=500), times=1)
    waits = {f"Helicone-Retry-{name}-Timeout": "600000" for name in ("Min", "Max")}
    caller = leaving(proxy, CHAT_PATH, RETRY | waits | {"helicone-user-id": "leaves-in-backoff"})
    assert provider.wait_for(lambda: bool(provider.requests))
    proxy.seen()  # by then it has the 500
    caller.close()
    (row,) = wait_for(lambda: proxy.rows("user_id = 'leaves-in-backoff'"))
    assert (row["status"], row["error_type"], row["attempts"]) == (-3, "client_disconnected", 1)
    assert len(provider.requests) == 1


def test_a_refused_connection_is_tried_again_and_then_told(tmp_path: Path, shared_provider: FakeProviders) -> None:
    with run_up(tmp_path, "--upstream=openai=http://127.0.0.1:1") as proxy:
        answer = call(proxy)
        assert (answer.status_code, answer.json()["error"]["type"]) == (502, "connection_failed")
        assert answer.headers["x-should-retry"] == "false"
        row = proxy.row(answer.headers["helicone-id"])
        assert (row["status"], row["attempts"], row["cost_nanousd"]) == (-100, 4, 0)


def test_no_first_byte_in_time_is_tried_again(shared_provider: FakeProviders, tmp_path: Path) -> None:
    with run_up(tmp_path, *to(shared_provider), "--upstream-timeout", "0.5") as proxy:
        shared_provider.requests.clear()
        shared_provider.script(Behaviour(delay_s=1000))
        answer = call(proxy, Helicone_Retry_Num="20")  # on a busy machine an answer may be late that comes at once
        assert (answer.status_code, int(answer.headers["helicone-attempts"]) > 1) == (200, True)
        assert proxy.row(answer.headers["helicone-id"])["status"] == 200
        assert shared_provider.wait_for(lambda: shared_provider.requests[0].cancelled)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Helicone-Retry-Enabled", "maybe"),
        ("Helicone-Retry-Num", "many"),
        ("Helicone-Retry-Num", "-1"),
        ("Helicone-Retry-Factor", "0"),
        ("Helicone-Retry-Min-Timeout", "soon"),
        ("Helicone-Retry-Max-Timeout", "1"),
    ],
)
def test_a_value_that_cannot_be_read_turns_retries_off_and_warns(
    proxy: Proxy, provider: FakeProviders, name: str, value: str
) -> None:
    provider.script(Behaviour(status=500))
    answer = plain(proxy).post(CHAT_PATH, json=CHAT, headers={**RETRY, name: value})
    assert answer.status_code == 500
    assert "Helicone-Retry" in answer.headers["helicone-warning"]
    assert len(provider.requests) == 1


def test_false_is_off(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=500))
    answer = call(proxy, Helicone_Retry_Enabled="false")
    assert answer.status_code == 500
    assert "helicone-warning" not in answer.headers
    assert len(provider.requests) == 1
