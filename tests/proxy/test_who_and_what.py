"""User, session and project of a call: from Helicone's headers, from the clients' own, from the proxy's URL."""

import contextlib
import json
import ssl
import stat
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.data_files import files_with
from tests.proxy.clients import CHAT, GPT, HELLO, openai_client, plain
from tests.proxy.conftest import Proxy, run_up, to, wait_for

KEY = {"authorization": "Bearer sk-very-secret"}
CHAT_PATH = "/openai/v1/chat/completions"


def call(proxy: Proxy, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    answer = plain(proxy).post(CHAT_PATH, json={**CHAT, **body}, headers={**KEY, **(headers or {})})
    assert answer.status_code == 200
    return answer


def test_helicone_headers_become_columns_and_never_reach_the_provider(proxy: Proxy, provider: FakeProviders) -> None:
    answer = openai_client(proxy, "helicone host").chat.completions.with_raw_response.create(
        model=GPT,
        messages=HELLO,
        extra_headers={
            "Helicone-Auth": "Bearer sk-helicone-xxxx",
            "Helicone-User-Id": "user-123",
            "Helicone-Session-Id": "session-abc",
            "Helicone-Session-Path": "/support/answer",
            "Helicone-Session-Name": "Support",
            "Helicone-Property-Feature": "support-chat",
            "Helicone-Property-Ticket-Id": "T-5678",
            "Helicone-Prompt-Id": "greeting",
            "Helicone-Nobody-Knows-This": "x",
        },
    )
    row = proxy.row(answer.headers["helicone-id"])
    assert row["user_id"] == "user-123"
    assert (row["session_id"], row["session_path"], row["session_name"]) == (
        "session-abc",
        "/support/answer",
        "Support",
    )
    assert row["properties"] == {"feature": "support-chat", "ticket-id": "T-5678"}
    assert row["prompt_id"] == "greeting"
    assert len(row["helicone_key_hash"]) == len(row["api_key_hash"]) == 32
    assert row["client"].startswith("OpenAI/Python")
    sent = {name.lower(): value for name, value in provider.requests[-1].headers}
    assert not [name for name in sent if name.startswith("helicone")]
    assert sent["authorization"] == "Bearer sk-test-openai"


def test_an_answer_carries_its_id_and_what_we_added(proxy: Proxy) -> None:
    answer = call(proxy)
    assert uuid.UUID(answer.headers["helicone-id"]).version == 7
    assert answer.headers["helicone-status"] == "success"
    row = proxy.row(answer.headers["helicone-id"])
    assert 0 < float(answer.headers["helicone-overhead-ms"]) <= row["duration_ms"] + 1  # rounded
    assert row["overhead_ms"] >= 0


@pytest.mark.parametrize("version", [1, 4, 7])
def test_the_callers_own_uuid_is_kept_in_lower_case(proxy: Proxy, version: int) -> None:
    mine = str(uuid.uuid4())
    mine = f"{mine[:14]}{version}{mine[15:]}"
    answer = call(proxy, {"helicone-request-id": mine.upper()})
    assert answer.headers["helicone-id"] == mine
    assert proxy.row(mine)["status"] == 200


def test_no_row_is_dropped_because_an_id_repeats(proxy: Proxy) -> None:
    mine = str(uuid.uuid4())
    for _ in range(2):
        call(proxy, {"helicone-request-id": mine})
    assert (
        len(wait_for(lambda: found if len(found := proxy.rows("request_id = $id", id=mine)) == 2 else None) or []) == 2
    )


@pytest.mark.parametrize(
    ("header", "value"),
    [("Helicone-Request-Id", "not-a-uuid"), ("Helicone-Omit-Request", "perhaps"), ("Helicone-Omit-Response", "1")],
)
def test_a_value_that_cannot_be_read_is_served_and_warned_of(proxy: Proxy, header: str, value: str) -> None:
    answer = call(proxy, {header: value})
    assert header in answer.headers["helicone-warning"]
    assert uuid.UUID(answer.headers["helicone-id"]).version == 7


def test_the_user_of_the_body_counts_where_no_header_names_one(proxy: Proxy) -> None:
    assert proxy.row(call(proxy, user="from-the-body").headers["helicone-id"])["user_id"] == "from-the-body"
    both = call(proxy, {"helicone-user-id": "from-the-header"}, user="from-the-body")
    assert proxy.row(both.headers["helicone-id"])["user_id"] == "from-the-header"


@pytest.mark.parametrize(
    ("headers", "body", "session"),
    [
        ({"x-claude-code-session-id": "claude-1", "session-id": "other"}, {}, "claude-1"),
        ({"session-id": "codex-1", "x-session-id": "other"}, {}, "codex-1"),
        ({"x-session-id": "opencode-1"}, {}, "opencode-1"),
        ({"helicone-session-id": "mine", "x-session-id": "theirs"}, {}, "mine"),
        ({}, {"metadata": {"user_id": json.dumps({"device_id": "d", "session_id": "in-metadata"})}}, "in-metadata"),
        ({}, {"client_metadata": {"session_id": "in-client-metadata"}}, "in-client-metadata"),
        ({"x-session-id": "header"}, {"client_metadata": {"session_id": "body"}}, "header"),
        ({}, {"conversation": "conv_1"}, "conv_1"),
        ({}, {"conversation": {"id": "conv_2"}}, "conv_2"),
        ({}, {"prompt_cache_key": "a cache key"}, None),
    ],
)
def test_the_session_is_what_the_client_itself_says(
    proxy: Proxy, headers: dict[str, str], body: dict[str, Any], session: str | None
) -> None:
    assert proxy.row(call(proxy, headers, **body).headers["helicone-id"])["session_id"] == session


@pytest.mark.parametrize(
    ("headers", "body", "path"),
    [
        ({"x-claude-code-session-id": "s"}, {}, None),
        ({"x-claude-code-agent-id": "a1"}, {}, "/a1"),
        ({"x-claude-code-agent-id": "a2", "x-claude-code-parent-agent-id": "a1"}, {}, "/a1/a2"),
        ({"x-openai-subagent": "review"}, {}, "/review"),
        ({}, {"client_metadata": {"session_id": "s", "x-openai-subagent": "compact"}}, "/compact"),
        ({"x-openai-subagent": "review", "helicone-session-path": "/mine"}, {}, "/mine"),
    ],
)
def test_a_sub_agent_is_the_path_in_its_session(
    proxy: Proxy, headers: dict[str, str], body: dict[str, Any], path: str | None
) -> None:
    assert proxy.row(call(proxy, headers, **body).headers["helicone-id"])["session_path"] == path


@pytest.mark.parametrize(
    ("headers", "body", "agent"),
    [
        ({"user-agent": "claude-cli/2.1.329 (external, sdk-cli)"}, {}, "claude-code"),
        (
            {"user-agent": "claude-cli/2.1.329 (external, cli)", "x-claude-code-agent-id": "a1"},
            {},
            "claude-code/sub-agent",
        ),
        ({"user-agent": "codex_exec/0.169.0 (Debian)", "x-openai-subagent": "review"}, {}, "codex/review"),
        ({"user-agent": "codex_exec/0.169.0"}, {"client_metadata": {"x-openai-subagent": "compact"}}, "codex/compact"),
        ({"user-agent": "curl/8"}, {}, None),
    ],
)
def test_the_agent_is_what_the_client_itself_says(
    proxy: Proxy, headers: dict[str, str], body: dict[str, Any], agent: str | None
) -> None:
    assert proxy.row(call(proxy, headers, **body).headers["helicone-id"])["agent"] == agent


def test_the_model_override_decides_the_price(proxy: Proxy) -> None:
    plain_call = proxy.row(call(proxy).headers["helicone-id"])
    dearer = proxy.row(call(proxy, {"helicone-model-override": "gpt-4o"}).headers["helicone-id"])
    assert dearer["cost_nanousd"] > plain_call["cost_nanousd"] > 0
    assert dearer["response_model"] == plain_call["response_model"]


def test_an_unknown_model_has_no_cost_rather_than_none_at_all(proxy: Proxy) -> None:
    row = proxy.row(call(proxy, model="nobodys-model-7b").headers["helicone-id"])
    assert row["input_tokens"] > 0
    assert (row["cost_nanousd"], row["cost_usd"], row["cost_source"]) == (None, None, None)


def test_the_label_in_the_proxys_url_is_the_project(proxy: Proxy, provider: FakeProviders) -> None:
    labelled = proxy.url.replace("http://", "http://shop:x@")
    context = ssl.create_default_context(cafile=proxy.ca)
    with httpx.Client(proxy=labelled, verify=context, trust_env=False, timeout=60) as client:
        answer = client.post("https://api.openai.com/v1/chat/completions", json=CHAT, headers=KEY)
    assert proxy.row(answer.headers["helicone-id"])["properties"] == {"project": "shop"}
    assert not [name for name, _ in provider.requests[-1].headers if name.lower() == "proxy-authorization"]


@pytest.fixture(scope="module")
def searched(shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy whose files are searched: by the tests while it runs, and here for the same words when it has ended."""
    data = tmp_path_factory.mktemp("data")
    with run_up(data, *to(shared_provider)) as proxy:
        yield proxy
    for word in (b"xylophone", b"tuba"):
        assert files_with(data, word) == []


def test_omitted_bodies_are_in_no_file_and_the_row_is_whole(searched: Proxy) -> None:
    secret_question, secret_answer = "xylophone-question", "xylophone-answer"
    omit = {"helicone-omit-request": "true", "helicone-omit-response": "true", "helicone-user-id": "private"}
    ids = []
    for stream in (False, True):
        body: dict[str, Any] = {
            "messages": [{"role": "user", "content": f"{secret_question} {secret_answer}"}],
            "stream": stream,
        }
        if stream:
            body["stream_options"] = {"include_usage": True}
        answer = call(searched, omit, **body)
        assert secret_answer in answer.text
        ids.append(answer.headers["helicone-id"])
        assert files_with(searched.data, b"xylophone") == []
    for request_id in ids:
        row = searched.row(request_id)
        assert row["request_model"] == GPT
        assert row["usage_source"] == "provider"
        assert row["cost_nanousd"] > 0
        said = searched.body(request_id)
        assert (said["request_body"], said["response_body"], said["response_text"]) == (None, None, None)
    assert files_with(searched.data, b"xylophone") == []


def test_no_secret_is_in_any_file(searched: Proxy, provider: FakeProviders) -> None:
    headers = {
        "authorization": "Bearer sk-tuba-1",
        "x-api-key": "tuba-2",
        "helicone-auth": "Bearer tuba-3",
        "cookie": "session=tuba-4",
        "proxy-authorization": "Basic c2hvcDp0dWJhLTc=",
    }
    provider.script(Behaviour(headers=(("set-cookie", "id=tuba-5"),)))
    answer = plain(searched).post(f"{CHAT_PATH}?key=tuba-6&api-version=1", json=CHAT, headers=headers)
    row = searched.row(answer.headers["helicone-id"])
    assert row["path"] == "/v1/chat/completions?api-version=1"
    assert row["properties"] == {"project": "shop"}
    assert files_with(searched.data, b"tuba") == []


def test_folders_and_files_are_for_their_owner_alone(searched: Proxy) -> None:
    searched.row(call(searched).headers["helicone-id"])
    for path in searched.data.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the settler removes what is settled
            mode = path.stat().st_mode
            assert mode & 0o077 == 0 or path.parent.name == "ca", path
            assert not stat.S_ISDIR(mode) or stat.S_IMODE(mode) == 0o700, path
