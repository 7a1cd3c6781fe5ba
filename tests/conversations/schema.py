"""What OpenTelemetry's schemas ask of messages. Source: see addon/conversations/model.py."""

from typing import Final

import orjson

from addon.conversations.model import Conversation, Message, Part, as_json

# Members that a part of this type must have, and their types. Other types are free.
_REQUIRED: Final[dict[str, dict[str, type | tuple[type, ...]]]] = {
    "text": {"content": str},
    "reasoning": {"content": str},
    "tool_call": {"name": str},
    "tool_call_response": {"response": object},
    "server_tool_call": {"name": str, "server_tool_call": dict},
    "server_tool_call_response": {"server_tool_call_response": dict},
    "blob": {"modality": str, "content": str},
    "uri": {"modality": str, "uri": str},
    "file": {"modality": str, "file_id": str},
}


def check(conversation: Conversation) -> None:
    """Fails where the conversation is not what the schemas say, or cannot be written as JSON."""
    for message in (*conversation.input_messages, *conversation.output_messages):
        _check_message(message)
    for part in conversation.system_instructions:
        check_part(part)
    for definition in conversation.tool_definitions:
        assert isinstance(definition["type"], str)
        assert isinstance(definition["name"], str)
    assert all(isinstance(name, str) for name in conversation.mcp_servers)
    assert orjson.loads(as_json(conversation)).keys() == {
        *("input_messages", "output_messages", "system_instructions", "tool_definitions", "mcp_servers")
    }


def _check_message(message: Message) -> None:
    assert message.keys() <= {"role", "parts", "name", "finish_reason"}
    assert isinstance(message["role"], str)
    assert isinstance(message["parts"], list)
    for part in message["parts"]:
        check_part(part)


def check_part(part: Part) -> None:
    for name, kind in _REQUIRED.get(part["type"], {}).items():
        assert isinstance(part[name], kind), part
    for name in ("server_tool_call", "server_tool_call_response"):
        assert name not in part or isinstance(part[name]["type"], str)
