"""The parts of messages, as OpenTelemetry's schemas have them (see model.py).

What has no part type there keeps the provider's own type, with the provider's object as `raw`. Members with the value None
are left out, but for the `id` of tool calls.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Final

from addon.conversations.model import Message, Part
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Json

# Other words for the roles of OpenTelemetry. Any other role stays as it is.
_ROLES: Final = {
    "model": "assistant",  # Gemini
    "CHATBOT": "assistant",  # Cohere v1
    "USER": "user",
    "SYSTEM": "system",
    "TOOL": "tool",
    "function": "tool",
}
UNKNOWN: Final = "unknown"
# The members that OpenTelemetry's types promise.
_REQUIRED: Final[dict[str, dict[str, type]]] = {
    "text": {"content": str},
    "reasoning": {"content": str},
    "tool_call": {"name": str},
    "tool_call_response": {},
    "server_tool_call": {"name": str, "server_tool_call": dict},
    "server_tool_call_response": {"server_tool_call_response": dict},
    "blob": {"modality": str, "content": str},
    "uri": {"modality": str, "uri": str},
    "file": {"modality": str, "file_id": str},
    "compaction": {},
}
_MODALITIES: Final = ("image", "video", "audio")


def message(role: Json, parts: Iterable[Part], *, name: Json = None, finish_reason: Json = None) -> Message:
    """A message. One with results of tools alone has the role `tool`, whatever its API calls it."""
    said = list(parts)
    role = string(role) or "user"
    role = _ROLES.get(role, role)
    if role == "user" and said and all(part["type"] == "tool_call_response" for part in said):
        role = "tool"
    return {"role": role, "parts": said, **_known(name=string(name), finish_reason=string(finish_reason))}


def answer(parts: Iterable[Part], finish_reason: Json = None) -> list[Message]:
    """The one message of an answer; none where it says nothing."""
    said = list(parts)
    return [message("assistant", said, finish_reason=finish_reason)] if said or string(finish_reason) else []


def grouped(said: Iterable[tuple[str, list[Part]]]) -> list[Message]:
    """Messages of (role, parts), for APIs that list what was said and done item by item: what the model said and called
    in a row is one message, as its answer was; so are the results."""
    found: list[Message] = []
    for role, parts in said:
        if found and role == found[-1]["role"] and role in ("assistant", "tool"):
            found[-1]["parts"] += parts
        else:
            found.append(message(role, parts))
    return found


def text(content: str, **more: Json) -> Part:
    return {"type": "text", "content": content, **_known(**more)}


def texts(content: Json) -> list[Part]:
    """A text that may be missing or empty."""
    return [text(content)] if string(content) else []


def reasoning(content: Json, **more: Json) -> Part:
    """`content` is empty where the provider hides it; what it sends instead is in `more` (`signature`, `redacted`, ...)."""
    return {"type": "reasoning", "content": string(content) or "", **_known(**more)}


def thoughts(content: Json) -> list[Part]:
    """Reasoning that may be missing or empty."""
    return [reasoning(content)] if string(content) else []


def tool_call(call_id: Json, name: Json, arguments: Json) -> Part:
    """A tool that the program runs. Arguments in JSON text are parsed; other text stays text."""
    return {"type": "tool_call", "id": string(call_id), "name": string(name) or "", "arguments": unpacked(arguments)}


def tool_result(call_id: Json, response: Json, **more: Json) -> Part:
    """What the program's tool gave: `response` is a text, parts, or the provider's JSON."""
    return {"type": "tool_call_response", "id": string(call_id), "response": response, **_known(**more)}


def server_tool_call(kind: str, call_id: Json, name: Json, arguments: Json, **more: Json) -> Part:
    """A tool that the provider runs. `kind`: its type in the provider's words; `server`: the name of an MCP server."""
    return {
        "type": "server_tool_call",
        "id": string(call_id),
        "name": string(name) or kind,
        "server_tool_call": {"type": kind, **_known(arguments=unpacked(arguments), **more)},
    }


def server_tool_result(kind: str, call_id: Json, result: Json, **more: Json) -> Part:
    return {
        "type": "server_tool_call_response",
        "id": string(call_id),
        "server_tool_call_response": {"type": kind, "result": result, **_known(**more)},
    }


def blob(modality: str, mime_type: Json, content: str, **more: Json) -> Part:
    """Bytes inside the body. `content` is base64."""
    return {"type": "blob", "modality": modality, "content": content, **_known(mime_type=string(mime_type), **more)}


def uri(modality: str, address: str, **more: Json) -> Part:
    """A file elsewhere; of a `data:` URL its bytes."""
    if not address.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": address, **_known(**more)}
    beside = more.pop("mime_type", None)
    mime_type, content = data_url(address)
    return blob(modality_of(mime_type) or modality, mime_type or beside, content, **more)


def file(modality: str, file_id: str, **more: Json) -> Part:
    """A file that was given to the provider before."""
    return {"type": "file", "modality": modality, "file_id": file_id, **_known(**more)}


def stated(part: Json) -> Part:
    """A part that is in this form already, from a span that an OpenTelemetry exporter logged."""
    kind = string(at(part, "type"))
    required = _REQUIRED.get(kind or "", {})
    if kind is None or not all(isinstance(at(part, name), types) for name, types in required.items()):
        return odd(part)
    if kind == "tool_call_response" and "response" not in part:  # as the conventions called it until 2025
        return {**part, "response": part.get("result")}
    return {**part, "id": None} if "tool_call" in kind and "id" not in part else dict(part)


def odd(block: Json, kind: str | None = None) -> Part:
    """What has no form of its own here, kept as it is. A type of OpenTelemetry's would promise members that it lacks."""
    kind = kind or string(at(block, "type")) or UNKNOWN
    return {"type": UNKNOWN if kind in _REQUIRED else kind, "raw": block}


def result_of(parts: list[Part]) -> Json:
    """The result of a tool: one plain text as a text, all else as parts."""
    if not parts:
        return ""
    return parts[0]["content"] if len(parts) == 1 and parts[0].keys() == {"type", "content"} else parts


def unpacked(arguments: Json) -> Json:
    """Arguments in JSON text as JSON; text that is not JSON stays as it is (a call that was cut, a patch)."""
    if not isinstance(arguments, str):
        return arguments
    found = parse(arguments) if arguments.lstrip()[:1] in ("{", "[") else None
    return arguments if found is None else found


def data_url(address: str) -> tuple[str | None, str]:
    """(MIME type, base64) of a `data:` URL. https://www.rfc-editor.org/rfc/rfc2397"""
    head, _, content = address.removeprefix("data:").partition(",")
    mime_type, _, coding = head.rpartition(";")
    if coding == "base64":
        return mime_type or None, content
    return head or None, base64.b64encode(content.encode()).decode()


def modality_of(mime_type: Json) -> str | None:
    """`image/png` -> "image"; anything that is not an image, a sound or a video is a document."""
    kind = string(mime_type)
    if kind is None:
        return None
    family = kind.partition("/")[0].lower()
    return family if family in _MODALITIES else "document"


def joined_base64(pieces: Iterable[str]) -> str:
    """Base64 of the bytes of all pieces. A piece that is not base64 ends it."""
    found = bytearray()
    for piece in pieces:
        try:
            found += base64.b64decode(piece)
        except (binascii.Error, ValueError):
            break
    return base64.b64encode(found).decode()


def definitions(tools: Iterable[tuple[Json, Json]]) -> tuple[Part, ...]:
    """Of (type, name); those without a name are left out."""
    return tuple({"type": string(kind) or "function", "name": name} for kind, named in tools if (name := string(named)))


def names(values: Iterable[Json]) -> tuple[str, ...]:
    """The texts among these, each once."""
    return tuple(dict.fromkeys(name for value in values if (name := string(value))))


def members(value: Json) -> Iterable[tuple[str, Json]]:
    return value.items() if isinstance(value, dict) else ()


def listed(value: Json) -> list[Json]:
    """A list, or the one thing that stands where a list may be."""
    return items(value) if isinstance(value, list) else [] if value is None else [value]


def _known(**members: Json) -> dict[str, Json]:
    return {name: value for name, value in members.items() if value is not None}
