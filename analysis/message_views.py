"""The views `messages` and `conversations`: bodies read by addon/conversations while a question runs, nothing stored.

Their SQL is in message_views.sql; the two functions in it are Python, called once for each call that is left after the
filters of a question. DuckDB needs numpy to call Python, and numpy takes 0.15 s and 17 MB to import: so a connection gets
the views only when a statement may use them.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import orjson
from duckdb.func import SPECIAL

from addon.providers.fields import string

if TYPE_CHECKING:
    from addon.conversations.model import Conversation, Message, Part
    from addon.providers.model import Json

NAMES: Final = ("messages", "conversations")
_VIEWS: Final = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
# Of both functions: the members of `Said` as JSON without the bodies, then the bodies.
_GIVEN: Final = ("VARCHAR", "VARCHAR", "VARCHAR")
# A statement that uses the views, or lists the views there are, has one of these words in it. Others may: they wait for
# numpy in vain.
_MAY_USE: Final = re.compile("messages|conversations|show|information_schema|duckdb_", re.IGNORECASE)


def add_if_used(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Makes the views, unless they are there or the statement cannot mean them."""
    if _MAY_USE.search(statement) and not _has_views(connection):
        add(connection)


def add(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the views over `requests` and `bodies` of this connection."""
    functions: tuple[tuple[str, Callable[..., list[str]]], ...] = (
        ("heliograph_conversation", conversation_text),
        ("heliograph_parts", parts_text),
    )
    for name, function in functions:
        connection.create_function(name, function, list(_GIVEN), "VARCHAR[]", null_handling=SPECIAL)
    connection.execute(_VIEWS)


def conversation_text(facts: str, request: str | None, response: str | None) -> list[str]:
    """The conversation of a call as JSON; none where it has none."""
    from addon.conversations.model import as_json

    found = _conversation(facts, request, response)
    return [as_json(found).decode()] if found else []


def parts_text(facts: str, request: str | None, response: str | None) -> list[str]:
    """What message_views.sql takes from each part of the call's messages, as JSON."""
    from addon.conversations.model import dumped

    found = _conversation(facts, request, response)
    return [dumped(part).decode() for part in _parts(found)] if found else []


def _conversation(facts: str, request: str | None, response: str | None) -> "Conversation | None":
    # Imported at the first call: most questions read no body.
    from addon.conversations.read import Said, conversation

    return conversation(Said(**orjson.loads(facts), request_body=request, response_body=response))


def _parts(conversation: "Conversation") -> "Iterator[Json]":
    """Of the system instructions, of the request, of the answer."""
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
                call_id, name = (
                    (string(part.get("id")), string(part.get("name"))) if _is_of_tool(part) else (None, None)
                )
                yield {
                    "direction": direction,
                    "message": place,
                    "role": message["role"],
                    "part": number,
                    "tool_call_id": call_id,
                    "tool_name": name or names.get(call_id or ""),
                    "finish_reason": message.get("finish_reason"),
                    "json": part,
                }


def _names_of_calls(conversation: "Conversation") -> dict[str, str]:
    """By the ids of the calls of tools, for their results."""
    return {
        call_id: part["name"]
        for message in (*conversation.input_messages, *conversation.output_messages)
        for part in message["parts"]
        if part["type"] in ("tool_call", "server_tool_call") and (call_id := string(part["id"]))
    }


def _is_of_tool(part: "Part") -> bool:
    return "tool_call" in part["type"]


def python_error(error: duckdb.Error) -> BaseException | None:
    """What stopped one of the functions, where that is for others to handle: DuckDB passes on the name alone."""
    kinds: tuple[type[BaseException], ...] = (MemoryError, KeyboardInterrupt)
    return next((kind() for kind in kinds if f"executing the UDF: {kind.__name__}" in str(error)), None)


def _has_views(connection: duckdb.DuckDBPyConnection) -> bool:
    sql = "select count(*) from duckdb_views() where view_name in $names"
    return connection.execute(sql, {"names": NAMES}).fetchall() == [(len(NAMES),)]
