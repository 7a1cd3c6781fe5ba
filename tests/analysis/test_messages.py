"""Conversations from a data folder, in Python."""

from pathlib import Path

import duckdb
import pytest

from analysis.conversations import messages
from analysis.conversations.messages import new_from, turn_before
from analysis.lake import Lake
from analysis.table import NotAllowed
from tests.conversations.session import COUNT, FIRST, NOT_KEPT, SECOND, SUB_AGENT, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def test_a_call_has_its_conversation(data: Path) -> None:
    (call,) = messages.of_request(data, FIRST.upper())
    assert call.conversation
    assert [part["type"] for part in call.conversation.output_messages[0]["parts"]] == [
        "reasoning",
        "text",
        "tool_call",
    ]
    assert call.conversation.mcp_servers == ("github",)
    assert messages.of_request(data, "nobody") == []


def test_a_call_that_says_nothing_has_none(data: Path) -> None:
    assert [call.conversation for id in (COUNT, NOT_KEPT) for call in messages.of_request(data, id)] == [None, None]


def test_calls_are_found_by_a_condition_oldest_first(data: Path) -> None:
    found = messages.where(data, "session_id = 's1' -- all of it")
    assert [call.request_id for call in found] == [FIRST, SUB_AGENT, SECOND, COUNT, NOT_KEPT]


@pytest.mark.parametrize("condition", ["true); drop view requests; select (1", "true; select 1", ""])
def test_a_condition_is_one_condition(data: Path, condition: str) -> None:
    with pytest.raises((NotAllowed, duckdb.Error)):
        messages.where(data, condition)


def test_the_turn_before_is_the_one_with_the_same_beginning(data: Path) -> None:
    def question(connection: duckdb.DuckDBPyConnection) -> tuple[str | None, int, int]:
        (second,), (first,) = messages.by_id(connection, SECOND), messages.by_id(connection, FIRST)
        before = turn_before(connection, second)
        return before.request_id if before else None, new_from(connection, second), new_from(connection, first)

    assert Lake(data).ask(question) == (FIRST, 2, 0)
