"""OpenAI's chat completions, with what others add: Mistral's content chunks, `reasoning_content` (DeepSeek, vLLM, xAI),
`reasoning` and `images` (OpenRouter, Groq), videos (Qwen), cited files (Perplexity).

https://platform.openai.com/docs/api-reference/chat, https://docs.mistral.ai/api (ContentChunk),
https://api-docs.deepseek.com/guides/reasoning_model, https://openrouter.ai/docs/use-cases/reasoning-tokens
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.parts import (
    answer,
    blob,
    definitions,
    file,
    joined_base64,
    listed,
    members,
    message,
    names,
    odd,
    reasoning,
    result_of,
    server_tool_call,
    server_tool_result,
    stated,
    text,
    texts,
    tool_call,
    tool_result,
    uri,
)
from addon.providers.fields import at, count, items, parse, string
from addon.providers.model import Event, Json

_TEXTS: Final = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})
_WORDS: Final = frozenset({"content", "refusal", "reasoning_content", "reasoning"})  # of a delta
_PLAIN: Final = frozenset({"role", "content", "name"})
_RESULTS: Final = frozenset({"output", "search_results", "code_results", "browser_results"})  # of a tool that Groq ran
_ADDRESSES: Final = {"image_url": "image", "video_url": "video", "audio_url": "audio", "document_url": "document"}


def prompt(request: Json) -> Prompt:
    """Perplexity's background calls have the request one level down."""
    request = at(request, "request") or request
    return Prompt(
        messages=tuple(map(said, items(at(request, "messages")))),
        tool_definitions=tool_definitions(request),
        mcp_servers=mcp_servers(request),
    )


def said(told: Json) -> Message:
    """A message of a request, or that of an answer."""
    role = at(told, "role")
    if role in ("tool", "function") and not _is_of_opentelemetry(told):
        response = result_of(content_parts(at(told, "content")))
        return message("tool", [tool_result(at(told, "tool_call_id"), response, name=at(told, "name"))])
    return message(role, message_parts(told), name=at(told, "name"))


def message_parts(told: Json) -> list[Part]:
    """Reasoning, words, sound and images, calls: in the order in which they are made."""
    if isinstance(told, dict) and told.keys() <= _PLAIN:
        return content_parts(told.get("content"))
    if _is_of_opentelemetry(told):
        return [stated(part) for part in items(at(told, "parts"))]
    if not isinstance(told, dict):
        return texts(told) or ([] if told is None else [odd(told)])
    annotations = items(told.get("annotations"))  # of a search: what the words cite
    words = content_parts(told.get("content"))
    return [
        *_reasoning(told),
        *(part for tool in items(told.get("executed_tools")) for part in _executed(tool)),
        *([_cited(part, annotations) for part in words] if annotations else words),
        *([_refusal(told["refusal"])] if string(told.get("refusal")) else []),
        *_sound(told.get("audio")),
        *(part for image in items(told.get("images")) for part in content_parts([image])),
        *map(_call, items(told.get("tool_calls"))),
        *([_call(told["function_call"])] if isinstance(told.get("function_call"), dict) else []),
    ]


def content_parts(content: Json) -> list[Part]:
    """A text, or a list of parts; one part may stand alone."""
    if isinstance(content, str):
        return texts(content)
    return [_part(block) for block in listed(content)]


def tool_definitions(request: Json) -> tuple[Part, ...]:
    """Functions, also of the first API (`functions`) and those with their names at the top; built-in tools by their type."""
    tools = items(at(request, "tools"))
    told = [(at(tool, "type"), _tool_name(tool)) for tool in tools if at(tool, "type") != "mcp"]
    return definitions([*told, *(("function", at(tool, "name")) for tool in items(at(request, "functions")))])


def mcp_servers(request: Json) -> tuple[str, ...]:
    """https://platform.openai.com/docs/guides/tools-connectors-mcp"""
    return names(at(tool, "server_label") for tool in items(at(request, "tools")) if at(tool, "type") == "mcp")


def read_answer(body: Json) -> list[Message]:
    """A `chat.completion`; of a stream its choices as they were gathered. Logged spans state messages alone."""
    if logged := items(at(body, "messages")):
        return [
            message(at(told, "role") or "assistant", message_parts(told), finish_reason=at(told, "finish_reason"))
            for told in logged
        ]
    choices = items(at(body, "choices")) or items(at(body, "response", "choices"))  # the latter of Perplexity
    return [found for choice in choices for found in _choice(choice)]


def assemble(events: Iterable[Event]) -> Json:
    return gathered(parse(event.data) for event in events)


def gathered(chunks: Iterable[Json]) -> Json:
    """Deltas by choice. Perplexity and MiniMax repeat the message so far beside them: it counts where no delta came."""
    choices: dict[int, _Choice] = {}
    for chunk in chunks:
        for told in items(at(chunk, "choices")):
            index = count(at(told, "index")) or 0
            if index not in choices:
                choices[index] = _Choice()
            choices[index].add(told)
    return {"choices": [choices[index].whole() for index in sorted(choices)]}


def _choice(choice: Json) -> list[Message]:
    whole = at(choice, "message")
    parts = message_parts(whole if whole is not None else at(choice, "delta"))
    return answer(parts, at(choice, "finish_reason"))


def _is_of_opentelemetry(told: Json) -> bool:
    """A message of a span that an OpenTelemetry exporter logged."""
    return isinstance(at(told, "parts"), list)


def _reasoning(told: dict[str, Json]) -> list[Part]:
    """OpenRouter says it in `reasoning` and again in `reasoning_details`; only the latter has what is encrypted."""
    details = items(told.get("reasoning_details"))
    hidden = [reasoning("", encrypted=data) for detail in details if (data := at(detail, "data")) is not None]
    told_words = string(told.get("reasoning_content")) or string(told.get("reasoning")) or string(told.get("thinking"))
    if told_words:
        return [reasoning(told_words), *hidden]
    shown = (string(at(detail, "text")) or string(at(detail, "summary")) for detail in details)
    return [*(reasoning(words) for words in shown if words), *hidden]


def _part(block: Json) -> Part:
    kind = string(at(block, "type"))
    if isinstance(block, str):
        return text(block)
    if (kind in _TEXTS or kind is None) and isinstance(at(block, "text"), str):
        return text(block["text"], annotations=items(at(block, "annotations")) or None)
    if kind == "refusal":
        return _refusal(at(block, "refusal"))
    if kind == "thinking":  # Mistral: a list of chunks
        inner = at(block, "thinking")
        words = "".join(string(one) or string(at(one, "text")) or "" for one in listed(inner))
        return reasoning(words, signature=at(block, "signature"))
    return _media(kind or "", block) or odd(block)


def _media(kind: str, block: Json) -> Part | None:
    """An image, a sound, a video or a document."""
    if kind in _ADDRESSES:
        given = at(block, kind)
        address = string(given) or string(at(given, "url"))
        return uri(_ADDRESSES[kind], address, name=at(block, "document_name")) if address else None
    if kind == "input_image":
        address, file_id = string(at(block, "image_url")), string(at(block, "file_id"))
        return uri("image", address) if address else file("image", file_id) if file_id else None
    if kind == "input_audio":
        return _input_sound(at(block, "input_audio"))
    if kind in ("file", "input_file", "tool_file"):
        inner = at(block, "file")
        return _file(inner if isinstance(inner, dict) else block)
    return None


def _input_sound(given: Json) -> Part | None:
    """OpenAI has the format beside the bytes; Mistral the bytes, or an address, alone."""
    content = string(at(given, "data")) or string(given)
    if content is None:
        return None
    if content.startswith(("data:", "http://", "https://")):
        return uri("audio", content)
    kind = string(at(given, "format"))
    return blob("audio", kind and f"audio/{kind}", content)


def _file(given: Json) -> Part | None:
    name = string(at(given, "filename")) or string(at(given, "file_name"))
    if data := string(at(given, "file_data")):
        return uri("document", data, name=name) if data.startswith("data:") else blob("document", None, data, name=name)
    if address := string(at(given, "file_url")):
        return uri("document", address, name=name)
    file_id = string(at(given, "file_id"))
    return file("document", file_id, name=name) if file_id else None


def _cited(part: Part, annotations: list[Json]) -> Part:
    return {**part, "annotations": annotations} if part["type"] == "text" else part


def _sound(audio: Json) -> list[Part]:
    """What was spoken; a later turn names it by its id alone."""
    if not isinstance(audio, dict):
        return []
    if content := string(audio.get("data")):
        return [blob("audio", None, content, transcript=string(audio.get("transcript")), id=string(audio.get("id")))]
    if transcript := string(audio.get("transcript")):  # the sound was not kept, or was cut
        return [text(transcript)]
    file_id = string(audio.get("id"))
    return [file("audio", file_id)] if file_id else [odd(audio, "audio")]


def _refusal(content: Json) -> Part:
    return {"type": "refusal", "content": string(content) or ""}


def _call(call: Json) -> Part:
    """A function or a custom tool; Groq's and Mistral's built-in tools look the same."""
    called = at(call, "function") or at(call, "custom") or call
    given = at(called, "arguments")
    return tool_call(at(call, "id"), at(called, "name"), at(called, "input") if given is None else given)


def _executed(tool: Json) -> list[Part]:
    """A tool that Groq ran itself, with what it gave: groq/types/chat/chat_completion_message.py of its SDK, 1.7"""
    kind = string(at(tool, "type")) or "executed_tool"
    call = server_tool_call(kind, None, at(tool, "name"), at(tool, "arguments"))
    found = {key: value for key, value in members(tool) if key in _RESULTS and value}
    if not found:
        return [call]
    return [call, server_tool_result(kind, None, found["output"] if found.keys() == {"output"} else found)]


def _tool_name(tool: Json) -> Json:
    named = at(tool, "function", "name") or at(tool, "custom", "name") or at(tool, "name")
    return named or at(tool, "type")


@dataclass(slots=True)
class _Call:
    """A call of a tool in pieces."""

    member: str  # where whole messages have it: tool_calls, or the first API's function_call
    call_id: str | None = None
    name: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    given: Json = None  # arguments that are not text

    def whole(self) -> Json:
        arguments = "".join(self.arguments) if self.given is None else self.given
        return {"id": self.call_id, "function": {"name": "".join(self.name), "arguments": arguments}}


@dataclass(slots=True)
class _Choice:
    """One choice of a stream."""

    words: dict[str, list[str]] = field(default_factory=dict)  # by the delta's member
    chunks: list[Json] = field(default_factory=list)  # content that came as parts
    calls: list[_Call] = field(default_factory=list)
    by_index: dict[int | None, _Call] = field(default_factory=dict)  # the newest call of each index
    sound: dict[str, list[str]] = field(default_factory=dict)
    images: list[Json] = field(default_factory=list)
    details: list[Json] = field(default_factory=list)
    annotations: list[Json] = field(default_factory=list)
    executed: dict[Json, dict[str, Json]] = field(default_factory=dict)  # tools that Groq ran, by their index
    finish_reason: str | None = None
    repeated: Json = None  # the message so far

    def add(self, choice: Json) -> None:
        """A stream has thousands of them, so this goes through the members that are there."""
        for member, told in members(choice):
            if member == "delta":
                self._add_delta(told)
            elif member == "finish_reason":
                self.finish_reason = string(told) or self.finish_reason
            elif member == "message":
                self.repeated = told or self.repeated

    def _add_delta(self, delta: Json) -> None:
        for name, value in members(delta):
            if isinstance(value, str):
                if value and name in _WORDS:
                    self.words.setdefault(name, []).append(value)
            elif value is not None:
                self._add_member(name, value)

    def _add_member(self, name: str, value: Json) -> None:
        if name == "content":
            self.chunks += items(value)
        elif name == "images":
            self.images += items(value)
        elif name == "reasoning_details":
            self.details += items(value)
        elif name == "annotations":
            self.annotations += items(value)
        elif name == "executed_tools":  # asked first, then again with what it gave
            for tool in items(value):
                known = self.executed.setdefault(count(at(tool, "index")), {})
                known.update((key, told) for key, told in members(tool) if told)
        elif name == "tool_calls":
            for call in items(value):
                self._add_call(call, name)
        elif name == "function_call":
            self._add_call({"index": -1, "function": value}, name)
        elif name == "audio":
            for member, piece in members(value):
                if string(piece):
                    self.sound.setdefault(member, []).append(piece)

    def _add_call(self, call: Json, member: str) -> None:
        """A piece of a call. Some number none of them, or all with 0: an id that is new begins another call."""
        index, call_id = at(call, "index"), string(at(call, "id"))
        index = index if type(index) is int else None
        known = self.by_index.get(index)
        if known is None or (call_id and known.call_id and call_id != known.call_id):
            known = self.by_index[index] = _Call(member)
            self.calls.append(known)
        called = at(call, "function") or at(call, "custom")
        known.call_id = known.call_id or call_id
        known.name.append(string(at(called, "name")) or "")
        given = at(called, "arguments") or at(called, "input")
        if isinstance(given, str):
            known.arguments.append(given)
        elif given is not None:
            known.given = given

    def whole(self) -> Json:
        """The choice as it would have come in one piece."""
        if not any((self.words, self.chunks, self.calls, self.sound, self.images, self.details, self.executed)):
            return {"message": self.repeated, "finish_reason": self.finish_reason}
        told: dict[str, Json] = {name: "".join(pieces) for name, pieces in self.words.items()}
        if self.chunks:
            told["content"] = [*(listed(told.get("content"))), *joined_chunks(self.chunks)]
        told["tool_calls"] = [call.whole() for call in self.calls if call.member == "tool_calls"]
        told["function_call"] = next((c.whole()["function"] for c in self.calls if c.member == "function_call"), None)
        told["images"], told["reasoning_details"] = self.images, _joined_details(self.details)
        told["annotations"], told["executed_tools"] = self.annotations, list(self.executed.values())
        if self.sound:
            told["audio"] = {
                "id": next(iter(self.sound.get("id", [])), None),
                "data": joined_base64(self.sound.get("data", [])),
                "transcript": "".join(self.sound.get("transcript", [])),
            }
        return {"message": told, "finish_reason": self.finish_reason}


def joined_chunks(chunks: list[Json]) -> list[Json]:
    """Chunks of one kind that follow each other are one: Mistral streams a chunk for each token."""
    joined: list[Json] = []
    for kind, run in groupby(chunks, key=lambda chunk: string(at(chunk, "type"))):
        same = list(run)
        if kind == "text":
            joined.append({"type": "text", "text": "".join(string(at(chunk, "text")) or "" for chunk in same)})
        elif kind == "thinking":
            inner = [one for chunk in same for one in listed(at(chunk, "thinking"))]
            joined.append({"type": "thinking", "thinking": inner})
        else:
            joined += same
    return joined


def _joined_details(details: list[Json]) -> list[Json]:
    """OpenRouter's pieces of reasoning, by their index and kind."""
    joined: dict[tuple[Json, Json], dict[str, list[str]]] = {}
    for detail in details:
        known = joined.setdefault((count(at(detail, "index")), string(at(detail, "type"))), {})
        for name in ("text", "summary", "data"):
            if piece := string(at(detail, name)):
                known.setdefault(name, []).append(piece)
    return [
        {"type": kind, **{name: "".join(pieces) for name, pieces in known.items()}}
        for (_, kind), known in joined.items()
    ]


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
