"""A call's bodies become its conversation, in one form for all providers. Pure; never raises for what a body says.

The operation of a call (providers/registry.py) tells how its answer is cut into events, dialects.py which reader its
bodies have.
"""

import base64
import binascii
import re
from dataclasses import dataclass, replace
from typing import Final

from addon.conversations.dialects import SILENT, dialect_of
from addon.conversations.model import Conversation, Dialect, Message, Prompt
from addon.conversations.parts import answer, blob, message, modality_of, names, odd
from addon.metering.form import form_fields, uploaded_files
from addon.metering.reading import BOM, begins_stream, framing_seen, request_facts
from addon.metering.terminal import answer_framing
from addon.providers import registry
from addon.providers.fields import at, dumped, parse, string
from addon.providers.framing.aws_event_stream import inner_payload
from addon.providers.framing.model import Event, Framing
from addon.providers.framing.table import AWS_EVENT_STREAM, BINARY, GRPC, GRPC_MESSAGE, JSON, NDJSON, SSE, events
from addon.providers.model import Json, Operation

_BOUNDARY: Final = re.compile(rb"--([^\r\n]{1,70})\r\nContent-Disposition:", re.IGNORECASE)  # RFC 2046: at most 70
_SHOWN_BYTES: Final = 1000  # of a body that cannot be read
UNREADABLE: Final = "unreadable_body"
_VECTORS: Final = ("embeddings", "moderation")  # their answers are numbers
_TRANSCRIPTS: Final = ("transcription", "translation")
# Tools of MCP servers that the program runs: how Claude Code, Codex and the Agent SDK name them.
_LONGEST_NAME: Final = 300  # the pattern takes time with the square of the length
_MCP_TOOL: Final = re.compile(r"mcp__(.+?)__.+")
# Each provider's name for a call of a tool and for its result has one of these words in it.
_OF_TOOLS: Final = ("tool", "Tool", "TOOL", "call", "Call", "xecut")
_NOT_TEXT: Final = ("data:", "\0\0")  # how bodies begin whose words cannot be seen: base64, frames of AWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a row and its bodies say. Bodies are as the view `bodies` has them: text, or a `data:` URL."""

    provider_name: str
    operation_name: str
    method: str = "POST"
    host: str = ""
    path: str = ""
    status: int | None = None
    request_body: str | None = None
    response_body: str | None = None


@dataclass(frozen=True, slots=True)
class _Body:
    content: bytes
    content_type: str | None  # known of those that are not text


_NOTHING: Final = _Body(b"", None)


def may_use_tools(said: Said) -> bool:
    """Whether its conversation may have calls of tools or their results. A look at the words takes a hundredth of reading it."""
    bodies = [body for body in (said.request_body, said.response_body) if body]
    return any(body.startswith(_NOT_TEXT) or any(word in body for word in _OF_TOOLS) for body in bodies)


def conversation(said: Said) -> Conversation | None:
    """The messages of a call; None where its operation has none, or its bodies have no shape that we know.

    The body of an error says nothing: such a call has input alone.
    """
    if said.operation_name in SILENT:
        return None
    path = said.path.partition("?")[0]
    asked = _body(said.request_body)
    found = registry.operation(registry.by_name(said.provider_name), said.method, path, said.host)
    operation = found[0] if found else None
    request = operation.read_request(asked.content) if operation and operation.read_request else _request(asked)
    failed = said.status is not None and said.status >= 400
    response = _NOTHING if failed or said.operation_name in _VECTORS else _body(said.response_body)
    framing = _framing(operation, response)
    told = _events(framing, response.content)
    if operation and operation.read_event and framing in (GRPC, GRPC_MESSAGE):
        told = [Event(event=None, data=dumped(operation.read_event(event))) for event in told]
    whole = None if told or framing is BINARY else parse(response.content.removeprefix(BOM))
    if framing is GRPC_MESSAGE and told:
        told, whole = [], parse(told[0].data)
    dialect = dialect_of(said.operation_name, path, request, parse(told[0].data) if told else whole)
    if dialect is None:
        return None
    prompt = Prompt(messages=tuple(_unreadable("user", asked))) if request is None else dialect.prompt(request)
    if told:
        whole = dialect.assemble(told)
    heard = tuple(dialect.heard(whole))
    prompt = replace(prompt, messages=(*prompt.messages, *heard)) if heard else prompt
    return _conversation(prompt, _answer(said, dialect, response, framing, whole))


def _conversation(prompt: Prompt, messages: list[Message]) -> Conversation | None:
    if not (prompt.messages or prompt.system_instructions or messages):
        return None
    return Conversation(
        input_messages=prompt.messages,
        output_messages=tuple(messages),
        system_instructions=prompt.system_instructions,
        tool_definitions=prompt.tool_definitions,
        mcp_servers=_servers(prompt, messages),
    )


def _servers(prompt: Prompt, messages: list[Message]) -> tuple[str, ...]:
    """MCP servers that the request names, that the provider called or offers to call, or that names of tools tell."""
    parts = [part for one in (*prompt.messages, *messages) for part in one["parts"]]
    called = [at(part, part["type"], "server") for part in parts if part["type"].startswith("server_tool_call")]
    # Whose tools are listed, or whose call waits for the user's consent: of OpenAI and of Anthropic.
    offered = [at(part, "raw", "server_label") or at(part, "raw", "mcp_server_name") for part in parts]
    tools = [definition["name"] for definition in prompt.tool_definitions]
    told = [match[1] for name in tools if len(name) <= _LONGEST_NAME and (match := _MCP_TOOL.fullmatch(name))]
    return names([*prompt.mcp_servers, *called, *offered, *told])


def _body(text: str | None) -> _Body:
    """The bytes of a stored body."""
    if text is None:
        return _NOTHING
    head, comma, _ = text[:1000].partition(",") if text.startswith("data:") else ("", "", "")
    if not comma or not head.endswith(";base64"):
        return _Body(text.encode("utf-8", "replace"), None)
    try:
        return _Body(base64.b64decode(text[len(head) + 1 :]), head.removeprefix("data:").removesuffix(";base64"))
    except (binascii.Error, ValueError):
        return _NOTHING


def _request(body: _Body) -> Json:
    """JSON; of a form its fields, and its files as `files`."""
    content_type = body.content_type
    if match := _BOUNDARY.match(body.content):
        content_type = f"multipart/form-data; boundary={match[1].decode('latin-1')}"
    fields = form_fields(body.content, content_type)
    if fields is None:
        return request_facts(body.content).body
    files = [
        {
            "name": one.filename,
            "mime_type": one.content_type,
            "modality": modality_of(one.content_type) or "document",
            "content": base64.b64encode(one.content).decode(),
        }
        for one in uploaded_files(body.content, content_type)
    ]
    return {**fields, "files": files}


def _framing(operation: Operation | None, body: _Body) -> Framing:
    """How the answer is cut into events: by its content type, by its operation, and by how it begins."""
    framing = answer_framing(operation, body.content_type)
    if framing in (BINARY, GRPC, GRPC_MESSAGE):
        return framing
    if body.content.startswith(b"\x00\x00"):  # an event stream that happens to be valid text
        return AWS_EVENT_STREAM
    if begins_stream(body.content):  # the content type of text is not kept
        return SSE
    framing = framing_seen(framing, body.content)
    first, _, rest = body.content.partition(b"\n")
    if framing is JSON and rest.strip() and first.startswith(b"{") and isinstance(parse(first), dict):
        return NDJSON
    return framing


def _events(framing: Framing, body: bytes) -> list[Event]:
    """Events; those of a model inside the frames of Bedrock's InvokeModel are taken out of them."""
    found = events(framing, body)
    if framing is not AWS_EVENT_STREAM:
        return found
    inner = [(event, inner_payload(event.data.encode())) for event in found]
    return [event if told is None else Event(event=None, data=told.decode("utf-8", "replace")) for event, told in inner]


def _answer(said: Said, dialect: Dialect, response: _Body, framing: Framing, whole: Json) -> list[Message]:
    """`whole`: the body, or what was made of the events of a stream."""
    if whole is None and response.content and said.operation_name in _TRANSCRIPTS:
        return dialect.answer(response.content.decode("utf-8", "replace"))  # `response_format`: text, srt, vtt
    if framing is BINARY or (whole is None and response.content and said.operation_name == "speech"):
        return _bytes_answer(response)
    return _unreadable("assistant", response) if whole is None else dialect.answer(whole)


def _unreadable(role: str, body: _Body) -> list[Message]:
    """A body that is not JSON: cut at the bound of what is kept, or before its end. Its beginning, marked."""
    begin = body.content[:_SHOWN_BYTES].decode("utf-8", "replace")
    return [message(role, [odd(begin, UNREADABLE)])] if begin.strip() else []


def _bytes_answer(response: _Body) -> list[Message]:
    """Sound, an image or a video, alone."""
    kind = (response.content_type or "").partition(";")[0]
    content = base64.b64encode(response.content).decode()
    return answer([blob(modality_of(kind) or "audio", string(kind), content)])
