"""Texts to copy run as they are, against a real proxy; a replay is a call like any other."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from addon.demo.providers import FakeProviders
from analysis.dashboard.again import Again, NotAgain, again, as_curl, as_javascript, as_python
from analysis.dashboard.replay import NotSent, Replayed, proxy_url, replay
from tests.data_files import files_with
from tests.proxy.conftest import Proxy, run_up

QUOTES = 'it\'s "quoted" $HOME `id` \\ \n HELIOGRAPH\n line ${x} %s {y} שלום'
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": QUOTES}], "seed": 7, "made_up": {"a": None}}
CLAUDE = {"model": "claude-sonnet-4-5", "max_tokens": 20, "messages": [{"role": "user", "content": QUOTES}]}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": QUOTES}]}], "generationConfig": {"maxOutputTokens": 9}}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": QUOTES}]}], "inferenceConfig": {"maxTokens": 9}}
KEY = "sk-of-the-person"
COMMANDS: dict[Any, list[str]] = {
    as_curl: ["bash", "-c"],
    as_python: [sys.executable, "-c"],
    as_javascript: [shutil.which("node") or "", "--input-type=module", "-e"],
}


def row(provider: str, host: str, path: str, body: Any, **more: Any) -> dict[str, Any]:
    text = None if body is None else body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return {
        "mode": "forward",
        "method": "POST",
        "provider_name": provider,
        "host": host,
        "path": path,
        "request_body": text,
        "request_bytes": 10,
        "request_truncated": False,
        "request_headers": {"content-type": "application/json"},
    } | more


OPENAI_ROW = row("openai", "api.openai.com", "/v1/chat/completions", CHAT)
CALLS = {
    "chat": (OPENAI_ROW, CHAT),
    "stream": (
        row("openai", "api.openai.com", "/v1/chat/completions", CHAT | {"stream": True}),
        CHAT | {"stream": True},
    ),
    "responses": (row("openai", "api.openai.com", "/v1/responses", r := {"model": "gpt-4o-mini", "input": QUOTES}), r),
    "claude": (row("anthropic", "api.anthropic.com", "/v1/messages", CLAUDE), CLAUDE),
    "count": (
        row("anthropic", "api.anthropic.com", "/v1/messages/count_tokens", c := {"model": "c", "messages": []}),
        c,
    ),
}


OTHERS = {
    "gemini": (
        row("gemini", "generativelanguage.googleapis.com", "/v1beta/models/gemini-2.5-flash:generateContent", GEMINI),
        GEMINI,
    ),
    "bedrock": (
        row("bedrock", "bedrock-runtime.us-east-1.amazonaws.com", "/model/amazon.nova-lite-v1%3A0/converse", CONVERSE),
        CONVERSE,
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("make", [as_curl, as_python, as_javascript])
def test_a_copied_text_sends_the_same_body(proxy: Proxy, provider: FakeProviders, name: str, make: Any) -> None:
    if not COMMANDS[make][0]:
        pytest.skip("no node on this machine")
    run_as_copied(proxy, provider, make, *CALLS[name])


def run_as_copied(proxy: Proxy, provider: FakeProviders, make: Any, kept: dict[str, Any], body: Any) -> None:
    call = again(kept)
    command = [*COMMANDS[make], make(call, proxy.url)]
    done = subprocess.run(
        command, env={**os.environ, call.key_variable: KEY}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    (sent,) = provider.requests
    assert json.loads(sent.body) == body
    assert sent.path == kept["path"]
    assert any(KEY in value for _, value in sent.headers)  # the SDK chooses the header


def test_copied_texts_of_providers_without_an_sdk_here_send_the_same_body(
    provider: FakeProviders, tmp_path: Path
) -> None:
    with run_up(tmp_path, *(f"--upstream={name}={provider.url}" for name in OTHERS)) as proxy:
        for kept, body in OTHERS.values():
            for make in (make for make, command in COMMANDS.items() if command[0]):
                provider.requests.clear()
                run_as_copied(proxy, provider, make, kept, body)


def test_a_replay_is_a_call_that_names_what_it_repeats(proxy: Proxy, provider: FakeProviders) -> None:
    found = proxy_url(proxy.data)
    assert found == proxy.url
    *pieces, sent = replay(again(OPENAI_ROW), proxy.url, KEY, "", "0199f000-0000-7000-8000-000000000001")
    assert isinstance(sent, Replayed) and b"".join(map(bytes, pieces)).decode() == sent.body  # type: ignore[arg-type]
    assert sent.status == 200 and sent.size > 0 and sent.request_id
    new = proxy.row(sent.request_id)
    assert dict(new["properties"])["replay-of"] == "0199f000-0000-7000-8000-000000000001"
    assert json.loads(provider.requests[0].body) == CHAT
    assert not files_with(proxy.data, KEY.encode())


def test_a_call_is_replayed_from_its_page(proxy: Proxy, provider: FakeProviders) -> None:
    with httpx.Client(base_url=proxy.url, timeout=60) as client:
        headers = {"authorization": f"Bearer {KEY}"}
        first = client.post("/openai/v1/chat/completions", json=CHAT, headers=headers)
        path = f"/ui/requests/{first.headers['helicone-id']}"
        proxy.row(first.headers["helicone-id"])
        page = client.get(path)
        assert page.status_code == 200
        assert "it costs money" in client.get(f"{path}/-/again").text
        token = re.search(r'X-CSRF-Token": "([^"]+)"', page.text)
        assert token
        form = {"key": KEY, "sure": "yes"}
        assert client.post(f"{path}/-/replay", data=form).status_code == 403
        told = {"x-csrf-token": token[1], "hx-request": "true"}
        assert "Tick the box" in client.post(f"{path}/-/replay", data={"key": KEY}, headers=told).text
        assert len(provider.requests) == 1
        lines = client.post(f"{path}/-/replay", data=form, headers=told).text.splitlines()
    answer = json.loads(lines[-1])["html"]
    assert "The answer has the status 200" in answer and KEY not in answer
    assert "<h3>assistant" in answer and "You said: it&#39;s" in answer
    assert [json.loads(each.body) for each in provider.requests] == [CHAT, CHAT]


@pytest.mark.parametrize("body", ['{"seed": 9007199254740993}', '{"__proto__": {"a": 1}}', "not JSON"])
def test_a_body_that_javascript_would_change_is_sent_as_its_text(body: str) -> None:
    text = as_javascript(again(OPENAI_ROW | {"request_body": body}), "http://127.0.0.1:1")
    assert f"body: {json.dumps(body)}," in text and "JSON.stringify" not in text


def test_a_key_that_would_be_another_header_is_refused() -> None:
    for key in ("a\r\nx-evil: 1", "a b", "ключ"):
        with pytest.raises(NotSent, match="character"):
            next(replay(again(OPENAI_ROW), "http://127.0.0.1:1", key, "", "id"))
    with pytest.raises(NotSent, match="no answer"):
        next(replay(again(OPENAI_ROW), "http://127.0.0.1:1", "key", "", "id"))


def test_without_a_running_proxy_there_is_none(tmp_path: Path) -> None:
    assert proxy_url(tmp_path) is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"mode": "async"}, "logged"),
        ({"request_body": None}, "not kept"),
        ({"request_truncated": True}, "in part"),
        ({"request_body": "data:multipart/form-data;base64,AAAA"}, "not text"),
    ],
)
def test_what_cannot_be_sent_again_says_why(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotAgain, match=reason):
        again(OPENAI_ROW | changed)


def test_a_target_without_a_prefix_goes_by_the_gateway() -> None:
    call = again(row("llm.example.org", "llm.example.org", "/v1/chat/completions", CHAT))
    assert (call.path, call.headers["Helicone-Target-Url"]) == (
        "/gateway/v1/chat/completions",
        "https://llm.example.org",
    )
    assert "import httpx" in as_python(call, "http://127.0.0.1:8787")
    named = again(row("vllm-own", "10.0.0.1", "/v1/chat/completions", CHAT))
    assert named.path == "/vllm-own/v1/chat/completions"


def test_a_body_that_would_end_its_own_quotes_does_not() -> None:
    call = Again("openai", "POST", "/openai/v1/x", {}, "HELIOGRAPH\nHELIOGRAPH_\n'")
    text = as_curl(call, "http://127.0.0.1:8787")
    done = subprocess.run(
        ["bash", "-c", f"curl() {{ cat; }}; {text}"], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout == call.body + "\n"
