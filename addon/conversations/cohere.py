"""Cohere's chat, v2 and v1. https://docs.cohere.com/reference/chat, .../chat-v1; fields as in cohere 7.3, types."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.openai_chat import content_parts, message_parts, tool_definitions
from addon.conversations.parts import (
    answer,
    definitions,
    message,
    odd,
    result_of,
    text,
    texts,
    thoughts,
    tool_call,
    tool_result,
)
from addon.providers.fields import at, count, items, parse, string
from addon.providers.model import Event, Json


def prompt(request: Json) -> Prompt:
    """v2 has messages; v1 a message, the history before it and a preamble."""
    documents = [odd(document, "document") for document in items(at(request, "documents"))]
    if isinstance(at(request, "messages"), list):
        found = [_message(told) for told in request["messages"]]
        tools = tool_definitions(request)
    else:
        found = [_turn(turn) for turn in items(at(request, "chat_history"))]
        found += [message("user", said)] if (said := texts(at(request, "message"))) else []
        results = [_result_v1(told) for told in items(at(request, "tool_results"))]
        found += [message("tool", results)] if results else []
        tools = definitions(("function", at(tool, "name")) for tool in items(at(request, "tools")))
    found += [message("user", documents)] if documents else []
    return Prompt(
        messages=tuple(found), system_instructions=tuple(texts(at(request, "preamble"))), tool_definitions=tools
    )


def read_answer(body: Json) -> list[Message]:
    """v2 says a message; v1 its text and calls at the top."""
    reason = at(body, "finish_reason")
    if isinstance(at(body, "message"), dict):
        return answer(_parts(body["message"]), reason)
    return answer([*texts(at(body, "text")), *map(_call_v1, items(at(body, "tool_calls")))], reason)


def assemble(events: Iterable[Event]) -> Json:
    """v2: pieces of content by their index. v1: words, then the whole answer once more at the end."""
    said = _Said()
    for event in events:
        data = parse(event.data)
        kind = string(at(data, "type")) or string(at(data, "event_type")) or event.event
        if kind == "stream-end":
            whole = at(data, "response")
            said.v1 = {**(whole if isinstance(whole, dict) else {}), "finish_reason": at(data, "finish_reason")}
        elif kind == "message-end":
            said.finish_reason = at(data, "delta", "finish_reason")
        else:
            said.add(kind or "", data)
    return said.whole()


def _message(told: Json) -> Message:
    if at(told, "role") == "tool":
        response = result_of([_document(block) for block in _blocks(at(told, "content"))])
        return message("tool", [tool_result(at(told, "tool_call_id"), response)])
    return message(at(told, "role"), _parts(told))


def _parts(told: Json) -> list[Part]:
    """A plan for the use of tools is reasoning."""
    inner = {**told, "tool_plan": None} if isinstance(told, dict) else told
    parts = [*thoughts(at(told, "tool_plan")), *message_parts(inner)]
    citations = items(at(told, "citations"))
    return [{**part, "citations": citations} if citations and part["type"] == "text" else part for part in parts]


def _blocks(content: Json) -> list[Json]:
    return [content] if isinstance(content, str) else items(content)


def _document(block: Json) -> Part:
    """What a tool found: `{"type": "document", "document": {"data": ...}}`."""
    data = at(block, "document", "data")
    return text(data) if isinstance(data, str) else content_parts([block])[0]


def _turn(turn: Json) -> Message:
    parts = [*texts(at(turn, "message")), *map(_call_v1, items(at(turn, "tool_calls")))]
    return message(at(turn, "role"), [*parts, *map(_result_v1, items(at(turn, "tool_results")))])


def _call_v1(call: Json) -> Part:
    return tool_call(at(call, "id"), at(call, "name"), at(call, "parameters"))


def _result_v1(told: Json) -> Part:
    """It repeats the call that it is the result of."""
    return tool_result(at(told, "call", "id"), at(told, "outputs"), name=at(told, "call", "name"))


@dataclass(slots=True)
class _Said:
    """What the events of a stream said."""

    content: dict[int, dict[str, list[str]]] = field(default_factory=dict)  # index -> "text" or "thinking" -> pieces
    plan: list[str] = field(default_factory=list)
    calls: dict[int, Json] = field(default_factory=dict)
    arguments: dict[int, list[str]] = field(default_factory=dict)
    citations: list[Json] = field(default_factory=list)
    words_v1: list[str] = field(default_factory=list)
    calls_v1: list[Json] = field(default_factory=list)
    v1: Json = None
    finish_reason: Json = None

    def add(self, kind: str, data: Json) -> None:
        told, index = at(data, "delta", "message"), count(at(data, "index")) or 0
        for name in ("text", "thinking"):
            if piece := string(at(told, "content", name)):
                self.content.setdefault(index, {}).setdefault(name, []).append(piece)
        self.plan.append(string(at(told, "tool_plan")) or "")
        if isinstance(call := at(told, "tool_calls"), dict):
            self.calls.setdefault(index, call)
            self.arguments.setdefault(index, []).append(string(at(call, "function", "arguments")) or "")
        if kind == "citation-start":
            self.citations.append(at(told, "citations"))
        self.words_v1.append(string(at(data, "text")) or "")
        self.calls_v1 += items(at(data, "tool_calls"))

    def whole(self) -> Json:
        if self.v1 is not None or any(self.words_v1) or self.calls_v1:
            told = self.v1 or {}
            return {
                **told,
                "text": string(told.get("text")) or "".join(self.words_v1),
                "tool_calls": items(told.get("tool_calls")) or self.calls_v1,
            }
        content = [
            {"type": name, name: "".join(pieces)}
            for index in sorted(self.content)
            for name, pieces in self.content[index].items()
        ]
        calls = [
            {**call, "function": {"name": at(call, "function", "name"), "arguments": "".join(self.arguments[index])}}
            for index, call in sorted(self.calls.items())
        ]
        told = {"content": content, "tool_plan": "".join(self.plan), "tool_calls": calls, "citations": self.citations}
        return {"message": told, "finish_reason": self.finish_reason}


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
