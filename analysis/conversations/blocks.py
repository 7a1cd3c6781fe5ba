"""A conversation as blocks for a page: each message with its role, in pieces of bounded length. Pure.

What models and callers say stays text: a block never has markup. Bytes are shown only as images of types that cannot carry
scripts, and only from the row itself: no address in a body is ever asked for.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from addon.conversations.model import Conversation, Message, Part, dumped
from addon.providers.fields import at
from addon.providers.model import Json

LONGEST_TEXT: Final = 20_000  # characters of one block; a page of them is still quick to draw
MOST_CHARS: Final = 400_000  # of all blocks; what comes after is cut short
SHORT_TEXT: Final = 500  # of a block after that
MOST_IMAGE_CHARS: Final = 4 * 2**20  # base64 of one image
MOST_IMAGES_CHARS: Final = 16 * 2**20  # of all of them
SAFE_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})  # SVG is a document
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=\s]*")
_FILES: Final = ("blob", "uri", "file")


@dataclass(frozen=True, slots=True)
class Block:
    """One part. `kind`: text, reasoning, call, result, image, file or other."""

    kind: str
    text: str
    title: str = ""  # of a call: the tool's name; of a file: what it is
    id: str = ""  # joins a call with its result
    left_out: int = 0  # characters that are not in `text`
    image: str | None = None  # a data: URL
    by_provider: bool = False  # a tool that the provider ran


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. `place`: among the request's messages, from 0; None: the system's words, or the answer."""

    role: str
    blocks: tuple[Block, ...]
    name: str = ""
    place: int | None = None
    is_answer: bool = False
    finish_reason: str = ""


def turns_of(conversation: Conversation, start: int = 0) -> list[Turn]:
    """The system's words, the request's messages from `start`, the answer; all together of bounded size."""
    found = list(_turns(conversation, start))
    return list(_bounded(found, _names(conversation)))


def message_turns(messages: Iterable[Message]) -> list[Turn]:
    """The same of some messages."""
    return list(_bounded([_turn(message) for message in messages], {}))


def _turns(conversation: Conversation, start: int) -> Iterator[Turn]:
    if conversation.system_instructions and not start:
        yield Turn("system", tuple(map(block_of, conversation.system_instructions)))
    for place, message in enumerate(conversation.input_messages[start:], start):
        yield replace(_turn(message), place=place)
    for message in conversation.output_messages:
        yield replace(_turn(message), is_answer=True)


def _turn(message: Message) -> Turn:
    return Turn(
        role=str(message["role"]),
        blocks=tuple(map(block_of, message["parts"])),
        name=str(message.get("name") or ""),
        finish_reason=str(message.get("finish_reason") or ""),
    )


def block_of(part: Part) -> Block:
    """Of any length."""
    kind = part["type"]
    if kind == "text":
        return Block("text", str(part["content"]))
    if kind == "reasoning":
        return Block("reasoning", str(part["content"] or ""))
    if kind == "tool_call":
        return Block("call", readable(part.get("arguments")), str(part["name"]), _id(part))
    if kind == "tool_call_response":
        return Block("result", readable(part["response"]), "", _id(part))
    if kind == "server_tool_call":
        told = part[kind]
        server = f" ({told['server']})" if told.get("server") else ""
        return Block("call", readable(told.get("arguments")), f"{part['name']}{server}", _id(part), by_provider=True)
    if kind == "server_tool_call_response":
        return Block("result", readable(at(part[kind], "result")), "", _id(part), by_provider=True)
    if kind in _FILES and part.get("modality"):
        return _file(part)
    told = part["raw"] if "raw" in part else part.get("content")
    return Block("other", readable(told), str(kind))


def _id(part: Part) -> str:
    return str(part.get("id") or "")


def _file(part: Part) -> Block:
    about = " \N{MIDDLE DOT} ".join(str(part[name]) for name in ("modality", "mime_type", "name") if part.get(name))
    if part["type"] != "blob":
        where = str(part.get("uri") or part.get("file_id") or "")
        return Block("file", where, about)
    content, kind = str(part.get("content") or ""), str(part.get("mime_type") or "").lower()
    about += f" \N{MIDDLE DOT} {len(content) * 3 // 4:,} bytes"
    transcript = str(part.get("transcript") or "")
    if kind in SAFE_IMAGES and len(content) <= MOST_IMAGE_CHARS and _BASE64.fullmatch(content):
        return Block("image", transcript, about, image=f"data:{kind};base64,{content}")
    return Block("file", transcript, about)


def readable(value: Json) -> str:
    """A text as it is; what a tool gave part by part; other JSON with indents."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(at(one, "type"), str) for one in value):
        return "\n".join(_of_result(one) for one in value)
    return indented(value)


def _of_result(one: Json) -> str:
    if at(one, "type") == "text" and isinstance(at(one, "content"), str):
        return str(one["content"])
    if at(one, "type") in _FILES and at(one, "modality"):
        return f"[{_file(one).title}]"
    return indented(one)


def indented(value: Json) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONEncodeError:  # nested too deep
        return dumped(value).decode()


def _names(conversation: Conversation) -> dict[str, str]:
    """Of each tool call by its id, for the title of its result."""
    messages = (*conversation.input_messages, *conversation.output_messages)
    return {
        str(part["id"]): str(part["name"])
        for message in messages
        for part in message["parts"]
        if part["type"] in ("tool_call", "server_tool_call") and part.get("id")
    }


def _bounded(turns: Sequence[Turn], names: dict[str, str]) -> Iterator[Turn]:
    """The last turns are what people open a call for, so the room is given from the end."""
    room, images = MOST_CHARS, MOST_IMAGES_CHARS
    bounded: list[Turn] = []
    for turn in reversed(turns):
        blocks: list[Block] = []
        for block in turn.blocks:
            most = LONGEST_TEXT if room > 0 else SHORT_TEXT
            kept = replace(block, text=block.text[:most], left_out=max(0, len(block.text) - most))
            if kept.kind == "result" and not kept.title:
                kept = replace(kept, title=names.get(kept.id, ""))
            if kept.image and (images := images - len(kept.image)) < 0:
                kept = replace(kept, kind="file", image=None)
            room -= len(kept.text)
            blocks.append(kept)
        bounded.append(replace(turn, blocks=tuple(blocks)))
    yield from reversed(bounded)
