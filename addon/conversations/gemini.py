"""Gemini's and Vertex's generateContent, and the Live API. https://ai.google.dev/api/caching#Content, .../api/live

JSON of protobuf has names in both spellings (`inlineData`, `inline_data`); names from google-genai 3.4, types.Part.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.parts import (
    answer,
    blob,
    joined_base64,
    listed,
    members,
    message,
    modality_of,
    names,
    odd,
    reasoning,
    server_tool_call,
    server_tool_result,
    text,
    tool_call,
    tool_result,
    uri,
)
from addon.providers.fields import at, count, items, parse, string
from addon.providers.model import Event, Json


def prompt(request: Json) -> Prompt:
    tools = items(at(request, "tools"))
    return Prompt(
        messages=tuple(map(content_message, listed(at(request, "contents")))),
        system_instructions=tuple(content_parts(either(request, "systemInstruction", "system_instruction"))),
        tool_definitions=tuple(definition for tool in tools for definition in _definitions(tool)),
        mcp_servers=names(at(server, "name") for tool in tools for server in items(either(tool, *_MCP))),
    )


def read_answer(body: Json) -> list[Message]:
    """A `GenerateContentResponse`, or a list of them."""
    chunks = body if isinstance(body, list) else [body]
    candidates: dict[int, _Candidate] = {}
    for chunk in chunks:
        for told in items(at(chunk, "candidates")):
            candidates.setdefault(count(at(told, "index")) or 0, _Candidate()).add(told)
    return [found for index in sorted(candidates) for found in candidates[index].whole()]


def assemble(events: Iterable[Event]) -> Json:
    """Every event is a response with the next pieces: together they are a list of responses."""
    return [found for event in events for found in listed(parse(event.data))]


def content_message(content: Json) -> Message:
    return message(at(content, "role") or "user", content_parts(content))


def content_parts(content: Json) -> list[Part]:
    """A text, a `Content`, or a list of parts."""
    if isinstance(content, str):
        return [text(content)]
    given = listed(at(content, "parts")) if isinstance(content, dict) and "parts" in content else listed(content)
    return joined([_part(part) for part in given])


def joined(parts: list[Part]) -> list[Part]:
    """Pieces of a stream: words that follow each other are one part, as is sound."""
    found: list[Part] = []
    for key, run in groupby(parts, key=_run):
        same = list(run)
        if key is None or len(same) == 1:
            found += same
        elif key[0] == "blob":
            found.append({**same[0], "content": joined_base64(part["content"] for part in same)})
        else:
            merged = {name: value for part in same for name, value in part.items()}
            found.append({**merged, "content": "".join(part["content"] for part in same)})
    return found


def either(value: Json, *keys: str) -> Json:
    """The first of these members that is there."""
    return next((found for key in keys if (found := at(value, key)) is not None), None)


_MCP: Final = ("mcpServers", "mcp_servers")
_TOGETHER: Final = ("text", "reasoning")


def _run(part: Part) -> tuple[str, Json] | None:
    """What parts have in common that are pieces of one; None: it is whole."""
    if part["type"] in _TOGETHER:
        return part["type"], None
    mime_type = str(part.get("mime_type"))
    return ("blob", mime_type) if part["type"] == "blob" and mime_type.startswith("audio/pcm") else None


def _part(part: Json) -> Part:
    if isinstance(part, str):
        return text(part)
    signature = either(part, "thoughtSignature", "thought_signature")
    if isinstance(told := at(part, "text"), str):
        return reasoning(told, signature=signature) if at(part, "thought") is True else text(told, signature=signature)
    for keys, read in _READERS:
        if (found := either(part, *keys)) is not None and (made := read(found)) is not None:
            more = {"signature": signature, "transcript": at(part, "transcript")}
            return {**made, **{name: value for name, value in more.items() if value is not None}}
    named = next((name for name, _ in members(part)), None)
    return odd(part, named)


def _inline(data: Json) -> Part | None:
    """`mimeType` and `data`, in base64."""
    mime_type, content = either(data, "mimeType", "mime_type"), at(data, "data")
    return blob(modality_of(mime_type) or "document", mime_type, content) if isinstance(content, str) else None


def _file(data: Json) -> Part | None:
    mime_type, address = either(data, "mimeType", "mime_type"), string(either(data, "fileUri", "file_uri"))
    return uri(modality_of(mime_type) or "document", address, mime_type=string(mime_type)) if address else None


def _call(call: Json) -> Part:
    return tool_call(at(call, "id"), at(call, "name"), at(call, "args"))


def _response(told: Json) -> Part:
    """Beside the response there may be parts: images that a tool made."""
    parts = [_inline(at(part, "inlineData")) or odd(part) for part in items(at(told, "parts"))] or None
    return tool_result(at(told, "id"), at(told, "response"), name=at(told, "name"), parts=parts)


def _code(code: Json) -> Part:
    given = {"language": at(code, "language"), "code": at(code, "code")}
    return server_tool_call("executableCode", at(code, "id"), "code_execution", given)


def _ran(result: Json) -> Part:
    return server_tool_result(
        "codeExecutionResult", at(result, "id"), at(result, "output"), outcome=at(result, "outcome")
    )


def _server_call(call: Json) -> Part:
    """A built-in tool that the provider runs: types.ToolCall."""
    kind = string(either(call, "toolType", "tool_type")) or "toolCall"
    return server_tool_call(kind, at(call, "id"), kind.lower(), at(call, "args"))


def _server_response(told: Json) -> Part:
    kind = string(either(told, "toolType", "tool_type")) or "toolResponse"
    return server_tool_result(kind, at(told, "id"), at(told, "response"))


_READERS: Final = (
    (("inlineData", "inline_data"), _inline),
    (("fileData", "file_data"), _file),
    (("functionCall", "function_call"), _call),
    (("functionResponse", "function_response"), _response),
    (("executableCode", "executable_code"), _code),
    (("codeExecutionResult", "code_execution_result"), _ran),
    (("toolCall", "tool_call"), _server_call),
    (("toolResponse", "tool_response"), _server_response),
)


def _definitions(tool: Json) -> list[Part]:
    """Functions by their names; a built-in tool is a member of its own: `{"googleSearch": {}}`."""
    found: list[Part] = []
    for key, value in members(tool):
        if key in ("functionDeclarations", "function_declarations"):
            found += [{"type": "function", "name": name} for one in items(value) if (name := string(at(one, "name")))]
        elif key not in _MCP:
            found.append({"type": key, "name": key})
    return found


@dataclass(slots=True)
class _Candidate:
    parts: list[Part] = field(default_factory=list)
    finish_reason: str | None = None

    def add(self, told: Json) -> None:
        self.parts += [_part(part) for part in listed(at(told, "content", "parts"))]
        self.finish_reason = string(either(told, "finishReason", "finish_reason")) or self.finish_reason

    def whole(self) -> list[Message]:
        """An empty text ends many streams: it says nothing."""
        said = [part for part in self.parts if part["type"] != "text" or part["content"] or len(part) > 2]
        return answer(joined(said), self.finish_reason)


def live_prompt(request: Json) -> Prompt:
    """`{"session": {"setup": ...}, "input": [...], "response": ...}`: messages of the client, since the last turn."""
    setup = prompt(at(request, "session", "setup"))
    told = [*items(at(request, "input")), *listed(at(request, "response"))]
    found = [one for given in told for one in _client_messages(given)]
    heard = [string(at(given, "serverContent", "inputTranscription", "text")) or "" for given in told]
    if words := "".join(heard):  # comes in pieces
        found.append(message("user", [text(words)]))
    if sound := at(request, "sound"):
        found.append(message("user", [odd(sound, "sound")]))
    return Prompt(
        messages=tuple(found),
        system_instructions=setup.system_instructions,
        tool_definitions=setup.tool_definitions,
        mcp_servers=setup.mcp_servers,
    )


def _client_messages(told: Json) -> list[Message]:
    if content := either(told, "clientContent", "client_content"):
        return [content_message(turn) for turn in listed(at(content, "turns"))]
    if spoken := either(told, "realtimeInput", "realtime_input"):
        return [message("user", [text(words)])] if (words := string(at(spoken, "text"))) else []
    if given := either(told, "toolResponse", "tool_response"):
        results = listed(either(given, "functionResponses", "function_responses"))
        return [message("tool", map(_response, results))]
    return []


def assemble_live(events: Iterable[Event]) -> Json:
    """The messages of one turn as one response; its sound is one part, with its transcript."""
    parts: list[Json] = []
    sound: list[str] = []
    spoken: list[str] = []
    calls: list[Json] = []
    mime_type = reason = None
    for event in events:
        told = parse(event.data)
        content = at(told, "serverContent")
        for part in items(at(content, "modelTurn", "parts")):
            kind = string(at(part, "inlineData", "mimeType")) or ""
            if kind.startswith("audio/"):
                mime_type = kind
                sound.append(string(at(part, "inlineData", "data")) or "")
            else:
                parts.append(part)
        spoken.append(string(at(content, "outputTranscription", "text")) or "")
        calls += [{"functionCall": call} for call in items(at(told, "toolCall", "functionCalls"))]
        reason = "interrupted" if at(content, "interrupted") is True else reason
        reason = string(at(content, "turnCompleteReason")) or reason
    transcript = "".join(spoken)
    if mime_type:
        inline = {"mimeType": mime_type, "data": joined_base64(sound)}
        parts.append({"inlineData": inline, "transcript": transcript or None})
    elif transcript:
        parts.append({"text": transcript})
    return [{"candidates": [{"content": {"parts": [*parts, *calls]}, "finishReason": reason}]}]


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
LIVE: Final = Dialect(prompt=live_prompt, answer=read_answer, assemble=assemble_live)
