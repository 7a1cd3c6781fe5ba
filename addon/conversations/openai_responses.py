"""OpenAI's Responses API, over HTTP and WebSocket; items are those of realtime sessions as well.

https://platform.openai.com/docs/api-reference/responses; items as in openai 3.52, types/responses/response_input_item.py
and response_output_item.py; events as in types/responses/response_stream_event.py.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.openai_chat import content_parts, mcp_servers, tool_definitions
from addon.conversations.parts import (
    answer,
    blob,
    grouped,
    message,
    odd,
    reasoning,
    result_of,
    server_tool_call,
    server_tool_result,
    tool_call,
    tool_result,
)
from addon.providers.fields import at, count, items, parse, string
from addon.providers.model import Event, Json

FINAL: Final = frozenset({"response.completed", "response.failed", "response.incomplete"})
_IMAGES: Final = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
# Members of a tool's item that say what was asked, in the order in which they are looked for.
_ASKED: Final = ("arguments", "input", "action", "operation", "code", "queries")
# Members that are an item's own affairs: the rest of a server tool's item is kept beside its arguments.
_USUAL: Final = frozenset({"id", "type", "name", "status", "call_id", *_ASKED})


def prompt(request: Json) -> Prompt:
    """`request`: a body, or the message of a WebSocket that asks (`response.create`), which may have it one level down."""
    inner = at(request, "response")
    told = inner if isinstance(inner, dict) and at(request, "input") is None else request
    given = at(told, "input")
    return Prompt(
        messages=tuple([message("user", content_parts(given))] if string(given) else input_messages(items(given))),
        system_instructions=tuple(system_parts(at(told, "instructions"))),
        tool_definitions=tool_definitions(told),
        mcp_servers=mcp_servers(told),
    )


def system_parts(instructions: Json) -> list[Part]:
    """A text; a response that is fetched again may have a list of items."""
    if isinstance(instructions, str):
        return content_parts(instructions)
    return [part for item in items(instructions) for part in _item_parts(item)]


def input_messages(given: Iterable[Json]) -> list[Message]:
    return grouped((item_role(item), _item_parts(item)) for item in given if item is not None)


def read_answer(body: Json) -> list[Message]:
    """A response object: all items of its output are one message."""
    return answer(output_parts(at(body, "output")), finish_reason(body))


def output_parts(output: Json) -> list[Part]:
    return [part for item in items(output) for part in _item_parts(item)]


def finish_reason(response: Json) -> str | None:
    """The reason where it is incomplete, else its status; None while it runs."""
    status = string(at(response, "status"))
    if status == "incomplete":
        return string(at(response, "incomplete_details", "reason")) or status
    return status if status in ("completed", "failed", "cancelled") else None


def assemble(events: Iterable[Event]) -> Json:
    """The response of the last event; its items from the events before it, where it states none."""
    response: Json = None
    output = Items()
    for event in events:
        data = parse(event.data)
        output.add(data, string(at(data, "type")) or event.event or "")
        if isinstance(told := at(data, "response"), dict):
            response = told
            if string(at(data, "type")) in FINAL:
                break
    known = response if isinstance(response, dict) else {}
    return {**known, "output": items(known.get("output")) or output.whole()}


def item_role(item: Json) -> str:
    kind = string(at(item, "type")) or "message"
    if kind == "message":
        return string(at(item, "role")) or "user"
    if kind.endswith("_output"):
        return "tool"
    if kind in _USERS_ITEMS:
        return "user"
    return "assistant"


_USERS_ITEMS: Final = frozenset({"item_reference", "mcp_approval_response", "compaction_trigger", "additional_tools"})


def _item_parts(item: Json) -> list[Part]:
    """An item is a message, a call, a result, or something of its own."""
    kind = string(at(item, "type")) or ("message" if at(item, "role") is not None else "")
    if isinstance(item, str):
        return content_parts(item)
    if reader := _READERS.get(kind):
        return reader(item)
    if kind.endswith("_output"):
        return [tool_result(at(item, "call_id"), _result(at(item, "output")), status=at(item, "status"))]
    if kind.endswith("_call"):
        return _tool(kind, item)
    return [odd(item)]


def _message(item: Json) -> list[Part]:
    """Sound in a realtime session has its words beside it, or no longer has the sound."""
    return [part for block in _blocks(at(item, "content")) for part in _content(block)]


def _blocks(content: Json) -> list[Json]:
    return content if isinstance(content, list) else [] if content is None else [content]


def _content(block: Json) -> list[Part]:
    kind = at(block, "type")
    if kind in ("audio", "output_audio", "input_audio") and "input_audio" not in block:
        transcript, sound = string(at(block, "transcript")), string(at(block, "audio")) or string(at(block, "data"))
        if sound:
            return [blob("audio", at(block, "mime_type"), sound, transcript=transcript)]
        return content_parts(transcript) if transcript else [odd(block)]
    return content_parts(block)


def _reasoning(item: Json) -> list[Part]:
    """A summary, or the words themselves (open models); what is encrypted stays so."""
    told = [*items(at(item, "summary")), *items(at(item, "content"))]
    words = "\n\n".join(text for one in told if (text := string(at(one, "text"))))
    return [reasoning(words, id=at(item, "id"), encrypted=at(item, "encrypted_content"))]


def _function(item: Json) -> list[Part]:
    return [tool_call(at(item, "call_id"), at(item, "name"), at(item, "arguments"))]


def _custom(item: Json) -> list[Part]:
    return [tool_call(at(item, "call_id"), at(item, "name"), at(item, "input"))]


def _mcp_call(item: Json) -> list[Part]:
    """The server's answer is in the same item."""
    call_id, kind = at(item, "id"), "mcp_call"
    server = at(item, "server_label")
    call = server_tool_call(kind, call_id, at(item, "name"), at(item, "arguments"), server=server)
    output, error = at(item, "output"), at(item, "error")
    if output is None and error is None:
        return [call]
    return [call, server_tool_result(kind, call_id, output, error=error, server=server)]


def _image(item: Json) -> list[Part]:
    """The image itself is a part of its own."""
    more = {name: value for name, value in item.items() if name not in _USUAL and name != "result"}
    call = server_tool_call("image_generation_call", at(item, "id"), "image_generation", None, **_plain(more))
    made = string(at(item, "result"))
    return [call, *([blob("image", _IMAGES.get(str(at(item, "output_format"))), made)] if made else [])]


def _compaction(item: Json) -> list[Part]:
    """https://developers.openai.com/api/docs/guides/compaction"""
    return [{"type": "compaction", "id": string(at(item, "id")), "encrypted": at(item, "encrypted_content")}]


_READERS: Final[dict[str, Callable[[Json], list[Part]]]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function,
    "custom_tool_call": _custom,
    "mcp_call": _mcp_call,
    "image_generation_call": _image,
    "compaction": _compaction,
    "compaction_summary": _compaction,
}


def _tool(kind: str, item: Json) -> list[Part]:
    """A built-in tool. One with a `call_id` is run by the program (shell, computer, patches), else by the provider."""
    name = string(at(item, "name")) or kind.removesuffix("_call")
    asked = next((item[key] for key in _ASKED if item.get(key) is not None), None)
    if string(at(item, "call_id")):
        return [tool_call(at(item, "call_id"), name, asked)]
    more = {key: value for key, value in item.items() if key not in _USUAL}
    results = {key: more.pop(key) for key in ("outputs", "results") if more.get(key) is not None}
    call = server_tool_call(kind, at(item, "id"), name, asked, **_plain(more))
    return [call, *(server_tool_result(kind, at(item, "id"), found) for found in results.values())]


def _plain(more: dict[str, Json]) -> dict[str, Json]:
    """Without members that the part has itself."""
    return {name: value for name, value in more.items() if name not in ("kind", "call_id", "name", "arguments", "type")}


def _result(output: Json) -> Json:
    """A text, a list of content parts, or the object of a built-in tool (a screenshot)."""
    if isinstance(output, list):
        return (
            result_of(content_parts(output)) if any(string(at(one, "type")) in _CONTENT for one in output) else output
        )
    return result_of(content_parts([output])) if string(at(output, "type")) in _CONTENT else output


_CONTENT: Final = frozenset({"input_text", "output_text", "input_image", "input_file", "input_audio", "text"})


@dataclass(slots=True)
class _Item:
    """An item of a stream: as it was announced, as it was finished, and its pieces until then."""

    begun: Json = None
    done: Json = None
    words: dict[tuple[str, int], list[str]] = field(
        default_factory=dict
    )  # by the kind of a delta and its content index

    def whole(self) -> Json:
        if self.done is not None:
            return self.done
        found: dict[str, Json] = dict(self.begun) if isinstance(self.begun, dict) else {}
        blocks: dict[str, list[Json]] = {}
        for (kind, _), pieces in sorted(self.words.items(), key=lambda one: one[0][1]):
            member, content_type = _DELTAS[kind]
            if content_type is None:
                found[member] = "".join(pieces)
            else:
                name = "refusal" if content_type == "refusal" else "text"
                blocks.setdefault(member, []).append({"type": content_type, name: "".join(pieces)})
        return {**found, **blocks} or None


# The deltas of items: where their pieces go, and of which kind the piece is there.
_DELTAS: Final[dict[str, tuple[str, str | None]]] = {
    "response.output_text.delta": ("content", "output_text"),
    "response.text.delta": ("content", "output_text"),  # of the realtime beta
    "response.refusal.delta": ("content", "refusal"),
    "response.output_audio_transcript.delta": ("content", "output_text"),
    "response.audio_transcript.delta": ("content", "output_text"),
    "response.reasoning_text.delta": ("content", "reasoning_text"),
    "response.reasoning_summary_text.delta": ("summary", "summary_text"),
    "response.function_call_arguments.delta": ("arguments", None),
    "response.mcp_call_arguments.delta": ("arguments", None),
    "response.custom_tool_call_input.delta": ("input", None),
    "response.code_interpreter_call_code.delta": ("code", None),
}
_TYPES: Final = {"content": "message", "summary": "reasoning", "arguments": "function_call"}


@dataclass(slots=True)
class Items:
    """The items of a response, from its events."""

    found: dict[int, _Item] = field(default_factory=dict)

    def add(self, data: Json, kind: str) -> None:
        if kind not in _DELTAS and kind not in ("response.output_item.added", "response.output_item.done"):
            return
        item = self.found.setdefault(count(at(data, "output_index")) or 0, _Item())
        if kind == "response.output_item.added":
            item.begun = at(data, "item")
        elif kind == "response.output_item.done":
            item.done = at(data, "item")
        elif piece := string(at(data, "delta")):
            place = at(data, "summary_index" if "summary" in kind else "content_index")
            item.words.setdefault((kind, count(place) or 0), []).append(piece)
            if item.begun is None:  # the stream was joined later
                item.begun = {"type": _begun_type(kind)}

    def whole(self) -> list[Json]:
        return [item for index in sorted(self.found) if (item := self.found[index].whole()) is not None]


def _begun_type(kind: str) -> str:
    member, content_type = _DELTAS[kind]
    if content_type == "reasoning_text":
        return "reasoning"
    return {"input": "custom_tool_call", "code": "code_interpreter_call"}.get(member) or _TYPES[member]


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
