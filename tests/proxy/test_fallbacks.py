"""Other targets for a failed call, by header and by config; each provider counts what it gets."""

import gzip
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.data_files import files_with
from tests.proxy.clients import CHAT, CLAUDE, GPT, HELLO, WAYS, anthropic_client, leaving, openai_client, plain
from tests.proxy.conftest import Proxy, run_up, wait_for
from tests.proxy.gathering import Gathering

FIRST_KEY, SECOND_KEY = "sk-first-key-of-the-entry", "gsk-second-key-of-the-entry"
OPENAI = {
    "target-url": "https://api.openai.com",
    "headers": {"Authorization": f"Bearer {FIRST_KEY}"},
    "onCodes": [429, {"from": 500, "to": 599}],
}
GROQ = {
    "target-url": "https://api.groq.com/openai/v1",
    "headers": {"Authorization": f"Bearer {SECOND_KEY}", "X-Team": "shop", "Helicone-Auth": "Bearer hk", "Host": "x"},
    "onCodes": [{"from": 400, "to": 599}],
    "bodyKeyOverride": {"model": "llama-3.3-70b-versatile"},
}
RETRY = {"Helicone-Retry-Enabled": "true", "Helicone-Retry-Num": "1", "Helicone-Retry-Min-Timeout": "10"}
CHAT_PATH, GATEWAY = "/openai/v1/chat/completions", "/gateway/v1/chat/completions"
CONFIG = """
[[fallbacks]]
model = "gpt-4o*"
on_codes = [429, "500-599"]
target_url = "https://api.groq.com/openai/v1"
headers = { Authorization = "Bearer $HELIOGRAPH_TEST_GROQ_KEY" }
body = { model = "llama-3.3-70b-versatile" }

[[fallbacks]]
model = "gpt-4o"
body = { model = "gpt-4o-mini" }

[[fallbacks]]
model = "claude-*"
body = { model = "claude-sonnet-4-5" }
"""
CONFIG_KEY = "gsk-key-of-the-config"


def listed(*entries: dict[str, Any]) -> dict[str, str]:
    return {"Helicone-Fallbacks": json.dumps(entries)}


@pytest.fixture(scope="module")
def shared_second() -> Iterator[FakeProviders]:
    with FakeProviders() as provider:
        yield provider


@pytest.fixture
def second(shared_second: FakeProviders) -> FakeProviders:
    shared_second.requests.clear()
    return shared_second


@pytest.fixture(scope="module")
def shared_pair(
    shared_provider: FakeProviders, shared_second: FakeProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """A proxy with two providers, and rules of its own for some models."""
    data = tmp_path_factory.mktemp("data")
    (data / "heliograph.toml").write_text(CONFIG)
    with run_up(
        data,
        f"--upstream=openai={shared_provider.url}",
        f"--upstream=anthropic={shared_provider.url}",
        f"--upstream=groq={shared_second.url}",
        variables={"HELIOGRAPH_TEST_GROQ_KEY": CONFIG_KEY},
    ) as proxy:
        yield proxy
        assert proxy.stop() == 0
        assert not [line for line in proxy.said if "Traceback" in line], "\n".join(proxy.said)
        for key in (FIRST_KEY, SECOND_KEY, CONFIG_KEY):
            assert key not in "\n".join(proxy.said)
            assert not files_with(data, key.encode())


@pytest.fixture
def pair(shared_pair: Proxy, provider: FakeProviders, second: FakeProviders) -> Proxy:
    return shared_pair


def ask(proxy: Proxy, headers: dict[str, str], path: str = GATEWAY, **body: Any) -> httpx.Response:
    request = {"model": "o3-mini", "messages": HELLO, **body}
    return plain(proxy).post(path, json=request, headers={"authorization": "Bearer of-the-caller", **headers})


# By header.


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_call_goes_to_the_next_target_on_every_way_in(
    pair: Proxy, provider: FakeProviders, second: FakeProviders, way: str
) -> None:
    provider.script(Behaviour(status=503))
    client = openai_client(pair, way, listed(OPENAI, GROQ))
    answer = client.chat.completions.with_raw_response.create(model="o3-mini", messages=HELLO)
    assert answer.parse().choices[0].message.content
    assert (len(provider.requests), len(second.requests)) == (1, 1)
    assert (answer.headers["helicone-fallback-index"], answer.headers["helicone-attempts"]) == ("1", "2")
    row = pair.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["attempts"], row["fallback_index"]) == (200, None, 2, 1)
    assert (row["provider_name"], row["host"]) == ("groq", "api.groq.com")
    assert (row["path"], row["operation_name"]) == ("/openai/v1/chat/completions", "chat")
    assert (row["request_model"], row["response_model"]) == ("o3-mini", "llama-3.3-70b-versatile")
    (failed,) = json.loads(row["failed_attempts"])
    assert 0 <= failed.pop("started_ms") + failed.pop("duration_ms") <= row["duration_ms"]
    assert failed == {"provider_name": "openai", "host": "api.openai.com", "status": 503, "error_type": None}


def test_each_target_is_sent_what_its_entry_says_and_nothing_of_the_callers_headers(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    provider.script(Behaviour(status=500))
    answer = ask(pair, {**listed(OPENAI, GROQ), "cookie": "a=b", "x-own": "1"})
    assert answer.status_code == 200
    (first,), (then,) = provider.requests, second.requests
    assert first.path == "/v1/chat/completions"
    assert {name.lower(): value for name, value in first.headers} == {
        "host": f"127.0.0.1:{provider.port}",
        "content-type": "application/json",
        "content-length": str(len(first.body)),
        "authorization": f"Bearer {FIRST_KEY}",
    }
    assert then.path == "/openai/v1/chat/completions"
    assert {name.lower(): value for name, value in then.headers} == {
        "host": f"127.0.0.1:{second.port}",
        "content-type": "application/json",
        "content-length": str(len(then.body)),
        "authorization": f"Bearer {SECOND_KEY}",
        "x-team": "shop",
    }
    assert then.body == first.body.replace(b'"o3-mini"', b'"llama-3.3-70b-versatile"')


def test_the_first_target_takes_the_place_of_the_one_that_was_called(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    answer = ask(pair, {**listed(GROQ, OPENAI), "Helicone-Target-Url": "https://api.openai.com"}, CHAT_PATH)
    assert (answer.status_code, answer.headers["helicone-fallback-index"]) == (200, "0")
    assert (len(provider.requests), len(second.requests)) == (0, 1)
    assert json.loads(second.requests[0].body)["model"] == "llama-3.3-70b-versatile"
    row = pair.row(answer.headers["helicone-id"])
    assert (row["provider_name"], row["fallback_index"], row["attempts"]) == ("groq", 0, 1)
    assert (row["request_model"], row["response_model"]) == ("o3-mini", "llama-3.3-70b-versatile")


def test_the_rows_body_is_the_one_sent_to_the_provider_that_answered(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    """It explains the answer; what the caller asked for is `request_model`."""
    provider.script(Behaviour(status=500))
    answer = ask(pair, listed(OPENAI, GROQ))
    body = pair.body(answer.headers["helicone-id"])
    assert body["request_body"].encode() == second.requests[0].body
    assert json.loads(body["response_body"])["model"] == "llama-3.3-70b-versatile"


def test_what_answered_is_priced(pair: Proxy, provider: FakeProviders) -> None:
    """A dearer model that answered in place of a cheap one, at a price of its own."""
    provider.script(Behaviour(status=500))
    dear = {**OPENAI, "bodyKeyOverride": {"model": "gpt-4o"}}
    fallen = pair.row(ask(pair, listed(OPENAI, dear), model=GPT).headers["helicone-id"])
    asked = pair.row(ask(pair, {}, CHAT_PATH, model="gpt-4.1").headers["helicone-id"])
    same = pair.row(
        ask(pair, listed({**OPENAI, "bodyKeyOverride": {"model": "gpt-4.1"}}), model=GPT).headers["helicone-id"]
    )
    assert (fallen["request_model"], fallen["response_model"]) == (GPT, "gpt-4o-2024-08-06")
    assert fallen["cost_nanousd"] == fallen["input_tokens"] * 2_500 + fallen["output_tokens"] * 10_000
    assert same["cost_nanousd"] == asked["cost_nanousd"] > 0


def test_a_stream_falls_back_and_is_then_not_held_back(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    provider.script(Behaviour(status=429))
    second.script(Behaviour(chunk_delay_s=0.5, words=120))
    headers = listed(OPENAI, GROQ)
    with plain(pair).stream(
        "POST", GATEWAY, json={**CHAT, "model": "o3-mini", "stream": True}, headers=headers
    ) as answer:
        assert next(answer.iter_raw()).startswith(b"data: {")
        assert answer.headers["helicone-fallback-index"] == "1"
    assert second.wait_for(lambda: second.requests[-1].cancelled)
    row = pair.row(answer.headers["helicone-id"])
    assert (row["status"], row["provider_name"], row["fallback_index"], row["is_stream"]) == (-3, "groq", 1, True)


def test_a_whole_stream_of_a_fallback_is_read(pair: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=429))
    client = openai_client(pair, "forward", listed(OPENAI, GROQ))
    with client.chat.completions.with_streaming_response.create(
        model="o3-mini", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as answer:
        said = "".join(chunk.choices[0].delta.content or "" for chunk in answer.parse() if chunk.choices)
    row = pair.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["provider_name"], row["is_stream"]) == (200, None, "groq", True)
    assert pair.body(row["request_id"])["response_text"] == said


def test_an_anthropic_call_falls_back(pair: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=529))
    version = {"anthropic-version": "2023-06-01"}
    entries: list[dict[str, Any]] = [
        {"target-url": "https://api.anthropic.com", "headers": {**version, "x-api-key": key}, "onCodes": [529]}
        for key in (FIRST_KEY, SECOND_KEY)
    ]
    client = anthropic_client(pair, "path prefix", listed(*entries))
    with client.messages.stream(model="claude-haiku-3", max_tokens=64, messages=HELLO) as stream:
        assert stream.get_final_message().usage.output_tokens
        headers = stream.response.headers
    assert [request.header("x-api-key") for request in provider.requests] == [FIRST_KEY, SECOND_KEY]
    assert pair.row(headers["helicone-id"])["attempts"] == 2


def test_an_answer_that_no_code_names_is_the_calls(pair: Proxy, provider: FakeProviders, second: FakeProviders) -> None:
    provider.script(Behaviour(status=400))
    client = openai_client(pair, headers=listed(OPENAI, GROQ))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="o3-mini", messages=HELLO)
    answer = caught.value.response
    assert (answer.headers["helicone-fallback-index"], answer.headers["helicone-attempts"]) == ("0", "1")
    assert "x-should-retry" not in answer.headers
    assert not second.requests


def test_the_last_targets_failure_is_the_calls_and_ends_the_sdks_own_retries(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    provider.script(Behaviour(status=500))
    second.script(Behaviour(status=503))
    client = openai_client(pair, headers=listed(OPENAI, GROQ)).with_options(max_retries=2)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="o3-mini", messages=HELLO)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert (len(provider.requests), len(second.requests)) == (1, 1)
    row = pair.row(caught.value.response.headers["helicone-id"])
    assert (row["status"], row["provider_name"], row["error_type"]) == (503, "groq", "server_error")
    assert (row["attempts"], row["fallback_index"], row["cost_nanousd"]) == (2, 1, 0)


def test_where_nothing_was_tried_instead_the_sdk_may_try_again_itself(pair: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=500))
    client = openai_client(pair, headers=listed(OPENAI)).with_options(max_retries=1)
    assert client.chat.completions.create(model="o3-mini", messages=HELLO).choices
    provider.script(Behaviour(no_answer=True))
    assert client.chat.completions.create(model="o3-mini", messages=HELLO).choices
    assert len(provider.requests) == 4


def test_retries_are_made_at_each_target_before_the_next(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    provider.script(Behaviour(status=500), times=2)
    second.script(Behaviour(status=429))
    answer = ask(pair, {**listed(OPENAI, GROQ), **RETRY})
    assert answer.status_code == 200
    assert (len(provider.requests), len(second.requests)) == (2, 2)
    assert (answer.headers["helicone-attempts"], answer.headers["helicone-fallback-index"]) == ("4", "1")


@pytest.mark.parametrize("behaviour", [Behaviour(no_answer=True), Behaviour(no_answer=True, reset=True)])
def test_a_connection_that_breaks_before_the_first_byte_leads_on_whatever_the_codes(
    pair: Proxy, provider: FakeProviders, behaviour: Behaviour
) -> None:
    provider.script(behaviour)
    answer = ask(pair, listed({**OPENAI, "onCodes": []}, GROQ))
    assert (answer.status_code, answer.headers["helicone-fallback-index"]) == (200, "1")


def test_a_stream_that_breaks_after_its_first_byte_stays_broken(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    provider.script(Behaviour(cut_after=3))
    with (
        plain(pair).stream("POST", GATEWAY, json={**CHAT, "stream": True}, headers=listed(OPENAI, GROQ)) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        answer.read()
    assert (len(provider.requests), len(second.requests)) == (1, 0)


def test_a_caller_that_left_gets_no_second_call(pair: Proxy, provider: FakeProviders, second: FakeProviders) -> None:
    provider.script(Behaviour(status=500, delay_s=1000))
    caller = leaving(pair, GATEWAY, {**listed(OPENAI, GROQ), "helicone-user-id": "leaves-early"})
    assert provider.wait_for(lambda: bool(provider.requests))
    caller.close()
    (row,) = wait_for(lambda: pair.rows("user_id = 'leaves-early'"))
    assert (row["status"], row["attempts"], row["fallback_index"]) == (-3, 1, 0)
    assert provider.wait_for(lambda: provider.requests[0].cancelled)  # before it could answer 500
    assert not second.requests


def test_a_refused_connection_and_no_answer_in_time_lead_on(tmp_path: Path, second: FakeProviders) -> None:
    with run_up(
        tmp_path, "--upstream=openai=http://127.0.0.1:1", f"--upstream=groq={second.url}", "--upstream-timeout=0.5"
    ) as proxy:
        answer = ask(proxy, listed(OPENAI, GROQ) | {"helicone-timeout": "first-byte=30"})
        assert (answer.status_code, answer.headers["helicone-fallback-index"]) == (200, "1")
        second.script(Behaviour(delay_s=1000))
        answer = ask(proxy, listed(*[GROQ] * 20))  # on a busy machine an answer may be late that comes at once
        assert (answer.status_code, answer.headers["helicone-fallback-index"] != "0") == (200, True), answer.text


BAD = [
    "{",
    "[]",
    "[1]",
    json.dumps([{key: value for key, value in OPENAI.items() if key != "headers"}]),
    json.dumps([{**OPENAI, "target-url": "nonsense"}]),
    json.dumps([{**OPENAI, "onCodes": ["often"]}]),
    json.dumps([{**OPENAI, "headers": {"X": "a\r\nInjected: 1"}}]),
    json.dumps([{**OPENAI, "bodyKeyOverride": 1}]),
]


@pytest.mark.parametrize("value", BAD)
def test_a_header_that_cannot_be_read_is_off_with_a_warning_and_the_call_is_served(
    pair: Proxy, provider: FakeProviders, second: FakeProviders, value: str
) -> None:
    answer = ask(pair, {"Helicone-Fallbacks": value}, CHAT_PATH)
    assert answer.status_code == 200
    assert answer.headers["helicone-warning"].startswith("Helicone-Fallbacks: ")
    assert FIRST_KEY not in answer.headers["helicone-warning"]
    assert "helicone-fallback-index" not in answer.headers
    assert [request.header("authorization") for request in provider.requests] == ["Bearer of-the-caller"]


def test_the_gateway_without_a_readable_target_says_why(pair: Proxy) -> None:
    answer = ask(pair, {"Helicone-Fallbacks": "["})
    assert answer.status_code == 400
    assert "Helicone-Fallbacks" in answer.headers["helicone-warning"]


@pytest.mark.parametrize(
    "entries",
    [[{**OPENAI, "target-url": "https://evil.example"}, GROQ], [OPENAI, {**GROQ, "target-url": "http://10.0.0.1"}]],
)
def test_a_target_that_is_not_approved_refuses_the_call_before_anything_is_sent(
    pair: Proxy, provider: FakeProviders, second: FakeProviders, entries: list[dict[str, Any]]
) -> None:
    answer = ask(pair, listed(*entries))
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "target_not_approved")
    assert "Helicone-Fallbacks" in answer.json()["error"]["message"]
    assert "[targets] allow" in answer.json()["error"]["message"]
    assert not provider.requests and not second.requests


def test_a_body_that_is_not_json_goes_as_it_came_with_a_warning(pair: Proxy, second: FakeProviders) -> None:
    answer = plain(pair).post(
        GATEWAY, content=b"--boundary", headers={**listed(GROQ), "content-type": "multipart/form-data"}
    )
    assert "not a JSON object" in answer.headers["helicone-warning"]
    assert second.requests[0].body == b"--boundary"


def test_other_paths_go_to_the_first_target_with_its_key(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    client = openai_client(pair, "forward", listed({**GROQ, "target-url": "https://api.groq.com"}))
    assert client.models.list().data
    assert [request.header("authorization") for request in second.requests] == [f"Bearer {SECOND_KEY}"]
    assert not provider.requests


def test_a_body_that_came_compressed_and_in_chunks_reaches_each_target_whole(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    provider.script(Behaviour(status=500))
    sent = json.dumps({**CHAT, "model": "o3-mini"}).encode()
    packed = gzip.compress(sent)
    headers = {**listed(OPENAI, GROQ), "content-type": "application/json", "content-encoding": "gzip"}
    answer = plain(pair).post(GATEWAY, content=iter((packed[:20], packed[20:])), headers=headers)
    assert (answer.status_code, answer.headers["helicone-fallback-index"]) == (200, "1")
    assert gzip.decompress(provider.requests[0].body) == sent
    assert second.requests[0].header("content-encoding") is None
    assert second.requests[0].body == sent.replace(b"o3-mini", b"llama-3.3-70b-versatile")
    body = pair.body(answer.headers["helicone-id"])
    assert body["request_body"].encode() == second.requests[0].body


def test_words_that_are_to_be_in_no_file_are_in_none_where_a_target_is_given_others(
    pair: Proxy, provider: FakeProviders
) -> None:
    provider.script(Behaviour(status=500))
    entry = {**OPENAI, "bodyKeyOverride": {"model": "gpt-4o", "metadata": {"note": "words-of-the-override"}}}
    answer = ask(pair, {**listed(OPENAI, entry), "Helicone-Omit-Request": "true"})
    row = pair.row(answer.headers["helicone-id"])
    assert (row["request_model"], row["response_model"]) == ("o3-mini", "gpt-4o-2024-08-06")
    assert pair.body(row["request_id"])["request_body"] is None
    assert not files_with(pair.data, b"words-of-the-override")


def test_usage_is_requested_from_providers_that_support_it(tmp_path: Path, second: FakeProviders) -> None:
    """`[usage] inject` changes the request; Mistral would refuse it with the change."""
    with FakeProviders() as mistral:
        (tmp_path / "heliograph.toml").write_text("[usage]\ninject = true\n")
        with run_up(tmp_path, f"--upstream=groq={second.url}", f"--upstream=mistral={mistral.url}") as proxy:
            second.script(Behaviour(status=500))
            entry: dict[str, Any] = {**OPENAI, "target-url": "https://api.mistral.ai"}
            assert ask(proxy, listed(GROQ, entry), stream=True).status_code == 200
            mistral.script(Behaviour(status=500))
            assert "[DONE]" in ask(proxy, listed(entry, GROQ), stream=True).text
        assert ["stream_options" in json.loads(request.body) for request in second.requests] == [True, True]
        assert ["stream_options" in json.loads(request.body) for request in mistral.requests] == [False, False]


# With the cache.


def cached() -> dict[str, str]:
    return {"Helicone-Cache-Enabled": "true", "Helicone-Cache-Seed": str(uuid.uuid4())}


def test_a_hit_needs_none_of_the_targets_and_another_list_shares_nothing(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    seed = cached()
    ask(pair, {**seed, **listed(OPENAI, GROQ)})
    hits = wait_for(
        lambda: [
            answer
            for answer in [ask(pair, {**seed, **listed(OPENAI, GROQ)})]
            if answer.headers["helicone-cache"] == "HIT"
        ]
    )
    row = pair.row(hits[0].headers["helicone-id"])
    assert (row["cache_status"], row["attempts"], row["provider_name"]) == ("hit", 0, "openai")
    provider.requests.clear()
    others: list[dict[str, str]] = [
        {**seed, **listed(OPENAI)},
        {**seed, **listed(OPENAI, {**GROQ, "headers": {"Authorization": "Bearer another"}})},
        {**seed, **listed(OPENAI, {**GROQ, "bodyKeyOverride": {"model": "llama-3.1-8b-instant"}})},
        {**seed, **listed({**OPENAI, "bodyKeyOverride": {"temperature": 1}}, GROQ)},
        {**seed, "authorization": f"Bearer {FIRST_KEY}"},
    ]
    for headers in others:
        path = GATEWAY if "Helicone-Fallbacks" in headers else CHAT_PATH
        assert ask(pair, headers, path).headers["helicone-cache"] == "MISS"
    assert len(provider.requests) == len(others)
    assert not second.requests


def test_what_a_fallback_answered_is_not_given_again_once_the_first_target_is_back(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    provider.script(Behaviour(status=500))
    headers = {**cached(), **listed(OPENAI, GROQ)}
    assert ask(pair, headers).headers["helicone-fallback-index"] == "1"
    again = ask(pair, headers)
    assert (again.headers["helicone-cache"], again.headers["helicone-fallback-index"]) == ("MISS", "0")
    assert (len(provider.requests), len(second.requests)) == (2, 1)


def test_the_row_of_a_follower_names_the_fallback_that_answered(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    provider.script(Behaviour(status=500, delay_s=1000))
    headers, gathering = {**cached(), **listed(OPENAI, GROQ)}, Gathering(pair)
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(ask, pair, headers) for _ in range(5)]
        gathering.answer(provider, 5)
        answers = [call.result() for call in calls]
    assert (len(provider.requests), len(second.requests)) == (1, 1)
    assert {answer.headers["helicone-fallback-index"] for answer in answers} == {"1"}
    rows = [pair.row(answer.headers["helicone-id"]) for answer in answers]
    assert sorted(row["cache_status"] for row in rows) == ["coalesced"] * 4 + ["miss"]
    assert {(row["provider_name"], row["fallback_index"], row["request_model"]) for row in rows} == {
        ("groq", 1, "o3-mini")
    }


# By config.


def test_a_rule_of_the_config_takes_over_by_model(pair: Proxy, provider: FakeProviders, second: FakeProviders) -> None:
    provider.script(Behaviour(status=429))
    client = openai_client(pair, "forward", {"x-own": "unknown"})
    answer = client.chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
    assert answer.headers["helicone-fallback-index"] == "0"
    (then,) = second.requests
    assert then.header("authorization") == f"Bearer {CONFIG_KEY}"
    assert then.header("content-type") == "application/json"
    assert then.header("x-own") is None  # it may be a credential: another provider gets known headers only
    assert "sk-test-openai" not in str(then.headers)
    assert then.body == provider.requests[0].body.replace(GPT.encode(), b"llama-3.3-70b-versatile")
    row = pair.row(answer.headers["helicone-id"])
    assert (row["provider_name"], row["fallback_index"], row["attempts"]) == ("groq", 0, 2)
    assert (row["request_model"], row["response_model"]) == (GPT, "llama-3.3-70b-versatile")
    assert row["path"] == "/openai/v1/chat/completions"


def test_credentials_of_the_caller_never_go_to_another_provider(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    provider.script(Behaviour(status=429))
    names = ("x-api-key", "api-key", "x-goog-api-key", "cookie", "openai-organization", "x-amz-security-token")
    assert ask(pair, dict.fromkeys(names, "of-the-caller"), CHAT_PATH, model=GPT).status_code == 200
    assert all(provider.requests[0].header(name) == "of-the-caller" for name in names)
    assert "of-the-caller" not in str(second.requests[0].headers)


def test_a_call_that_succeeds_is_none_of_the_rules_business(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    answer = ask(pair, {}, CHAT_PATH, model=GPT)
    assert "helicone-fallback-index" not in answer.headers
    assert pair.row(answer.headers["helicone-id"])["fallback_index"] is None
    assert not second.requests


def test_a_model_without_a_rule_fails_as_it_fails(pair: Proxy, provider: FakeProviders, second: FakeProviders) -> None:
    provider.script(Behaviour(status=500))
    answer = ask(pair, {}, CHAT_PATH, model="o3-mini")
    assert (answer.status_code, "x-should-retry" in answer.headers) == (500, False)
    assert not second.requests


def test_rules_are_tried_in_order_and_each_says_after_what(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    """408 is not in the first rule's codes but in the second's, which stays with the provider and its key."""
    provider.script(Behaviour(status=408))
    answer = ask(pair, {}, CHAT_PATH, model="gpt-4o")
    assert (answer.status_code, answer.headers["helicone-fallback-index"]) == (200, "1")
    assert [json.loads(request.body)["model"] for request in provider.requests] == ["gpt-4o", "gpt-4o-mini"]
    assert {request.header("authorization") for request in provider.requests} == {"Bearer of-the-caller"}
    assert not second.requests
    provider.script(Behaviour(status=500))
    second.script(Behaviour(status=500))
    answer = ask(pair, {}, CHAT_PATH, model="gpt-4o")
    row = pair.row(answer.headers["helicone-id"])
    assert (row["provider_name"], row["fallback_index"], row["attempts"]) == ("openai", 1, 3)
    assert (row["request_model"], row["response_model"]) == ("gpt-4o", "gpt-4o-mini-2024-07-18")


def test_a_rule_serves_anthropics_sdk(pair: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=529))
    answer = anthropic_client(pair, "forward").messages.with_raw_response.create(
        model=CLAUDE, max_tokens=64, messages=HELLO
    )
    assert answer.parse().model.startswith("claude-sonnet-4-5")
    row = pair.row(answer.headers["helicone-id"])
    assert (row["request_model"], row["fallback_index"], row["attempts"]) == (CLAUDE, 0, 2)
    assert isinstance(answer.parse(), anthropic.types.Message)


def test_a_key_in_the_query_stays_with_the_provider_that_it_is_for(
    pair: Proxy, provider: FakeProviders, second: FakeProviders
) -> None:
    provider.script(Behaviour(status=429))
    assert ask(pair, {}, f"{CHAT_PATH}?key=AIza-secret&a=b&beta=true", model=GPT).status_code == 200
    assert second.requests[0].path == "/openai/v1/chat/completions?beta=true"  # known parameters only


def test_the_header_comes_before_the_config(pair: Proxy, provider: FakeProviders, second: FakeProviders) -> None:
    provider.script(Behaviour(status=429))
    answer = ask(pair, listed({**OPENAI, "onCodes": [500]}, GROQ), model=GPT)
    assert answer.status_code == 429
    assert not second.requests


def test_a_key_that_is_not_in_the_environment_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text(CONFIG)
    with pytest.raises(AssertionError, match=r"\$HELIOGRAPH_TEST_GROQ_KEY is not set"), run_up(tmp_path):
        pass
