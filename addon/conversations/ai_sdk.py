"""The AI SDK's own words, in which it calls Vercel's gateway: LanguageModelV3Prompt, -Content and -StreamPart of
@ai-sdk/provider. https://github.com/vercel/ai/tree/main/packages/provider/src/language-model/v3
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.parts import (
    answer,
    blob,
    definitions,
    listed,
    message,
    modality_of,
    odd,
    reasoning,
    server_tool_call,
    server_tool_result,
    text,
    tool_call,
    tool_result,
    uri,
)
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Event, Json


def prompt(request: Json) -> Prompt:
    return Prompt(
        messages=tuple(message(at(told, "role"), _parts(at(told, "content"))) for told in items(at(request, "prompt"))),
        tool_definitions=definitions((at(tool, "type"), at(tool, "name")) for tool in items(at(request, "tools"))),
    )


def read_answer(body: Json) -> list[Message]:
    reason = at(body, "finishReason")
    word = string(reason) or string(at(reason, "raw")) or string(at(reason, "unified"))
    return answer(_parts(at(body, "content"), is_answer=True), word)


def assemble(events: Iterable[Event]) -> Json:
    """Texts and reasoning in pieces, by their ids; all else comes whole. A call repeats its input after its pieces."""
    blocks: dict[tuple[str, str], _Block] = {}
    reason: Json = None
    for event in events:
        told = parse(event.data)
        kind, _, step = (string(at(told, "type")) or "").rpartition("-")
        if step in ("start", "delta", "end") and kind in ("text", "reasoning"):
            block = blocks.setdefault((kind, str(at(told, "id"))), _Block(kind))
            block.pieces.append(string(at(told, "delta")) or "")
        elif at(told, "type") == "finish":
            reason = at(told, "finishReason")
        elif string(at(told, "type")) in _WHOLE:
            blocks[str(len(blocks)), "whole"] = _Block("", whole=told)
    return {"content": [block.told() for block in blocks.values()], "finishReason": reason}


_WHOLE: Final = frozenset({"tool-call", "tool-result", "file", "source", "tool-approval-request"})


@dataclass(slots=True)
class _Block:
    kind: str
    pieces: list[str] = field(default_factory=list)
    whole: Json = None

    def told(self) -> Json:
        return {"type": self.kind, "text": "".join(self.pieces)} if self.whole is None else self.whole


def _parts(content: Json, *, is_answer: bool = False) -> list[Part]:
    return [_part(part, is_answer=is_answer) for part in listed(content)]


def _part(part: Json, *, is_answer: bool) -> Part:
    """`is_answer`: a result in it is of a tool that the provider ran."""
    if isinstance(part, str):
        return text(part)
    kind, call_id, name = at(part, "type"), at(part, "toolCallId"), at(part, "toolName")
    if kind == "text" and isinstance(at(part, "text"), str):
        return text(part["text"])
    if kind == "reasoning":
        return reasoning(at(part, "text"))
    if kind == "file":
        return _file(part) or odd(part)
    if kind == "tool-call":
        given = at(part, "input")
        is_providers = at(part, "providerExecuted") is True
        return server_tool_call(kind, call_id, name, given) if is_providers else tool_call(call_id, name, given)
    if kind == "tool-result":
        if is_answer:
            return server_tool_result(kind, call_id, at(part, "result"))
        output = at(part, "output")
        value = at(output, "value")
        return tool_result(call_id, output if value is None else value, name=name)
    return odd(part)


def _file(part: Json) -> Part | None:
    """Base64, or an address."""
    mime_type, data = string(at(part, "mediaType")), string(at(part, "data"))
    if data is None:
        return None
    modality, name = modality_of(mime_type) or "document", string(at(part, "filename"))
    if data.startswith(("http://", "https://", "data:")):
        return uri(modality, data, mime_type=mime_type, name=name)
    return blob(modality, mime_type, data, name=name)


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
