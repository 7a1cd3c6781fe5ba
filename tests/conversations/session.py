"""A data folder with one session of an agent: three turns, one of them a sub-agent's; and a call that says nothing."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from addon.settling.settled_files import SettledFile, row_fields
from addon.storage.folders import Folders
from addon.storage.record import BodyRow, RequestRow
from tests.analysis.writing import segment

STARTED_AT: Final = datetime(2026, 11, 20, 9, tzinfo=UTC)
FIRST, SUB_AGENT, SECOND, COUNT, NOT_KEPT = (f"0199f000-0000-7000-8000-{number:012x}" for number in range(5))

ASKED: Final = {"role": "user", "content": "Fix \x1b[31mthe test"}
CALLED: Final = {
    "role": "assistant",
    "content": [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a.py"}},
    ],
}
RESULT: Final = {
    "role": "user",
    "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "print(1)\nprint(2)"}],
}
TOOLS: Final = [{"name": "Read", "input_schema": {}}, {"name": "mcp__github__search", "input_schema": {}}]


def write(data: Path) -> None:
    """As the settler writes it."""
    file = SettledFile(Folders(data), segment(1), STARTED_AT.date())
    for number, (request_id, request, response) in enumerate(_calls()):
        operation = "count_tokens" if request_id == COUNT else "chat"
        row = RequestRow(
            request_id=request_id,
            started_at=STARTED_AT + timedelta(seconds=number),
            provider_name="anthropic",
            operation_name=operation,
            request_model="claude-sonnet-4-5",
            host="api.anthropic.com",
            path="/v1/messages" if operation == "chat" else "/v1/messages/count_tokens",
            status=200,
            session_id="s1",
        )
        bodies = BodyRow(request_id=request_id, started_at=row.started_at, request_body=request, response_body=response)
        file.append(f"call-{number}", row_fields(row), row_fields(bodies))
    file.close()


def _calls() -> list[tuple[str, str | None, str | None]]:
    said = {**CALLED, "content": [{"type": "thinking", "thinking": "Hm.", "signature": "x"}, *_blocks(CALLED)]}
    return [
        (FIRST, _request([ASKED]), _answer(_blocks(said), "tool_use")),
        (SUB_AGENT, _request([{"role": "user", "content": "Search."}]), _answer([_text("Found.")], "end_turn")),
        (SECOND, _request([ASKED, CALLED, RESULT]), _answer([_text("Done.")], "end_turn")),
        (COUNT, _request([ASKED]), '{"input_tokens": 3}'),
        (NOT_KEPT, None, None),
    ]


def _blocks(message: dict[str, Any]) -> list[Any]:
    return list(message["content"])


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def _request(messages: list[Any]) -> str:
    return json.dumps({"model": "claude-sonnet-4-5", "system": "Be brief.", "tools": TOOLS, "messages": messages})


def _answer(content: list[Any], reason: str) -> str:
    return json.dumps({"id": "msg_1", "type": "message", "content": content, "stop_reason": reason})
