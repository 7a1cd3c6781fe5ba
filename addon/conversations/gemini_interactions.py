"""Gemini's Interactions API. https://ai.google.dev/api/interactions-api; names from google-genai 3.4,
_gaos/types/interactions: step.py, content.py, stepdeltadata.py."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.parts import (
    answer,
    blob,
    definitions,
    grouped,
    listed,
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

_MODALITIES: Final = ("image", "audio", "video", "document")
_ROLES: Final = {"user_input": "user", "function_result": "tool"}


def prompt(request: Json) -> Prompt:
    """The input: a text, one content, contents, steps, or turns with a role (the first revisions)."""
    given = at(request, "input")
    tools = items(at(request, "tools"))
    return Prompt(
        messages=tuple(grouped(_said(one) for one in listed(given))),
        system_instructions=tuple(texts(at(request, "system_instruction"))),
        tool_definitions=definitions(
            (at(tool, "type"), at(tool, "name") or at(tool, "type")) for tool in tools if not _is_server(tool)
        ),
        mcp_servers=names(at(tool, "name") for tool in tools if _is_server(tool)),
    )


def read_answer(body: Json) -> list[Message]:
    """Steps; `outputs` in the first revisions of the API."""
    steps = items(at(body, "steps")) or items(at(body, "outputs"))
    parts = [part for step in steps for part in _parts(step)] or texts(at(body, "output_text"))
    status = string(at(body, "status"))
    return answer(parts, None if status in ("in_progress", "queued") else status)


def assemble(events: Iterable[Event]) -> Json:
    """`step.start` begins a step, `step.delta` goes on with it; the last event may have all of them."""
    steps: dict[int, _Step] = {}
    known: dict[str, Json] = {}
    for event in events:
        data = parse(event.data)
        index = count(at(data, "index")) or 0
        if isinstance(told := at(data, "interaction"), dict):
            known |= {key: value for key, value in told.items() if value is not None}
        if (begun := at(data, "step")) is not None:
            steps.setdefault(index, _Step()).begun = begun
        if (delta := at(data, "delta")) is not None:
            steps.setdefault(index, _Step()).add(delta)
    found = [step for index in sorted(steps) for step in steps[index].whole()]
    return {**known, "steps": items(known.get("steps")) or found}


def _is_server(tool: Json) -> bool:
    return bool(at(tool, "type") == "mcp_server")


def _said(one: Json) -> tuple[str, list[Part]]:
    """A step of the model is the assistant's; content without a step is the user's."""
    kind = string(at(one, "type")) or ""
    if role := string(at(one, "role")):
        return ("assistant" if role == "model" else role), _contents(at(one, "content"))
    is_step = kind in ("model_output", "thought") or kind.endswith(("_call", "_result"))
    return _ROLES.get(kind, "assistant" if is_step else "user"), _parts(one)


def _contents(content: Json) -> list[Part]:
    """Contents are not steps: a result in a result has no form."""
    return [
        odd(one) if (kind := string(at(one, "type")) or "").endswith("_result") else _part(kind, one)
        for one in listed(content)
    ]


def _parts(step: Json) -> list[Part]:
    kind = string(at(step, "type")) or ""
    if kind in ("model_output", "user_input"):
        return _contents(at(step, "content"))
    return [_part(kind, step)]


def _part(kind: str, step: Json) -> Part:
    if isinstance(step, str):
        return text(step)
    if isinstance(words := at(step, "text"), str):
        return text(words, annotations=items(at(step, "annotations")) or None)
    if kind in ("thought", "thought_summary"):
        told = [*listed(at(step, "summary")), *listed(at(step, "content"))]
        summary = "\n\n".join(words for one in told if (words := string(one) or string(at(one, "text"))))
        return reasoning(summary, signature=at(step, "signature"))
    if kind in _MODALITIES:
        return _media(kind, step) or odd(step)
    server = at(step, "server_name")
    if kind == "function_call":
        return tool_call(at(step, "id"), at(step, "name"), at(step, "arguments"))
    if kind == "function_result":
        return tool_result(at(step, "call_id"), _result(step), name=at(step, "name"), is_error=at(step, "is_error"))
    if kind.endswith("_call"):
        name = at(step, "name") or kind.removesuffix("_call")
        return server_tool_call(kind, at(step, "id"), name, at(step, "arguments"), server=server)
    if kind.endswith("_result"):
        return server_tool_result(kind, at(step, "call_id"), _result(step), server=server)
    return odd(step)


def _media(kind: str, content: Json) -> Part | None:
    mime_type = string(at(content, "mime_type"))
    if isinstance(data := at(content, "data"), str):
        return blob(kind, mime_type, data)
    address = string(at(content, "uri"))
    return uri(kind, address, mime_type=mime_type) if address else None


def _result(step: Json) -> Json:
    """A text, contents, or an object."""
    result = at(step, "result")
    is_content = isinstance(result, list) and all(at(one, "type") in ("text", "image") for one in result)
    return result_of(_contents(result)) if is_content else result


@dataclass(slots=True)
class _Step:
    """A step of a stream."""

    begun: Json = None
    words: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    signature: Json = None
    given: Json = None  # arguments that are not text
    others: list[Json] = field(default_factory=list)  # whole contents: images, calls, results

    def add(self, delta: Json) -> None:
        kind = string(at(delta, "type")) or ""
        if kind in ("thought_summary", "thought"):
            self.thoughts.append(string(at(delta, "content", "text")) or string(at(delta, "text")) or "")
        elif kind == "thought_signature":
            self.signature = at(delta, "signature")
        elif kind in ("arguments_delta", "arguments"):
            given = at(delta, "arguments") if at(delta, "arguments") is not None else at(delta, "partial_arguments")
            self.arguments.append(string(given) or "")
            self.given = self.given if isinstance(given, str) else given
        elif isinstance(words := at(delta, "text"), str):
            self.words.append(words)
        elif kind != "text_annotation_delta":
            self.others.append(delta)

    def whole(self) -> list[Json]:
        begun: dict[str, Json] = dict(self.begun) if isinstance(self.begun, dict) else {}
        found: list[Json] = []
        if any(self.thoughts) or self.signature or begun.get("type") == "thought":
            told = [*listed(begun.get("summary")), {"type": "text", "text": "".join(self.thoughts)}]
            found.append({"type": "thought", "summary": told, "signature": self.signature or begun.get("signature")})
        if any(self.arguments) or self.given is not None:
            arguments = "".join(self.arguments) if self.given is None else self.given
            found.append({"type": "function_call", **begun, "arguments": arguments})
        elif begun.get("type") not in (None, "thought"):
            found.append(begun)
        if any(self.words):
            found.append({"type": "model_output", "content": [{"type": "text", "text": "".join(self.words)}]})
        return found + self.others


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
