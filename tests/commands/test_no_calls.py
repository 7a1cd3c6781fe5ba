"""Why no call of a program came through: each reason has words of its own."""

from pathlib import Path
from typing import Any

import pytest

from addon.commands.no_calls import Seen, why_nothing
from addon.commands.node import node_without_proxy

AGAIN = "heliograph run --base-url -- python app.py"
OLLAMA = ("127.0.0.1", 11434)


def told(**seen: Any) -> str:
    return why_nothing(Seen(again=AGAIN, bundle=Path("/data/bundle.pem"), **seen))


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ({}, "most likely it made no request"),
        ({"old_node": "20.20"}, "runs on Node 20.20, whose fetch ignores HTTPS_PROXY"),
        ({"status": 3}, "ended with status 3 before a request of it was seen"),
        ({"direct": None}, "made no request, or its HTTP library ignores HTTPS_PROXY"),
        ({"direct": frozenset({("192.0.2.1", 443)})}, "went past the proxy (192.0.2.1:443)"),
        ({"direct": frozenset({("10.0.0.2", 53)})}, "went past the proxy (it asked a name server)"),
        ({"direct": frozenset({OLLAMA}), "local": {OLLAMA: "ollama"}}, "127.0.0.1:11434 (ollama), which NO_PROXY keeps"),
        ({"untrusted": ["api.openai.com"]}, "did not trust its certificate for api.openai.com"),
        ({"tunnelled": ["llm.example.org"]}, "--upstream NAME=https://llm.example.org"),
        ({"opened": ["api.openai.com"], "passed": 1}, "called api.openai.com, but no operation that is measured"),
        ({"opened": ["api.openai.com"]}, "connected to api.openai.com through the proxy and sent no request"),
    ],
)  # fmt: skip
def test_each_reason_is_told(seen: dict[str, Any], says: str) -> None:
    assert says in told(**seen)


@pytest.mark.parametrize("seen", [{}, {"status": 1}, {"untrusted": ["a"]}, {"direct": frozenset({("192.0.2.1", 443)})}])
def test_where_a_base_url_helps_the_command_is_given_once(seen: dict[str, Any]) -> None:
    assert told(**seen).count(AGAIN) == 1
    assert told(**seen, by_base_url=True).count(AGAIN) == (1 if "untrusted" in seen else 0)


def test_a_connection_to_a_database_is_not_a_call() -> None:
    assert "made no request" in told(direct=frozenset({("10.0.0.9", 5432)}))


@pytest.mark.parametrize(
    ("says", "old"),
    [("v20.20.1", "20.20"), ("v22.20.0", "22.20"), ("v22.21.0", None), ("v24.4.1", "24.4"), ("v26.1.0", None)],
)
def test_an_old_node_is_known_by_its_version_and_a_script_by_its_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, old: str | None
) -> None:
    for name, text in (
        ("node", f"#!/bin/sh\necho {says}\n"),
        ("agent", "#!/usr/bin/env node\n"),
        ("other", "#!/bin/sh\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert node_without_proxy("node") == node_without_proxy("agent") == old
    assert node_without_proxy("other") is None
    assert node_without_proxy("no-such-program") is None
