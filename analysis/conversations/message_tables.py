"""The tables `messages` and `conversations` for SQL: made for the calls that a condition picks, gone with the connection.

They are not views like the others: DuckDB calls Python only with numpy, which nothing here needs otherwise, and a column
that is computed for every call would cost more than all of settling. See docs/conversations.md.
"""

from collections.abc import Iterable, Iterator
from itertools import batched
from typing import Any, Final

import pyarrow

from addon.conversations.model import Conversation, Message, Part, dumped
from addon.providers.fields import at, string
from addon.providers.model import Json
from analysis.conversations.messages import Call, matching
from analysis.lake import Connection

_CALLS_AT_ONCE: Final = 100  # become rows of Python, then columns, which take a tenth of the memory
_TIME: Final = pyarrow.timestamp("us", tz="UTC")
_TEXT: Final = pyarrow.string()
# One row a part.
MESSAGES: Final = pyarrow.schema(
    [
        ("request_id", _TEXT),
        ("started_at", _TIME),
        ("direction", _TEXT),  # system, input or output
        ("message", pyarrow.int32()),  # its place in its direction, from 1
        ("role", _TEXT),
        ("part", pyarrow.int32()),  # its place in its message, from 1
        ("type", _TEXT),  # text, reasoning, tool_call, tool_call_response, blob, uri, file, ...
        ("content", _TEXT),  # the words of a text, of reasoning, of a refusal; the transcript of a sound
        ("tool_call_id", _TEXT),
        ("tool_name", _TEXT),  # of a result: the name of its call, where that is in the same call
        ("arguments", _TEXT),  # JSON, or the text that a model gave instead
        ("result", _TEXT),  # the text that a tool gave, or JSON
        ("mcp_server", _TEXT),
        ("finish_reason", _TEXT),
        ("json", _TEXT),  # the whole part
    ]
)
CONVERSATIONS: Final = pyarrow.schema(
    [
        ("request_id", _TEXT),
        ("started_at", _TIME),
        ("system_instructions", _TEXT),  # JSON, as are the three after it
        ("input_messages", _TEXT),
        ("output_messages", _TEXT),
        ("tool_definitions", _TEXT),
        ("mcp_servers", pyarrow.list_(_TEXT)),
    ]
)


def add(connection: Connection, condition: str) -> None:
    """Makes the tables for the calls that fit. Raises NotAllowed, duckdb.Error or MemoryError."""
    parts: list[pyarrow.RecordBatch] = []
    calls: list[pyarrow.RecordBatch] = []
    known = ((call, found) for call in matching(connection, condition) if (found := call.conversation) is not None)
    for some in batched(known, _CALLS_AT_ONCE, strict=False):
        parts.append(_batch(MESSAGES, (row for one in some for row in message_rows(*one))))
        calls.append(_batch(CONVERSATIONS, (_conversation_row(*one) for one in some)))
    connection.register("messages", pyarrow.Table.from_batches(parts, MESSAGES))
    connection.register("conversations", pyarrow.Table.from_batches(calls, CONVERSATIONS))


def message_rows(call: Call, conversation: Conversation) -> Iterator[dict[str, Any]]:
    """A row for each part: those of the system instructions, of the request, of the answer."""
    system: Message = {"role": "system", "parts": list(conversation.system_instructions)}
    directions = (
        ("system", [system]),
        ("input", conversation.input_messages),
        ("output", conversation.output_messages),
    )
    names = _names_of_calls(conversation)
    for direction, messages in directions:
        for place, message in enumerate(messages, 1):
            for number, part in enumerate(message["parts"], 1):
                yield {
                    "request_id": call.request_id,
                    "started_at": call.started_at,
                    "direction": direction,
                    "message": place,
                    "role": message["role"],
                    "part": number,
                    "finish_reason": message.get("finish_reason"),
                    **_part_columns(part, names),
                }


def _part_columns(part: Part, names: dict[str, str]) -> dict[str, Any]:
    kind = part["type"]
    server = at(part, kind) if kind.startswith("server_tool_call") else None
    is_result = kind.endswith("tool_call_response")
    call_id = string(part.get("id")) if "tool_call" in kind else None
    content = part.get("content") if kind != "blob" else part.get("transcript")
    result = at(server, "result") if server is not None else part.get("response")
    return {
        "type": kind,
        "content": string(content),
        "tool_call_id": call_id,
        "tool_name": (string(part.get("name")) or names.get(call_id or "")) if "tool_call" in kind else None,
        "arguments": None if is_result else _text(part.get("arguments", at(server, "arguments"))),
        "result": _text(result) if is_result else None,
        "mcp_server": string(at(server, "server")),
        "json": _json(part),
    }


def _names_of_calls(conversation: Conversation) -> dict[str, str]:
    return {
        call_id: part["name"]
        for message in (*conversation.input_messages, *conversation.output_messages)
        for part in message["parts"]
        if part["type"] in ("tool_call", "server_tool_call") and (call_id := string(part["id"]))
    }


def _conversation_row(call: Call, conversation: Conversation) -> dict[str, Any]:
    return {
        "request_id": call.request_id,
        "started_at": call.started_at,
        "system_instructions": _json(conversation.system_instructions),
        "input_messages": _json(conversation.input_messages),
        "output_messages": _json(conversation.output_messages),
        "tool_definitions": _json(conversation.tool_definitions),
        "mcp_servers": list(conversation.mcp_servers),
    }


def _text(value: Json) -> str | None:
    return value if value is None or isinstance(value, str) else _json(value)


def _json(value: Json) -> str:
    return dumped(value).decode()


def _batch(schema: pyarrow.Schema, rows: Iterable[dict[str, Any]]) -> pyarrow.RecordBatch:
    return pyarrow.RecordBatch.from_pylist(list(rows), schema=schema)
