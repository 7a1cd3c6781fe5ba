"""LM Studio's own chat. https://lmstudio.ai/docs/developer/rest/chat"""

from collections.abc import Iterable
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.openai_chat import content_parts
from addon.conversations.parts import (
    answer,
    listed,
    message,
    names,
    odd,
    server_tool_call,
    server_tool_result,
    text,
    texts,
    thoughts,
    uri,
)
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Event, Json


def prompt(request: Json) -> Prompt:
    """Tools are those of MCP servers, which it calls itself."""
    said = [_given(one) for one in listed(at(request, "input"))]
    servers = [at(one, "server_label") or at(one, "id") or one for one in items(at(request, "integrations"))]
    return Prompt(
        messages=(message("user", said),) if said else (),
        system_instructions=tuple(texts(at(request, "system_prompt"))),
        mcp_servers=names(servers),
    )


def read_answer(body: Json) -> list[Message]:
    return answer(part for item in items(at(body, "output")) for part in _parts(item))


def assemble(events: Iterable[Event]) -> Json:
    """`chat.end` has the whole answer; of a stream that was cut there are only pieces."""
    words: dict[str, list[str]] = {"reasoning": [], "message": []}
    for event in events:
        data = parse(event.data)
        if isinstance(result := at(data, "result"), dict):
            return result
        kind, _, step = (string(at(data, "type")) or event.event or "").partition(".")
        if step == "delta" and kind in words:
            words[kind].append(string(at(data, "content")) or "")
    return {"output": [{"type": kind, "content": "".join(pieces)} for kind, pieces in words.items() if any(pieces)]}


def _given(one: Json) -> Part:
    if isinstance(one, str):
        return text(one)
    if address := string(at(one, "data_url")):
        return uri("image", address)
    words = string(at(one, "content"))
    return text(words) if words else content_parts([one])[0]


def _parts(item: Json) -> list[Part]:
    kind = at(item, "type")
    if kind == "reasoning":
        return thoughts(at(item, "content"))
    if kind == "message":
        return content_parts(at(item, "content"))
    if kind == "tool_call":
        server = at(item, "provider_info", "server_label") or at(item, "provider_info", "plugin_id")
        call = server_tool_call("tool_call", None, at(item, "tool"), at(item, "arguments"), server=server)
        return [call, server_tool_result("tool_call", None, at(item, "output"), server=server)]
    return [odd(item)]


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
