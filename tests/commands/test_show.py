"""`heliograph show`, and the view `messages` of `heliograph sql`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main
from tests.conversations.session import COUNT, FIRST, NOT_KEPT, SECOND, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def heliograph(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--data", str(data)])


def test_a_call_is_shown_as_people_read_it(data: Path) -> None:
    result = heliograph(data, "show", SECOND)
    assert result.exit_code == 0
    assert (
        result.output
        == f"""{SECOND}  2026-11-20 09:00:02 UTC  anthropic  chat  claude-sonnet-4-5
tools: Read, mcp__github__search
MCP servers: github

system
  Be brief.

user
  Fix \\x1b[31mthe test

assistant
  I look.
  [call] Read({{"path": "a.py"}}) toolu_1

tool
  [result toolu_1] print(1)
  print(2)

assistant, the answer (end_turn)
  Done.
"""
    )


def test_new_leaves_out_what_the_turn_before_had(data: Path) -> None:
    lines = heliograph(data, "show", SECOND, "--new").output.splitlines()
    assert lines[4] == "(2 messages as in the turn before)"
    assert lines[6:8] == ["tool", "  [result toolu_1] print(1)"]
    assert "Be brief" not in "".join(lines)


def test_json_has_opentelemetrys_messages(data: Path) -> None:
    (call,) = json.loads(heliograph(data, "show", FIRST, "--json").output)
    assert call["request_id"] == FIRST
    assert call["input_messages"] == [{"role": "user", "parts": [{"type": "text", "content": "Fix \x1b[31mthe test"}]}]
    assert call["output_messages"][0]["finish_reason"] == "tool_use"
    assert call["system_instructions"] == [{"type": "text", "content": "Be brief."}]
    (again,) = json.loads(heliograph(data, "show", SECOND, "--json", "--new").output)
    assert again["first_new"] == 2


def test_a_call_without_messages_says_why(data: Path) -> None:
    assert "its bodies were not kept" in heliograph(data, "show", NOT_KEPT).output
    assert "nothing is said in such a call" in heliograph(data, "show", COUNT).output
    (call,) = json.loads(heliograph(data, "show", COUNT, "--json").output)
    assert call["input_messages"] is None


def test_an_unknown_id_fails(data: Path) -> None:
    result = heliograph(data, "show", "0199f000-0000-7000-8000-ffffffffffff")
    assert result.exit_code == 1
    assert "no call with the id" in result.output


def test_sql_asks_the_messages(data: Path) -> None:
    statement = f"select tool_name, arguments from messages where type = 'tool_call' and request_id = '{SECOND}'"
    result = heliograph(data, "sql", statement, "--json")
    assert json.loads(result.output) == [{"tool_name": "Read", "arguments": '{"path":"a.py"}'}]
