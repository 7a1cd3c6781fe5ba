"""The conversation of a call over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Client, serving
from tests.conversations.session import COUNT, FIRST, SECOND, write


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    write(tmp_path)
    with serving(tmp_path) as client:
        yield client


def test_a_call_answers_with_its_messages(client: Client) -> None:
    found = client.get(f"/v1/request/{FIRST}/messages")
    assert found["provider_name"] == "anthropic"
    assert found["model"] == "claude-sonnet-4-5"
    assert found["started_at"] == "2026-11-20T09:00:00+00:00"
    assert [message["role"] for message in found["input_messages"]] == ["user"]
    assert found["output_messages"][0]["parts"][2]["name"] == "Read"
    assert found["tool_definitions"][0] == {"type": "function", "name": "Read"}
    assert found["first_new"] is None


def test_where_a_turn_begins_is_told_when_asked_for(client: Client) -> None:
    assert client.get(f"/v1/request/{SECOND}/messages?new=true")["first_new"] == 2
    assert "neither true nor false" in client.get(f"/v1/request/{SECOND}/messages?new=1", 400)


def test_a_call_without_messages_has_null(client: Client) -> None:
    found = client.get(f"/v1/request/{COUNT}/messages")
    assert found["input_messages"] is found["output_messages"] is None


def test_an_unknown_id_is_404(client: Client) -> None:
    assert "no request" in client.get("/v1/request/0199f000-0000-7000-8000-ffffffffffff/messages", 404)
