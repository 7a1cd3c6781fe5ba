"""DashScope's own API: chat completions inside `input` and `output`.

https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from addon.conversations import openai_chat
from addon.conversations.model import Dialect, Message, Prompt
from addon.conversations.parts import answer, message, texts
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Event, Json


def prompt(request: Json) -> Prompt:
    given = at(request, "input")
    messages = [_message(told) for told in items(at(given, "messages"))]
    told = openai_chat.prompt({"messages": messages, "tools": at(request, "parameters", "tools")})
    said = texts(at(given, "prompt"))
    return Prompt(
        messages=(*told.messages, *([message("user", said)] if said else [])), tool_definitions=told.tool_definitions
    )


def read_answer(body: Json) -> list[Message]:
    output = at(body, "output")
    if choices := items(at(output, "choices")):
        return openai_chat.read_answer({"choices": [_choice(choice) for choice in choices]})
    return answer(texts(at(output, "text")), _reason(output))


def assemble(events: Iterable[Event]) -> Json:
    """Parts come alone, or each with all that was said before it (`incremental_output`)."""
    outputs = [at(parse(event.data), "output") for event in events]
    if not any(at(output, "choices") for output in outputs):
        reason = next((found for output in reversed(outputs) if (found := _reason(output))), None)
        return {"output": {"text": _grown(string(at(one, "text")) or "" for one in outputs), "finish_reason": reason}}
    chunks = [{"index": 0, **choice} for output in outputs for choice in items(at(output, "choices"))[:1] if choice]
    words = {name: _grown(_words(at(one, "message", name)) for one in chunks) for name in ("content", _THOUGHT)}
    calls = next((told for one in reversed(chunks) if (told := items(at(one, "message", "tool_calls")))), [])
    reason = next((found for one in reversed(chunks) if (found := _reason(one))), None)
    return {"output": {"choices": [{"message": {**words, "tool_calls": calls}, "finish_reason": reason}]}}


def _message(told: Json) -> Json:
    """Parts of the multimodal models have no type: `{"image": "https://..."}`."""
    content = at(told, "content")
    return {**told, "content": [_part(part) for part in content]} if isinstance(content, list) else told


def _part(part: Json) -> Json:
    for kind in ("image", "video", "audio"):
        if string(at(part, kind)):
            return {"type": f"{kind}_url", f"{kind}_url": part[kind]}
    return part


_THOUGHT: Final = "reasoning_content"


def _words(content: Json) -> str:
    """Of the multimodal models: a list of `{"text": ...}`."""
    return string(content) or "".join(string(at(part, "text")) or "" for part in items(content))


def _grown(pieces: Iterable[str]) -> str:
    """The pieces together; the last one alone, where each repeats what came before."""
    found = [piece for piece in pieces if piece]
    repeats = len(found) > 1 and all(later.startswith(found[0]) for later in found) and _grows(found)
    return found[-1] if repeats else "".join(found)


def _grows(pieces: list[str]) -> bool:
    return all(later.startswith(earlier) for earlier, later in pairwise(pieces))


def _reason(told: Json) -> str | None:
    reason = string(at(told, "finish_reason"))
    return None if reason == "null" else reason


def _choice(choice: Json) -> Json:
    return {"message": at(choice, "message"), "finish_reason": _reason(choice)}


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
