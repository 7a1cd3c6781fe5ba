"""Ollama's own API: chat and generate. https://docs.ollama.com/api; fields as in ollama/_types.py of its SDK."""

from collections.abc import Iterable
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.openai_chat import tool_definitions
from addon.conversations.parts import answer, blob, message, text, texts, thoughts, tool_call, tool_result
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Event, Json


def prompt(request: Json) -> Prompt:
    """`messages`; of generate `prompt`, with `suffix` for what comes after the gap, and `images`."""
    if isinstance(at(request, "messages"), list):
        found = [_message(told) for told in request["messages"]]
    else:
        said = [*texts(at(request, "prompt")), *_images(request)]
        said += [text(suffix, suffix=True)] if (suffix := string(at(request, "suffix"))) else []
        found = [message("user", said)] if said else []
    return Prompt(
        messages=tuple(found),
        system_instructions=tuple(texts(at(request, "system"))),
        tool_definitions=tool_definitions(request),
    )


def read_answer(body: Json) -> list[Message]:
    told = at(body, "message")
    parts = _parts(told) if told is not None else [*thoughts(at(body, "thinking")), *texts(at(body, "response"))]
    return answer([*parts, *_made(body)], at(body, "done_reason"))


def assemble(events: Iterable[Event]) -> Json:
    """Every line has the next words; a call of a tool comes whole."""
    words: dict[str, list[str]] = {"content": [], "thinking": [], "response": [], "thought": []}
    calls: list[Json] = []
    images: list[Json] = []
    reason: Json = None
    is_chat = False
    for event in events:
        chunk = parse(event.data)
        told = at(chunk, "message")
        is_chat = is_chat or told is not None
        for name in ("content", "thinking"):
            words[name].append(string(at(told, name)) or "")
        words["response"].append(string(at(chunk, "response")) or "")
        words["thought"].append(string(at(chunk, "thinking")) or "")
        calls += items(at(told, "tool_calls"))
        images += items(at(told, "images"))
        reason = at(chunk, "done_reason") or reason
    said = {name: "".join(pieces) for name, pieces in words.items()}
    if not is_chat:
        return {"response": said["response"], "thinking": said["thought"], "done_reason": reason}
    whole = {"content": said["content"], "thinking": said["thinking"], "tool_calls": calls, "images": images}
    return {"message": whole, "done_reason": reason}


def _message(told: Json) -> Message:
    """Results name the tool, not the call."""
    if at(told, "role") == "tool":
        name = at(told, "tool_name") or at(told, "name")
        result = tool_result(at(told, "tool_call_id"), at(told, "content"), name=name)
        return message("tool", [result, *_images(told)])
    return message(at(told, "role"), _parts(told))


def _parts(told: Json) -> list[Part]:
    calls = [
        tool_call(at(call, "id"), at(call, "function", "name"), at(call, "function", "arguments"))
        for call in items(at(told, "tool_calls"))
    ]
    return [*thoughts(at(told, "thinking")), *texts(at(told, "content")), *_images(told), *calls]


def _images(told: Json) -> list[Part]:
    """Base64 without a type."""
    return [blob("image", None, image) for image in items(at(told, "images")) if isinstance(image, str)]


def _made(body: Json) -> list[Part]:
    """An image that a model made, in `image`."""
    image = string(at(body, "image"))
    return [blob("image", None, image)] if image else []


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
