"""Rate limits by header, limits and budgets by the config; the provider counts the calls that reach it."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from addon.demo.providers import FakeProviders
from tests.proxy.clients import CLAUDE, GPT, HELLO, anthropic_client, openai_client, plain
from tests.proxy.conftest import Proxy, run_up, to, wait_for
from tests.proxy.gathering import LONG

CHAT_PATH = "/openai/v1/chat/completions"


def limited(policy: str, **more: str) -> dict[str, str]:
    """Headers with a key of their own, so that tests share no bucket."""
    key = {"authorization": f"Bearer {uuid.uuid4()}", "Helicone-RateLimit-Policy": policy}
    return {**key, **{name.replace("_", "-"): value for name, value in more.items()}}


def post(proxy: Proxy, headers: dict[str, str], **body: Any) -> httpx.Response:
    return plain(proxy).post(CHAT_PATH, json={"model": GPT, "messages": HELLO, **body}, headers=headers)


def test_a_limit_lets_its_quota_through_and_tells_how_it_stands(proxy: Proxy, provider: FakeProviders) -> None:
    headers = limited("2;w=60")
    answers = [post(proxy, headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["helicone-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["helicone-ratelimit-limit"] for answer in answers} == {"2"}
    assert {answer.headers["helicone-ratelimit-policy"] for answer in answers} == {"2;w=60"}
    assert int(answers[1].headers["helicone-ratelimit-reset"]) > 0
    refused = answers[2]
    assert refused.headers["x-helicone-error"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "x-should-retry" not in refused.headers
    assert "2 requests per 60 s" in refused.json()["error"]["message"]
    assert len(provider.requests) == 2
    row = proxy.row(refused.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["rate_limit_status"]) == (429, "rate_limited", "rate_limited")
    assert (row["request_model"], row["input_tokens"], row["cost_nanousd"], row["attempts"]) == (GPT, None, 0, 0)
    assert proxy.row(answers[0].headers["helicone-id"])["rate_limit_status"] == "allowed"


def test_a_refusal_is_in_the_dialect_of_the_called_api(proxy: Proxy) -> None:
    headers = {"Helicone-RateLimit-Policy": "1;w=60;s=user", "Helicone-User-Id": str(uuid.uuid4())}
    client = openai_client(proxy, "forward", headers)
    client.chat.completions.create(model=GPT, messages=HELLO)
    with pytest.raises(openai.RateLimitError, match="used up"):
        client.chat.completions.create(model=GPT, messages=HELLO)
    claude = anthropic_client(proxy, headers={**headers, "Helicone-User-Id": str(uuid.uuid4())})
    claude.messages.create(model=CLAUDE, max_tokens=9, messages=HELLO)
    with pytest.raises(anthropic.RateLimitError, match="used up") as caught:
        claude.messages.create(model=CLAUDE, max_tokens=9, messages=HELLO)
    assert caught.value.response.json()["error"]["type"] == "rate_limit_error"
    row = proxy.row(caught.value.response.headers["helicone-id"])
    assert (row["error_type"], row["rate_limit_status"]) == ("rate_limited", "rate_limited")


def test_sdks_fail_at_once_where_the_limit_opens_only_after_more_than_a_minute(proxy: Proxy) -> None:
    """Both SDKs obey Retry-After: without x-should-retry a program would stand still for its time, twice."""
    headers = {"Helicone-RateLimit-Policy": "1;w=3600;s=user", "Helicone-User-Id": str(uuid.uuid4())}
    gpt = openai_client(proxy, headers=headers).with_options(max_retries=2)
    claude = anthropic_client(proxy, headers={**headers, "Helicone-User-Id": str(uuid.uuid4())})
    claude = claude.with_options(max_retries=2)
    gpt.chat.completions.create(model=GPT, messages=HELLO)
    claude.messages.create(model=CLAUDE, max_tokens=9, messages=HELLO)
    before = proxy.seen()
    with pytest.raises(openai.RateLimitError) as refused_gpt:
        gpt.chat.completions.create(model=GPT, messages=HELLO)
    with pytest.raises(anthropic.RateLimitError) as refused_claude:
        claude.messages.create(model=CLAUDE, max_tokens=9, messages=HELLO)
    assert proxy.seen() == before + 2, "neither has tried again"
    for answer in (refused_gpt.value.response, refused_claude.value.response):
        assert answer.headers["x-should-retry"] == "false"
        assert 61 <= int(answer.headers["retry-after"]) <= 3600


def test_sdks_wait_for_a_limit_that_opens_soon_and_go_on(proxy: Proxy) -> None:
    headers = {"Helicone-RateLimit-Policy": "1;w=2;s=user", "Helicone-User-Id": str(uuid.uuid4())}
    gpt = openai_client(proxy, headers=headers).with_options(max_retries=2)
    for _ in range(2):
        assert gpt.chat.completions.create(model=GPT, messages=HELLO).choices


def test_users_and_properties_have_buckets_of_their_own(proxy: Proxy) -> None:
    by_user = limited("1;w=60;s=user")
    by_feature = limited("1;w=60;s=feature")
    for headers, name in ((by_user, "helicone-user-id"), (by_feature, "helicone-property-feature")):
        assert post(proxy, {**headers, name: "a"}).status_code == 200
        assert post(proxy, {**headers, name: "a"}).status_code == 429
        assert post(proxy, {**headers, name: "b"}).status_code == 200
        nobody = post(proxy, headers)
        assert nobody.status_code == 200
        assert "names none" in nobody.headers["helicone-warning"]
    assert post(proxy, {**by_user}, user="c").status_code == 200
    assert post(proxy, {**by_user}, user="c").status_code == 429


def test_a_bucket_fills_again(proxy: Proxy) -> None:
    headers = limited("1;w=2")
    for status in (200, 429, 200):
        wait_for(lambda status=status: post(proxy, headers).status_code == status)  # type: ignore[misc]


def test_of_a_hundred_calls_at_once_exactly_ten_go_through(proxy: Proxy, provider: FakeProviders) -> None:
    headers = limited("10;w=3600")
    with ThreadPoolExecutor(25) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: post(proxy, headers), range(100))]
    assert (statuses.count(200), statuses.count(429)) == (10, 90)
    assert len(provider.requests) == 10


@pytest.mark.parametrize("stream", [False, True])
def test_money_is_charged_with_what_the_call_cost(proxy: Proxy, stream: bool) -> None:
    headers = limited("0.000001;w=86400;u=cents")
    first = post(proxy, headers, stream=stream)
    assert first.status_code == 200
    assert proxy.row(first.headers["helicone-id"])["cost_nanousd"] > 10
    refused = wait_for(lambda: [answer] if (answer := post(proxy, headers)).status_code == 429 else [])
    assert "cents" in refused[0].json()["error"]["message"]


def test_a_hit_is_neither_limited_nor_counted(proxy: Proxy) -> None:
    headers = limited("2;w=600", Helicone_Cache_Enabled="true")
    assert post(proxy, headers).headers["helicone-cache"] == "MISS"
    for _ in range(5):
        hit = post(proxy, headers)
        assert (hit.status_code, hit.headers["helicone-cache"]) == (200, "HIT")
        assert "helicone-ratelimit-remaining" not in hit.headers


@pytest.mark.parametrize("policy", ["abc", "0;w=60", "10;w=0", "10", "10;w=60;u=euros", "10;w=60;u=tokens"])
def test_a_policy_that_cannot_be_read_limits_nothing_and_warns(proxy: Proxy, policy: str) -> None:
    for _ in range(2):
        answer = post(proxy, limited(policy))
        assert answer.status_code == 200
        assert "Helicone-RateLimit-Policy" in answer.headers["helicone-warning"]


def test_a_limit_of_the_config_cannot_be_loosened_and_survives_a_restart(
    shared_provider: FakeProviders, tmp_path: Path
) -> None:
    (tmp_path / "heliograph.toml").write_text(
        '[[limits]]\nname = "house"\nquota = 2\nwindow = "1d"\nunit = "request"\nper = "all"\n'
    )
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        assert [post(proxy, limited("100;w=60")).status_code for _ in range(2)] == [200, 200]
        refused = post(proxy, limited("100;w=60"))
        assert refused.status_code == 429
        assert "house" in refused.json()["error"]["message"]
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        assert post(proxy, {"authorization": "Bearer k"}).status_code == 429


def test_a_limit_may_be_of_tokens_and_of_one_model(shared_provider: FakeProviders, tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text(
        '[[limits]]\nname = "mini"\nquota = 5\nwindow = "1d"\nunit = "tokens"\nper = "model"\nmatch = { model = "gpt-4o-mini*" }\n'
    )
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        headers = {"authorization": "Bearer k"}
        assert post(proxy, headers).status_code == 200
        wait_for(lambda: post(proxy, headers).status_code == 429)
        assert post(proxy, headers, model="gpt-4o").status_code == 200


def test_a_budget_warns_and_then_stops_hard_and_is_counted_exactly_after_a_restart(
    shared_provider: FakeProviders, tmp_path: Path
) -> None:
    (tmp_path / "heliograph.toml").write_text(
        '[[budgets]]\nname = "team"\nusd = 0.00002\nperiod = "month"\nper = "all"\nwarn_at = 0.1\n'
    )
    headers = {"authorization": "Bearer k"}
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        first = post(proxy, headers)
        assert proxy.row(first.headers["helicone-id"])["cost_nanousd"] > 2_000
        second = post(proxy, headers)
        assert second.status_code == 200
        assert "budget 'team'" in second.headers["helicone-warning"]
        # Before that, calls under way may hold the rest of the budget: such a refusal may be retried.
        (stopped,) = wait_for(
            lambda: [answer] if (answer := post(proxy, headers)).headers.get("x-should-retry") == "false" else []
        )
        assert stopped.status_code == 429
        assert stopped.json()["error"]["type"] == "insufficient_quota"
        assert "heliograph.toml" in stopped.json()["error"]["message"]
        assert proxy.row(stopped.headers["helicone-id"])["rate_limit_status"] == "budget_exceeded"
    for path in tmp_path.glob("limits.sqlite*"):
        path.unlink()
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        wait_for(lambda: post(proxy, headers).status_code == 429)


@pytest.mark.parametrize(("fail_closed", "status"), [("false", 200), ("true", 429)])
def test_with_the_store_down_calls_go_on_unless_the_config_says_otherwise(
    shared_provider: FakeProviders, tmp_path: Path, fail_closed: str, status: int
) -> None:
    (tmp_path / "heliograph.toml").write_text(f"[limits_store]\nfail_closed = {fail_closed}\n")
    (tmp_path / "limits.sqlite").mkdir()
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        answer = post(proxy, limited("5;w=60"))
        assert answer.status_code == status
        row = proxy.row(answer.headers["helicone-id"])
        assert row["rate_limit_status"] == ("unchecked" if status == 200 else "rate_limited")


def test_calls_without_limits_say_nothing_of_them(proxy: Proxy) -> None:
    answer = post(proxy, {"authorization": "Bearer k"})
    assert proxy.row(answer.headers["helicone-id"])["rate_limit_status"] is None


def test_no_body_hides_its_model_and_no_burst_passes_a_budget(shared_provider: FakeProviders, tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text(
        '[[limits]]\nname = "mini"\nquota = 1\nwindow = "1d"\nper = "all"\nmatch = { model = "gpt-4o-mini*" }\n'
        '[[budgets]]\nname = "team"\nusd = 0.0001\nperiod = "month"\nper = "user"\n'
    )
    chat = json.dumps({"model": GPT, "messages": HELLO})
    twice = f'{{"model": "{CLAUDE}", {chat[1:]}'
    with run_up(tmp_path, *to(shared_provider)) as proxy:

        def send(body: bytes, user: str = "u", **more: str) -> httpx.Response:
            headers = {
                "authorization": "Bearer k",
                "content-type": "application/json",
                "Helicone-User-Id": user,
                **more,
            }
            return plain(proxy).post(CHAT_PATH, content=body, headers=headers)

        assert send(chat.encode(), "first").status_code == 200
        for hidden in (b"\xef\xbb\xbf" + chat.encode(), chat.encode("utf-16"), chat.encode("utf-32-le")):
            assert send(hidden).status_code == 429
        ambiguous = send(twice.encode())
        assert (ambiguous.status_code, proxy.row(ambiguous.headers["helicone-id"])["attempts"]) == (400, 0)
        other, before = json.dumps({"model": "gpt-4o", "messages": HELLO}).encode(), shared_provider.hits
        with ThreadPoolExecutor(10) as pool:
            calls = [pool.submit(send, other, "burst", **{"x-fake": LONG}) for _ in range(10)]
            wait_for(lambda: sum(call.done() for call in calls) == 9)
            # The tenth may be on its way to the provider, which answers now only what it has.
            assert shared_provider.wait_for(lambda: shared_provider.hits == before + 1)
            shared_provider.answer_now()
            answers = [call.result() for call in calls]
        assert sorted(answer.status_code for answer in answers) == [200, *[429] * 9]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert "calls under way" in refused.json()["error"]["message"]
        assert "x-should-retry" not in refused.headers
