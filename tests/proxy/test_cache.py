"""The cache, switched on per call by Helicone's headers; the provider counts the calls that reach it."""

import contextlib
import http.client
import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.proxy.clients import CLAUDE, GPT, HELLO, WAYS, anthropic_client, openai_client, plain
from tests.proxy.conftest import HELIOGRAPH, Proxy, environment, run_up, to, wait_for

CHAT_PATH = "/openai/v1/chat/completions"


def cached(seed: str | None = None, **more: str) -> dict[str, str]:
    """Headers with a seed of their own, so that tests share nothing."""
    named = {f"Helicone-Cache-{name.replace('_', '-')}": value for name, value in more.items()}
    return {"Helicone-Cache-Enabled": "true", "Helicone-Cache-Seed": seed or str(uuid.uuid4()), **named}


def post(proxy: Proxy, headers: dict[str, str], **body: Any) -> httpx.Response:
    request = {"model": GPT, "messages": HELLO, **body}
    answer = plain(proxy).post(CHAT_PATH, json=request, headers={"authorization": "Bearer k", **headers})
    assert answer.status_code == 200
    return answer


def hit_of(ask: Callable[[], Any]) -> Any:
    """The first answer out of the cache: storing takes a moment after the answer."""
    (hit,) = wait_for(lambda: [answer] if (answer := ask()).headers["helicone-cache"] == "HIT" else [])
    return hit


def until_stored(proxy: Proxy, headers: dict[str, str], **body: Any) -> Any:
    return hit_of(lambda: post(proxy, headers, **body))


def until_earlier_answers_are_stored(proxy: Proxy) -> None:
    """Answers are stored in the order in which calls end, so once a later one is there, so are the earlier ones."""
    later = cached()
    post(proxy, later)
    until_stored(proxy, later)


@pytest.mark.parametrize("way", WAYS)
def test_a_repeated_call_is_answered_from_the_cache(proxy: Proxy, provider: FakeProviders, way: str) -> None:
    client = openai_client(proxy, way, cached())

    def ask() -> Any:
        return client.chat.completions.with_raw_response.create(model=GPT, messages=HELLO)

    first = ask()
    assert first.headers["helicone-cache"] == "MISS"
    hit_of(ask)
    calls = len(provider.requests)
    third = ask()
    assert third.content == first.content
    assert third.parse() == first.parse()
    assert len(provider.requests) == calls
    assert third.headers["helicone-cache-bucket-idx"] == "0"
    assert int(third.headers["helicone-cache-latency"]) >= 0
    assert third.headers["helicone-id"] != first.headers["helicone-id"]
    original, hit = proxy.row(first.headers["helicone-id"]), proxy.row(third.headers["helicone-id"])
    assert (original["cache_status"], hit["cache_status"]) == ("miss", "hit")
    assert hit["cache_reference_id"] == original["request_id"]
    assert (hit["input_tokens"], hit["output_tokens"], hit["cost_nanousd"], hit["attempts"]) == (0, 0, 0, 0)
    assert hit["saved_nanousd"] == original["cost_nanousd"] > 0
    assert hit["status"] == 200


def test_a_stream_is_given_again_byte_for_byte(proxy: Proxy, provider: FakeProviders) -> None:
    headers = cached()
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    first = post(proxy, headers, **asked)
    hit = until_stored(proxy, headers, **asked)
    assert hit.content == first.content
    assert hit.headers["content-type"] == first.headers["content-type"]
    row = proxy.row(hit.headers["helicone-id"])
    assert (row["is_stream"], row["cost_nanousd"]) == (True, 0)
    assert row["saved_nanousd"] == proxy.row(first.headers["helicone-id"])["cost_nanousd"]


def test_a_stream_that_an_sdk_leaves_at_its_terminal_event_is_stored_too(proxy: Proxy) -> None:
    headers = cached()
    client = openai_client(proxy, headers=headers)
    for _ in client.chat.completions.create(model=GPT, messages=HELLO, stream=True):
        pass
    assert until_stored(proxy, {**headers, "authorization": "Bearer sk-test-openai"}, stream=True)


def test_anthropic_is_cached(proxy: Proxy, provider: FakeProviders) -> None:
    client = anthropic_client(proxy, "forward", cached())

    def ask() -> Any:
        return client.messages.with_raw_response.create(model=CLAUDE, max_tokens=64, messages=HELLO)

    first = ask()
    hit = hit_of(ask)
    assert hit.parse() == first.parse()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"authorization": "Bearer somebody-else"}, {}),
        ({"x-api-key": "somebody-else"}, {}),
        ({"helicone-auth": "Bearer other"}, {}),
        ({"Helicone-Cache-Seed": "another"}, {}),
        ({"openai-project": "another"}, {}),
        ({"x-nobody-knows": "another"}, {}),
        ({"cookie": "session=another"}, {}),
        ({}, {"temperature": 1}),
    ],
)
def test_calls_that_differ_are_not_hits(proxy: Proxy, headers: dict[str, str], body: dict[str, Any]) -> None:
    mine = cached()
    post(proxy, mine)
    until_stored(proxy, mine)
    assert post(proxy, {**mine, **headers}, **body).headers["helicone-cache"] == "MISS"


def test_a_call_signed_for_aws_is_not_cached(proxy: Proxy) -> None:
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=AKIA1/20261121/us-east-1/bedrock/aws4_request, Signature=1"}
    for _ in range(2):
        answer = post(proxy, {**cached(), **signed})
        assert answer.status_code == 200
        assert "helicone-cache" not in answer.headers
        assert "signed for AWS" in answer.headers["helicone-warning"]


def test_what_makes_no_difference_is_a_hit(proxy: Proxy) -> None:
    mine = cached()
    post(proxy, mine)
    until_stored(proxy, mine)
    others = {"helicone-user-id": "u", "helicone-session-id": "s", "helicone-property-a": "b", "x-stainless-lang": "js"}
    assert post(proxy, {**mine, **others}).headers["helicone-cache"] == "HIT"


def test_ignored_keys_make_no_difference(proxy: Proxy) -> None:
    mine = cached(Ignore_Keys="user,metadata.trace_id")
    post(proxy, mine, user="a", metadata={"trace_id": "1"})
    until_stored(proxy, mine, user="a", metadata={"trace_id": "1"})
    assert post(proxy, mine, user="b", metadata={"trace_id": "2"}).headers["helicone-cache"] == "HIT"


def test_a_hit_works_with_the_provider_gone(tmp_path: Path) -> None:
    life = contextlib.ExitStack()
    provider = life.enter_context(FakeProviders())
    with life, run_up(tmp_path, *to(provider)) as proxy:
        mine = cached()
        first = post(proxy, mine)
        until_stored(proxy, mine)
        life.close()
        assert post(proxy, mine).content == first.content


def test_only_whole_successes_are_stored(proxy: Proxy, provider: FakeProviders) -> None:
    mine = {**cached(), "authorization": "Bearer k"}
    provider.script(Behaviour(status=500))
    assert plain(proxy).post(CHAT_PATH, json={"model": GPT, "messages": HELLO}, headers=mine).status_code == 500
    provider.script(Behaviour(cut_after=2))
    with (
        plain(proxy).stream(
            "POST", CHAT_PATH, json={"model": GPT, "messages": HELLO, "stream": True}, headers=mine
        ) as cut,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        cut.read()
    broken = cached()
    provider.script(Behaviour(error_after=2))
    assert b'"error"' in post(proxy, broken, stream=True).content
    until_earlier_answers_are_stored(proxy)
    assert post(proxy, mine).headers["helicone-cache"] == "MISS"
    assert post(proxy, mine, stream=True).headers["helicone-cache"] == "MISS"
    assert post(proxy, broken, stream=True).headers["helicone-cache"] == "MISS"


def test_a_bucket_gathers_so_many_answers_before_it_gives_one(proxy: Proxy, provider: FakeProviders) -> None:
    mine = cached(Bucket_Max_Size="3")
    answers = []
    for number in range(3):
        answers.append(post(proxy, mine))
        until_earlier_answers_are_stored(proxy)
        assert answers[-1].headers["helicone-cache"] == "MISS", number
    hit = until_stored(proxy, mine)
    assert hit.headers["helicone-cache-bucket-idx"] in {"0", "1", "2"}


def test_read_and_save_can_be_had_one_by_one(proxy: Proxy) -> None:
    seed = str(uuid.uuid4())
    save = {"Helicone-Cache-Save": "true", "Helicone-Cache-Seed": seed}
    read = {"Helicone-Cache-Read": "true", "Helicone-Cache-Seed": seed}
    assert post(proxy, read).headers["helicone-cache"] == "MISS"
    until_earlier_answers_are_stored(proxy)
    assert post(proxy, read).headers["helicone-cache"] == "MISS"
    assert "helicone-cache" not in post(proxy, save).headers
    until_stored(proxy, read)


@pytest.mark.parametrize(("control", "stored"), [("no-store", False), ("max-age=0", False), ("max-age=60", True)])
def test_cache_control_of_the_request_is_honoured(proxy: Proxy, control: str, stored: bool) -> None:
    mine = {**cached(), "Cache-Control": control}
    post(proxy, mine)
    until_earlier_answers_are_stored(proxy)
    if stored:
        until_stored(proxy, mine)
    del mine["Cache-Control"]
    assert (post(proxy, mine).headers["helicone-cache"] == "HIT") is stored


def test_a_short_age_runs_out(proxy: Proxy) -> None:
    mine = {**cached(), "Cache-Control": "max-age=1"}
    post(proxy, mine)
    until_stored(proxy, mine)
    wait_for(lambda: post(proxy, mine).headers["helicone-cache"] == "MISS")


def test_a_caller_that_does_not_accept_the_stored_encoding_gets_readable_bytes(
    proxy: Proxy, provider: FakeProviders
) -> None:
    mine = cached()
    provider.script(Behaviour(encoding="gzip"))
    first = post(proxy, mine)
    assert first.headers["content-encoding"] == "gzip"
    address = urlsplit(proxy.url)
    headers = {"authorization": "Bearer k", "content-type": "application/json", **mine}

    def ask() -> http.client.HTTPResponse:
        """Another encoding is accepted, so an answer that is on its way into the store does not serve it."""
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        connection.request("POST", CHAT_PATH, json.dumps({"model": GPT, "messages": HELLO}), headers)
        return connection.getresponse()

    answer = hit_of(ask)
    assert answer.headers["content-encoding"] is None
    assert json.loads(answer.read()) == first.json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Helicone-Cache-Enabled", "maybe"),
        ("Helicone-Cache-Bucket-Max-Size", "21"),
        ("Helicone-Cache-Bucket-Max-Size", "many"),
        ("Helicone-Cache-Ignore-Keys", '["a"'),
        ("Cache-Control", "max-age=soon"),
    ],
)
def test_a_value_that_cannot_be_read_turns_the_cache_off_and_warns(proxy: Proxy, name: str, value: str) -> None:
    answer = post(proxy, {**cached(), name: value})
    assert "the cache is off" in answer.headers["helicone-warning"]
    assert "helicone-cache" not in answer.headers


def test_the_store_may_be_deleted_or_be_garbage_while_the_proxy_runs(
    shared_provider: FakeProviders, tmp_path: Path
) -> None:
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        mine = cached()
        post(proxy, mine)
        until_stored(proxy, mine)

        def is_missed_without_file() -> bool:
            for path in tmp_path.glob("cache.sqlite*"):
                path.unlink()
            return bool(post(proxy, mine).headers["helicone-cache"] == "MISS")

        wait_for(is_missed_without_file)  # an answer that is being written at that moment comes back with its file
        until_stored(proxy, mine)
        (tmp_path / "cache.sqlite").write_bytes(b"this is not a database" * 1000)
        post(proxy, mine)
        assert not [line for line in proxy.said if "Traceback" in line]


def test_an_omitted_answer_is_not_stored(shared_provider: FakeProviders, tmp_path: Path) -> None:
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        mine = {**cached(), "helicone-omit-response": "true"}
        post(proxy, mine)
        until_earlier_answers_are_stored(proxy)
        assert post(proxy, mine).headers["helicone-cache"] == "MISS"


def test_the_command_tells_and_clears(shared_provider: FakeProviders, tmp_path: Path) -> None:
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        mine = cached(seed="weather")
        post(proxy, mine)
        until_stored(proxy, mine)
        command = [HELIOGRAPH, "cache", "stats", "--data", str(tmp_path), "--json"]
        told = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
        assert json.loads(told.stdout)
        clear = [HELIOGRAPH, "cache", "clear", "--data", str(tmp_path)]
        for chosen in (["--seed", "weather"], ["--model", GPT]):

            def is_removed(chosen: list[str] = chosen) -> bool:
                """A hit may be of an answer that is on its way into the store."""
                command = [*clear, *chosen, "--json"]
                told = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
                return bool(json.loads(told.stdout)["removed"])

            wait_for(is_removed)
            assert post(proxy, mine).headers["helicone-cache"] == "MISS"
            until_stored(proxy, mine)


def test_a_store_that_cannot_be_used_is_told_in_the_row_the_answer_on_stderr_and_by_doctor(
    shared_provider: FakeProviders, tmp_path: Path
) -> None:
    (tmp_path / "cache.sqlite").mkdir()
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        for _ in range(3):
            answer = post(proxy, cached())
        assert (answer.status_code, answer.headers.get("helicone-cache")) == (200, None)
        assert "the cache cannot be used" in answer.headers["helicone-warning"]
        assert proxy.row(answer.headers["helicone-id"])["cache_status"] == "unavailable"
        said = wait_for(lambda: [line for line in proxy.said if "the cache cannot be used" in line])
        assert len(said) == 1
        doctor = [HELIOGRAPH, "doctor", "--data", str(tmp_path)]
        told = subprocess.run(doctor, capture_output=True, text=True, env=environment(), check=False)
        assert "WRONG  cache: cannot be used" in told.stdout
