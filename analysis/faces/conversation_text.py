"""A conversation as people read it, in lines for a terminal. What models and callers say cannot move the cursor."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from addon.conversations.model import Conversation, Message, Part, dumped
from addon.providers.fields import at
from addon.providers.model import Json
from analysis.faces.render import printable

_INDENT: Final = "  "
_FILES: Final = ("blob", "uri", "file")


def conversation_lines(conversation: Conversation, first_new: int | None = None) -> Iterator[str]:
    """`first_new`: input messages before this index are counted, not shown, and the system's words are left out."""
    if tools := ", ".join(printable(definition["name"]) for definition in conversation.tool_definitions):
        yield f"tools: {tools}"
    if servers := ", ".join(map(printable, conversation.mcp_servers)):
        yield f"MCP servers: {servers}"
    if first_new is None and conversation.system_instructions:
        yield from _message_lines("system", conversation.system_instructions)
    if first_new:
        yield ""
        yield f"({first_new} messages as in the turn before)"
    for message in conversation.input_messages[first_new or 0 :]:
        yield from _message_lines(_speaker(message), message["parts"])
    for message in conversation.output_messages:
        reason = message.get("finish_reason")
        yield from _message_lines(
            f"{_speaker(message)}, the answer{f' ({reason})' if reason else ''}", message["parts"]
        )


def _speaker(message: Message) -> str:
    name = message.get("name")
    return f"{message['role']} {name}" if name else str(message["role"])


def _message_lines(head: str, parts: Sequence[Part]) -> Iterator[str]:
    yield ""
    yield printable(head)
    for part in parts:
        for line in _part_text(part).splitlines() or [""]:
            yield _INDENT + printable(line.replace("\t", "    "))


def _part_text(part: Part) -> str:
    kind = part["type"]
    if kind == "text":
        return str(part["content"])
    if kind == "reasoning":
        return f"[reasoning] {part['content'] or '(hidden by the provider)'}"
    if kind == "tool_call":
        return f"[call] {part['name']}({_value(part.get('arguments'))}){_id(part)}"
    if kind == "tool_call_response":
        return f"[result{_id(part)}] {_value(part['response'])}"
    if kind in ("server_tool_call", "server_tool_call_response"):
        return _server_tool(part, part[kind])
    if kind in _FILES:
        return _file(part)
    if "raw" in part:
        return f"[{kind}] {_value(part['raw'])}"
    return f"[{kind}] {part.get('content') or ''}".rstrip()


def _server_tool(part: Part, told: Json) -> str:
    """A tool that the provider ran."""
    server = f" of {told['server']}" if told.get("server") else ""
    if part["type"] == "server_tool_call":
        return f"[call by the provider] {part['name']}{server}({_value(told.get('arguments'))}){_id(part)}"
    return f"[result{_id(part)}] {_value(told.get('result'))}"


def _file(part: Part) -> str:
    """What kind of file and where it is; its bytes are in the JSON."""
    about = [str(part["modality"]), *(str(part[name]) for name in ("mime_type", "name") if part.get(name))]
    if part["type"] == "blob":
        about.append(f"{len(str(part.get('content') or '')) * 3 // 4:,} bytes")
    else:
        about.append(str(part.get("uri") or part.get("file_id")))
    transcript = part.get("transcript")
    return f"[{', '.join(about)}]{f' {transcript}' if transcript else ''}"


def _value(value: Json) -> str:
    """A text as it is; parts as they are read; other JSON in one line."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return "\n".join(map(_short, value)) if isinstance(value, list) and value else _json(value)


def _short(one: Json) -> str:
    """One of several things that a tool gave: a text, a file, or JSON in one line."""
    words = at(one, "content") if at(one, "type") == "text" else None
    if isinstance(words, str):
        return words
    return _file(one) if at(one, "type") in _FILES and at(one, "modality") else _json(one)


def _json(value: Json) -> str:
    return json.dumps(json.loads(dumped(value)), ensure_ascii=False)


def _id(part: Part) -> str:
    return f" {part['id']}" if part.get("id") else ""
