"""Anthropic's messages. https://platform.claude.com/docs/en/api/messages; blocks as in anthropic 2.11, types/beta."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.parts import (
    answer,
    blob,
    definitions,
    file,
    message,
    names,
    odd,
    reasoning,
    result_of,
    server_tool_call,
    server_tool_result,
    text,
    texts,
    tool_call,
    tool_result,
    uri,
)
from addon.providers.fields import at, count, items, parse, string
from addon.providers.model import Event, Json


def prompt(request: Json) -> Prompt:
    tools = items(at(request, "tools"))
    return Prompt(
        messages=tuple(
            message(at(told, "role"), content_parts(at(told, "content"))) for told in items(at(request, "messages"))
        ),
        system_instructions=tuple(content_parts(at(request, "system"))),
        tool_definitions=definitions((at(tool, "type"), at(tool, "name") or at(tool, "type")) for tool in tools),
        mcp_servers=names(at(server, "name") for server in items(at(request, "mcp_servers"))),
    )


def read_answer(body: Json) -> list[Message]:
    return answer(content_parts(at(body, "content")), at(body, "stop_reason"))


def content_parts(content: Json) -> list[Part]:
    """A text, or a list of blocks."""
    if isinstance(content, str):
        return texts(content)
    return [_part(block) for block in items(content)]


def assemble(events: Iterable[Event]) -> Json:
    """`content_block_start` begins a block, `content_block_delta` goes on with it."""
    blocks: dict[int, _Block] = {}
    stop_reason: Json = None
    for event in events:
        data = parse(event.data)
        index = count(at(data, "index")) or 0
        match string(at(data, "type")) or event.event:
            case "content_block_start":
                blocks[index] = _Block(at(data, "content_block"))
            case "content_block_delta":
                blocks.setdefault(index, _Block(None)).add(at(data, "delta"))
            case "message_delta":
                stop_reason = at(data, "delta", "stop_reason") or stop_reason
    return {"content": [blocks[index].whole() for index in sorted(blocks)], "stop_reason": stop_reason}


def _part(block: Json, *, within_result: bool = False) -> Part:
    """`within_result`: a block of a tool's result; a result in a result has no form."""
    kind = string(at(block, "type")) or ""
    match kind:
        case "text" if isinstance(at(block, "text"), str):
            return text(block["text"], citations=items(at(block, "citations")) or None)
        case "thinking":
            return reasoning(at(block, "thinking"), signature=at(block, "signature"))
        case "redacted_thinking":
            return reasoning("", redacted=at(block, "data"))
        case "tool_use":
            return tool_call(at(block, "id"), at(block, "name"), at(block, "input"))
        case "tool_result" if not within_result:
            return tool_result(at(block, "tool_use_id"), result(at(block, "content")), is_error=at(block, "is_error"))
        case "server_tool_use" | "mcp_tool_use":
            server = at(block, "server_name")
            return server_tool_call(kind, at(block, "id"), at(block, "name"), at(block, "input"), server=server)
        case "image":
            return _source("image", at(block, "source")) or odd(block)
        case "document":
            title = string(at(block, "title"))
            return _source("document", at(block, "source"), name=title, context=at(block, "context")) or odd(block)
        case "container_upload" if string(at(block, "file_id")):
            return file("document", block["file_id"])
        case "compaction":
            return {"type": "compaction", "id": string(at(block, "id")), "content": string(at(block, "content"))}
        case _ if kind.endswith("_tool_result") and not within_result:
            return _server_result(kind, block)
    return odd(block)


def result(content: Json) -> Json:
    """Of a tool: a text, or blocks."""
    if isinstance(content, str):
        return content
    return result_of([_part(block, within_result=True) for block in items(content)])


def _server_result(kind: str, block: Json) -> Part:
    """Of `web_search_tool_result`, `mcp_tool_result`, ...: a list of blocks, or an object of the tool's own."""
    content = at(block, "content")
    is_content = isinstance(content, list) and all(at(one, "type") in ("text", "image") for one in content)
    found = result(content) if is_content else content
    return server_tool_result(kind, at(block, "tool_use_id"), found, is_error=at(block, "is_error"))


def _source(modality: str, source: Json, **more: Json) -> Part | None:
    """Bytes, a text, an address, or a file that was uploaded; blocks of a document stay as they are."""
    mime_type = at(source, "media_type")
    match at(source, "type"):
        case "base64" if isinstance(at(source, "data"), str):
            return blob(modality, mime_type, source["data"], **more)
        case "text" if isinstance(at(source, "data"), str):
            return {**text(source["data"]), **{name: value for name, value in more.items() if value is not None}}
        case "url" if string(at(source, "url")):
            return uri(modality, source["url"], **more)
        case "file" if string(at(source, "file_id")):
            return file(modality, source["file_id"], **more)
    return None


@dataclass(slots=True)
class _Block:
    """A block of a stream: as it began, and the pieces that came after."""

    begun: Json
    pieces: dict[str, list[str]] = field(default_factory=dict)  # by the block's member
    citations: list[Json] = field(default_factory=list)

    def add(self, delta: Json) -> None:
        for name, member in _PIECES.items():
            if piece := string(at(delta, name)):
                self.pieces.setdefault(member, []).append(piece)
        if (citation := at(delta, "citation")) is not None:
            self.citations.append(citation)

    def whole(self) -> Json:
        begun = self.begun if isinstance(self.begun, dict) else {"type": self._kind()}
        found: dict[str, Json] = dict(begun)
        for member, pieces in self.pieces.items():
            earlier = "" if member == "input" else string(begun.get(member)) or ""
            found[member] = earlier + "".join(pieces)
        if self.citations:
            found["citations"] = [*items(begun.get("citations")), *self.citations]
        return found

    def _kind(self) -> str:
        """Of a block whose beginning never came."""
        kinds = {"input": "tool_use", "thinking": "thinking", "signature": "thinking", "content": "compaction"}
        return next((kinds[member] for member in self.pieces if member in kinds), "text")


_PIECES: Final = {
    "text": "text",
    "thinking": "thinking",
    "signature": "signature",
    "partial_json": "input",
    "content": "content",  # of a compaction
}


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
