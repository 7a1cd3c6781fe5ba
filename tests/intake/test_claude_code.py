"""Claude Code's session files become one row for each answer."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from tests.intake.history import calls, day, lines, row_of, rows, tokens

USAGE = {
    "input_tokens": 100,
    "output_tokens": 50,
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300},
    "service_tier": "standard",
}
SONNET = "claude-sonnet-4-5-20250929"


def answer(message_id: str = "msg_1", text: str = "Hello", output: int = 50, **more: Any) -> dict[str, Any]:
    message = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": SONNET,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": USAGE | {"output_tokens": output},
    }
    line = {
        "type": "assistant",
        "uuid": "0b0f0000-0000-4000-8000-000000000001",
        "timestamp": "2026-01-09T10:00:00.000Z",
        "sessionId": "5d1c0000-0000-4000-8000-000000000001",
        "requestId": "req_1",
        "cwd": "/home/ann/shop",
        "version": "2.1.37",
        "isSidechain": False,
        "message": message,
    }
    return line | more


ASKED = {
    "type": "user",
    "sessionId": "5d1c0000-0000-4000-8000-000000000001",
    "timestamp": "2026-01-09T09:59:00.000Z",
    "message": {"role": "user", "content": "Hi"},
}


def test_an_answer_is_a_row_with_its_cache_writes_by_duration(tmp_path: Path) -> None:
    summary = {"type": "summary", "summary": "Greetings", "leafUuid": "x"}
    (row,) = rows(lines(tmp_path / "s.jsonl", [summary, ASKED, answer()]), "claude-code")
    assert tokens(row) == (1600, 1000, 500, 300, 50, None)
    assert row.cost_nanousd == 100 * 3000 + 1000 * 300 + 200 * 3750 + 300 * 6000 + 50 * 15000
    assert (row.provider_name, row.operation_name, row.request_model, row.response_id) == (
        "anthropic",
        "chat",
        SONNET,
        "msg_1",
    )
    assert (row.session_id, row.agent) == ("5d1c0000-0000-4000-8000-000000000001", "claude-code")
    assert (row.client, row.client_cwd) == ("claude-cli/2.1.37", "/home/ann/shop")
    assert row.properties == {"imported_from": "claude-code"}
    assert (row.mode, row.status, row.duration_ms, day(row)) == ("async", 200, None, date(2026, 1, 9))


def test_repeated_lines_of_one_answer_are_one_row_with_the_last_usage_and_all_words(tmp_path: Path) -> None:
    file = lines(tmp_path / "s.jsonl", [answer(output=1), answer(text=" world", output=50), answer("msg_2")])
    first, second = calls(file, "claude-code")
    row, body = row_of(first)
    assert (row.output_tokens, body.response_text) == (50, "Hello world")
    assert first.row_id != second.row_id


def test_an_answer_that_a_sub_agent_repeats_has_the_same_id_and_its_own_answers_name_it(tmp_path: Path) -> None:
    side: dict[str, Any] = {"isSidechain": True, "agentId": "a1b2", "requestId": "req_2"}
    parent = calls(lines(tmp_path / "s.jsonl", [answer()]), "claude-code")
    copied, own = calls(lines(tmp_path / "agent.jsonl", [answer(**side), answer("msg_9", **side)]), "claude-code")
    assert copied.row_id == parent[0].row_id
    assert (own.agent, own.session_path) == ("claude-code/sub-agent", "/a1b2")


def test_what_claude_code_wrote_itself_is_not_a_call(tmp_path: Path) -> None:
    made = answer()
    made["message"] = made["message"] | {"model": "<synthetic>"}
    assert calls(lines(tmp_path / "s.jsonl", [ASKED, made]), "claude-code") == []


def test_a_file_that_is_being_written_may_end_in_the_middle_of_a_line(tmp_path: Path) -> None:
    file = lines(tmp_path / "s.jsonl", [answer()])
    with file.open("a") as more:
        more.write(json.dumps(answer("msg_2"))[:100])
    assert len(calls(file, "claude-code")) == 1


def test_an_answer_from_bedrock_is_billed_by_bedrock(tmp_path: Path) -> None:
    (row,) = rows(lines(tmp_path / "s.jsonl", [answer("msg_bdrk_01")]), "claude-code")
    assert (row.provider_name, tokens(row)) == ("bedrock", (1600, 1000, 500, 300, 50, None))


def test_an_older_file_states_its_cost_and_no_durations(tmp_path: Path) -> None:
    old = answer(costUSD=0.12)
    old["message"]["usage"] = {
        "input_tokens": 100,
        "output_tokens": 50,
        "cache_creation_input_tokens": 25,
        "cache_read_input_tokens": 10,
    }
    (row,) = rows(lines(tmp_path / "s.jsonl", [old]), "claude-code")
    assert row.properties["imported_cost_usd"] == "0.12"
    assert row.cost_nanousd == 100 * 3000 + 10 * 300 + 25 * 3750 + 50 * 15000
