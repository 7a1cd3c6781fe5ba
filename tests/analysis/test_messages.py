"""Conversations from a data folder: in Python, and as tables for SQL."""

from pathlib import Path

import duckdb
import pytest

from analysis.conversations import messages
from analysis.conversations.message_tables import CONVERSATIONS, MESSAGES, add
from analysis.conversations.messages import new_from, turn_before
from analysis.lake import Lake
from analysis.table import NotAllowed, Table, fetch_user_sql
from tests.conversations.session import COUNT, FIRST, NOT_KEPT, SECOND, SUB_AGENT, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def ask(data: Path, condition: str, sql: str) -> Table:
    def question(connection: duckdb.DuckDBPyConnection) -> Table:
        add(connection, condition)
        return fetch_user_sql(connection, sql)

    return Lake(data).ask(question)


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


def test_messages_are_rows_of_parts(data: Path) -> None:
    table = ask(data, f"request_id = '{SECOND}'", "select * exclude (request_id, started_at, json) from messages")
    assert table.columns == tuple(MESSAGES.names[2:-1])
    rest = (None, None)
    assert table.rows == [
        ("system", 1, "system", 1, "text", "Be brief.", *[None] * 4, *rest),
        ("input", 1, "user", 1, "text", "Fix \x1b[31mthe test", *[None] * 4, *rest),
        ("input", 2, "assistant", 1, "text", "I look.", *[None] * 4, *rest),
        ("input", 2, "assistant", 2, "tool_call", None, "toolu_1", "Read", '{"path":"a.py"}', None, *rest),
        ("input", 3, "tool", 1, "tool_call_response", None, "toolu_1", "Read", None, "print(1)\nprint(2)", *rest),
        ("output", 1, "assistant", 1, "text", "Done.", *[None] * 4, None, "end_turn"),
    ]


def test_tables_join_the_views_and_are_json_inside(data: Path) -> None:
    sql = """select request_id, session_id, input_messages->0->>'role', mcp_servers
        from conversations join requests using (request_id) order by request_id"""
    rows = ask(data, "session_id = 's1'", sql).rows
    assert rows == [(id, "s1", "user", ["github"]) for id in (FIRST, SUB_AGENT, SECOND)]
    assert ask(data, "true", "from conversations").columns == tuple(CONVERSATIONS.names)


def test_no_calls_give_empty_tables(data: Path) -> None:
    assert ask(data, "false", "select * from messages, conversations").rows == []
