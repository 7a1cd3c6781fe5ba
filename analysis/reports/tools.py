"""The table `tool_uses` for SQL: one row for each tool that an answer calls, with the size of what the tool gave.

Tools that the provider runs itself (web search, MCP) are among them. Read from the bodies of the newest calls of the open
scope, one at a time: in memory stay the ids of tool calls and numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from addon.conversations.model import Conversation, Message, Part, dumped
from addon.conversations.read import may_use_tools
from addon.providers.fields import at, string
from analysis.conversations.messages import Call, matching
from analysis.lake import Connection
from analysis.made_tables import make_table
from analysis.table import fetch

CALLS: Final = 2000  # whose bodies are looked at: where they may use tools 0.05 ms for a short one, 2 ms for an agent's turn of 80 KB
_COLUMNS: Final = {
    "request_id": "VARCHAR",
    "started_at": "TIMESTAMPTZ",
    "tool_name": "VARCHAR",
    "mcp_server": "VARCHAR",
    "share": "DOUBLE",  # of its call: one divided by the tools that the answer calls
    "arguments_chars": "BIGINT",
    "result_chars": "BIGINT",  # NULL: no later call sends its result
}
# The newest calls are looked for in the scope's last day first, then in eight times as much, and so on: files of other days
# are not opened.
_FIRST_STEP: Final = timedelta(days=1)
_LARGER: Final = 8
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(slots=True)
class _Use:
    request_id: str
    started_at: datetime
    tool_name: str
    mcp_server: str | None
    share: float
    arguments_chars: int
    result_chars: int | None = None


def add(connection: Connection) -> None:
    """Makes the table for the open scope."""
    uses: list[_Use] = []
    waiting: dict[tuple[str | None, str], _Use] = {}  # by session and the tool call's id
    results: dict[tuple[str | None, str], int] = {}
    for call in matching(connection, _newest(connection)):
        if not may_use_tools(call.said) or call.conversation is None:
            continue
        for tool_call_id, size in _results(call.conversation):
            results[call.session_id, tool_call_id] = size
        for use, its_id in _uses(call, call.conversation):
            uses.append(use)
            if its_id:
                waiting[call.session_id, its_id] = use
    for key, use in waiting.items():
        use.result_chars = results.get(key, use.result_chars)
    rows = [{name: getattr(use, name) for name in _COLUMNS} for use in uses]
    make_table(connection, "tool_uses", _COLUMNS, rows)


def _newest(connection: Connection) -> str:
    """The condition of the newest calls of the open scope that were answered."""
    bounds = "select epoch_us(cast(getvariable('since') as timestamptz)), epoch_us(least(cast(getvariable('until') as timestamptz), now()))"
    ((since, until),) = fetch(connection, bounds).rows
    length = _FIRST_STEP // _MICROSECOND
    while True:
        begin = max(since, until - length)
        recent = f"date >= cast(make_timestamp({begin}) as date) and started_at >= make_timestamptz({begin})"
        newest = (
            f"select request_id from calls where {recent} and error_type is null order by started_at desc limit {CALLS}"
        )
        ((found,),) = fetch(connection, f"select count(*) from ({newest})").rows
        if found == CALLS or begin == since:
            return f"{recent} and request_id in ({newest})"
        length *= _LARGER


def _uses(call: Call, conversation: Conversation) -> Iterator[tuple[_Use, str | None]]:
    """What the answer calls, each with its id."""
    parts = [part for part in _parts(conversation.output_messages) if part["type"] in ("tool_call", "server_tool_call")]
    for part in parts:
        server = at(part, part["type"]) if part["type"] == "server_tool_call" else None
        yield (
            _Use(
                call.request_id,
                call.started_at,
                string(part.get("name")) or "(no name)",
                string(at(server, "server")) or _mcp_server(string(part.get("name"))),
                1 / len(parts),
                _size(part.get("arguments", at(server, "arguments"))),
            ),
            string(part.get("id")),
        )


def _results(conversation: Conversation) -> Iterator[tuple[str, int]]:
    """The id and size of each result: in the request, or of a tool that the provider ran, in the answer."""
    for part in _parts((*conversation.input_messages, *conversation.output_messages)):
        if part["type"].endswith("tool_call_response") and (tool_call_id := string(part.get("id"))):
            yield tool_call_id, _size(part.get("response", at(part, part["type"], "result")))


def _parts(messages: tuple[Message, ...]) -> Iterator[Part]:
    return (part for message in messages for part in message["parts"])


def _mcp_server(tool_name: str | None) -> str | None:
    """Of `mcp__github__search` github: how programs name the tools of servers that they run."""
    parts = (tool_name or "").split("__", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "mcp" else None


def _size(value: object) -> int:
    """Characters of a text, or of JSON."""
    return 0 if value is None else len(value) if isinstance(value, str) else len(dumped(value).decode())
