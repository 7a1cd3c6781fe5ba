"""Bedrock's Converse and ConverseStream, and Amazon Nova with InvokeModel, which speaks the same.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html; shapes as in botocore's
bedrock-runtime/2023-09-30/service-2.json.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.parts import (
    answer,
    blob,
    definitions,
    members,
    message,
    odd,
    reasoning,
    result_of,
    server_tool_call,
    server_tool_result,
    text,
    tool_call,
    tool_result,
    uri,
)
from addon.providers.fields import at, count, items, parse, string
from addon.providers.model import Event, Json

_MODALITIES: Final = ("image", "document", "video", "audio")
_EVENTS: Final = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop")


def prompt(request: Json) -> Prompt:
    tools = items(at(request, "toolConfig", "tools"))
    return Prompt(
        messages=tuple(
            message(at(told, "role"), content_parts(at(told, "content"))) for told in items(at(request, "messages"))
        ),
        system_instructions=tuple(content_parts(at(request, "system"))),
        tool_definitions=definitions(
            (kind, at(inner, "name")) for tool in tools for kind, inner in _named(tool) if inner is not None
        ),
    )


def _named(tool: Json) -> list[tuple[str, Json]]:
    return [("function", at(tool, "toolSpec")), ("systemTool", at(tool, "systemTool"))]


def read_answer(body: Json) -> list[Message]:
    return answer(content_parts(at(body, "output", "message", "content")), at(body, "stopReason"))


def content_parts(content: Json) -> list[Part]:
    """Content blocks: each is an object with one member. A mark for the prompt's cache is not content."""
    if isinstance(content, str):
        return [text(content)]
    return [_part(block) for block in items(content) if at(block, "cachePoint") is None]


def assemble(events: Iterable[Event]) -> Json:
    """Events named by their frames, or by their one member (Nova with InvokeModel)."""
    blocks: dict[int, _Block] = {}
    stop_reason: Json = None
    for event in events:
        data = parse(event.data)
        name = event.event
        if name not in _EVENTS:
            name = next((known for known in _EVENTS if at(data, known) is not None), None)
            data = at(data, name) if name else data
        index = count(at(data, "contentBlockIndex")) or 0
        if name == "contentBlockStart":
            blocks.setdefault(index, _Block()).add(at(data, "start"))
        elif name == "contentBlockDelta":
            blocks.setdefault(index, _Block()).add(at(data, "delta"))
        elif name == "messageStop":
            stop_reason = at(data, "stopReason")
    content = [block for index in sorted(blocks) for block in blocks[index].whole()]
    return {"output": {"message": {"content": content}}, "stopReason": stop_reason}


def _part(block: Json, *, within_result: bool = False) -> Part:
    if isinstance(told := at(block, "text"), str):
        return text(told)
    for name, value in members(block):
        if name in _MODALITIES and (media := _media(name, value)):
            return media
        if name == "toolResult" and within_result:
            break
        if (reader := _READERS.get(name)) and (made := reader(value)):
            return made
    return odd(block, next((name for name, _ in members(block)), None))


def _media(modality: str, value: Json) -> Part | None:
    """Bytes, an address in S3, or the words of a document. `format` is the end of a MIME type, or of a file's name."""
    source, kind = at(value, "source"), string(at(value, "format"))
    mime_type = f"{modality}/{kind}" if kind and modality != "document" else _DOCUMENTS.get(kind or "")
    name = string(at(value, "name"))
    if isinstance(content := at(source, "bytes"), str):
        return blob(modality, mime_type, content, name=name)
    if address := string(at(source, "s3Location", "uri")):
        return uri(modality, address, mime_type=mime_type, name=name)
    words = at(source, "text")
    return text(words, **({"name": name} if name else {})) if isinstance(words, str) else None


_DOCUMENTS: Final = {"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "html": "text/html"} | {
    "csv": "text/csv"
}


def _thought(value: Json) -> Part:
    told = at(value, "reasoningText")
    return reasoning(at(told, "text"), signature=at(told, "signature"), redacted=at(value, "redactedContent"))


def _call(value: Json) -> Part:
    """`server_tool_use`: Amazon runs it."""
    call_id, name, given = at(value, "toolUseId"), at(value, "name"), at(value, "input")
    kind = string(at(value, "type"))
    return server_tool_call(kind, call_id, name, given) if kind else tool_call(call_id, name, given)


def _result(value: Json) -> Part:
    """Its content is text, JSON, or media."""
    blocks = items(at(value, "content"))
    found = [odd(one["json"], "json") if _is_json(one) else _part(one, within_result=True) for one in blocks]
    response = blocks[0]["json"] if len(blocks) == 1 and _is_json(blocks[0]) else result_of(found)
    call_id, kind = at(value, "toolUseId"), string(at(value, "type"))
    if kind:
        return server_tool_result(kind, call_id, response, status=at(value, "status"))
    return tool_result(call_id, response, status=at(value, "status"))


def _is_json(block: Json) -> bool:
    return at(block, "json") is not None


def _guarded(value: Json) -> Part | None:
    words = at(value, "text", "text")
    return text(words, guarded=True) if isinstance(words, str) else None


def _cited(value: Json) -> Part:
    words = "".join(string(at(one, "text")) or "" for one in items(at(value, "content")))
    return text(words, citations=at(value, "citations"))


_READERS: Final[dict[str, Callable[[Json], Part | None]]] = {
    "reasoningContent": _thought,
    "toolUse": _call,
    "toolResult": _result,
    "guardContent": _guarded,
    "citationsContent": _cited,
}


@dataclass(slots=True)
class _Block:
    """A block of a stream."""

    words: list[str] = field(default_factory=list)
    thought: dict[str, list[str]] = field(default_factory=dict)  # by the member of the delta
    tool: Json = None
    given: list[str] = field(default_factory=list)
    citations: list[Json] = field(default_factory=list)
    others: list[Json] = field(default_factory=list)  # whole blocks: images, results of tools

    def add(self, piece: Json) -> None:
        """`start` or `delta` of a block."""
        for name, value in members(piece):
            if name == "text":
                self.words.append(string(value) or "")
            elif name == "reasoningContent":
                for member, told in members(value):
                    self.thought.setdefault(member, []).append(string(told) or "")
            elif name == "toolUse":
                if string(at(value, "toolUseId")):
                    self.tool = value
                self.given.append(string(at(value, "input")) or "")
            elif name == "citation":
                self.citations.append(value)
            else:
                self.others.append({name: value})

    def whole(self) -> list[Json]:
        found: list[Json] = []
        if self.thought:
            told = {name: "".join(pieces) for name, pieces in self.thought.items()}
            redacted = told.pop("redactedContent", None)
            found.append({"reasoningContent": {"reasoningText": told, "redactedContent": redacted}})
        if self.citations:
            said = [{"text": "".join(self.words)}]
            found.append({"citationsContent": {"content": said, "citations": self.citations}})
        elif self.words:
            found.append({"text": "".join(self.words)})
        if self.tool is not None or any(self.given):
            found.append({"toolUse": {**dict(members(self.tool)), "input": "".join(self.given)}})
        return found + self.others


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
