"""Mistral's conversations of agents. https://docs.mistral.ai/api/endpoint/beta/conversations; entries and events as in
mistralai 3.7, client/models. Its chat completions are read by openai_chat.py."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.openai_chat import content_parts, joined_chunks, tool_definitions
from addon.conversations.parts import (
    answer,
    grouped,
    listed,
    members,
    message,
    odd,
    server_tool_call,
    server_tool_result,
    texts,
    tool_call,
    tool_result,
)
from addon.providers.fields import at, count, items, parse, string
from addon.providers.model import Event, Json


def prompt(request: Json) -> Prompt:
    given = at(request, "inputs")
    said = (
        [message("user", texts(given))] if string(given) else grouped((_role(one), _parts(one)) for one in items(given))
    )
    return Prompt(
        messages=tuple(said),
        system_instructions=tuple(texts(at(request, "instructions"))),
        tool_definitions=tool_definitions(request),
    )


def read_answer(body: Json) -> list[Message]:
    return answer([part for entry in items(at(body, "outputs")) for part in _parts(entry)])


def assemble(events: Iterable[Event]) -> Json:
    """Outputs by their index."""
    outputs: dict[int, _Output] = {}
    for event in events:
        data = parse(event.data)
        kind = string(at(data, "type")) or event.event or ""
        if kind in _KINDS:
            outputs.setdefault(count(at(data, "output_index")) or 0, _Output()).add(kind, data)
    return {"outputs": [outputs[index].whole() for index in sorted(outputs)]}


_KINDS: Final = {
    "message.output.delta": "message.output",
    "function.call.delta": "function.call",
    "tool.execution.started": "tool.execution",
    "tool.execution.delta": "tool.execution",
    "tool.execution.done": "tool.execution",
    "agent.handoff.done": "agent.handoff",
}


def _role(entry: Json) -> str:
    if at(entry, "type") == "function.result":
        return "tool"
    is_own = at(entry, "type") in ("message.output", "function.call", "tool.execution", "agent.handoff")
    return string(at(entry, "role")) or ("assistant" if is_own else "user")


def _parts(entry: Json) -> list[Part]:
    match at(entry, "type"):
        case "function.call":
            return [tool_call(at(entry, "tool_call_id"), at(entry, "name"), at(entry, "arguments"))]
        case "function.result":
            return [tool_result(at(entry, "tool_call_id"), at(entry, "result"))]
        case "tool.execution":
            call_id, name = at(entry, "id"), at(entry, "name")
            call = server_tool_call("tool.execution", call_id, name, at(entry, "arguments"))
            info = at(entry, "info")
            return [call, server_tool_result("tool.execution", call_id, info)] if info else [call]
    return content_parts(at(entry, "content")) if at(entry, "content") is not None else [odd(entry)]


@dataclass(slots=True)
class _Output:
    """An entry of a stream."""

    told: dict[str, Json] = field(default_factory=dict)  # the newest of each member
    chunks: list[Json] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)

    def add(self, kind: str, data: Json) -> None:
        self.told |= {key: value for key, value in members(data) if value is not None} | {"type": _KINDS[kind]}
        for chunk in listed(at(data, "content")):
            self.chunks.append({"type": "text", "text": chunk} if isinstance(chunk, str) else chunk)
        self.arguments.append(string(at(data, "arguments")) or "")

    def whole(self) -> Json:
        found = {**self.told, "arguments": "".join(self.arguments)}
        return {**found, "content": joined_chunks(self.chunks)} if self.chunks else found


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
