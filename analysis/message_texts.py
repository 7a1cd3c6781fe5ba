"""What message_views.sql asks of Python: the conversation of a call, and its parts, as JSON."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import orjson

from addon.providers.fields import string

if TYPE_CHECKING:
    from addon.conversations.model import Conversation, Message, Part
    from addon.providers.model import Json


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
