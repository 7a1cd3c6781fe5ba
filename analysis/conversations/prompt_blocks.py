"""A request as the blocks that a provider's prompt cache reads in order: tools, system instructions, messages. Pure.

Providers keep the computed beginning of a prompt and read it again as long as no block of it changes. What only controls that
cache (`cache_control`, `cachePoint`) is not part of the prompt. White space between JSON values does not count, the order of
an object's members does, as it may reach the model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from addon.conversations.model import DEEPEST, TOO_DEEP, dumped
from addon.providers.fields import at, parse, string
from addon.providers.model import Json

_TOOLS: Final = (("tools",), ("functions",), ("toolConfig", "tools"))
_SYSTEM: Final = (("system",), ("instructions",), ("systemInstruction",), ("system_instruction",))
_MESSAGES: Final = (("messages",), ("input",), ("inputs",), ("contents",), ("prompt",))
# The provider puts what was said before in front of it: the body does not hold the prefix.
_ELSEWHERE: Final = ("previous_response_id", "conversation", "cachedContent", "cached_content")
_TEXTS: Final = frozenset({"content", "text", "parts", "input_text", "name"})
_KINDS: Final = frozenset({"type", "role"})
_MARKERS: Final = ("cache_control", "cachePoint")


@dataclass(frozen=True, slots=True)
class Block:
    """`place`: as a person counts it, e.g. `message 4 (user)`. `content`: its JSON."""

    place: str
    content: bytes
    is_message: bool


def words_that_differ(before: bytes, now: bytes) -> tuple[str, str]:
    """The texts of two blocks, as a person reads them. Where these are equal, it is the JSON that differs."""
    texts = _text(parse(before)), _text(parse(now))
    return texts if texts[0] != texts[1] else (before.decode(), now.decode())


def _text(value: Json) -> str:
    """Values in their order, with the names of members that say more than what kind of text it is."""
    if isinstance(value, dict):
        members = ((name, _text(member)) for name, member in value.items() if name not in _KINDS)
        return " ".join(text if name in _TEXTS else f"{name}: {text}" for name, text in members if text)
    if isinstance(value, list):
        return " ".join(text for each in value if (text := _text(each)))
    return "" if value is None else value if isinstance(value, str) else dumped(value).decode()


def prompt_blocks(request_body: str | None) -> list[Block] | None:
    """The blocks in the order in which they are cached; None: not kept, or of a shape that we do not know."""
    body = parse(request_body) if request_body else None
    if not isinstance(body, dict) or any(body.get(name) for name in _ELSEWHERE):
        return None
    messages = _first(body, _MESSAGES)
    if messages is None:
        return None
    return [
        *_blocks("tool", _first(body, _TOOLS), ("name", "function.name", "toolSpec.name")),
        *_blocks("system", _texts(_first(body, _SYSTEM)), ()),
        *_blocks("message", messages, ("role", "type")),
    ]


def _first(body: Json, paths: Sequence[Sequence[str]]) -> Json:
    return next((found for path in paths if (found := at(body, *path)) is not None), None)


def _blocks(kind: str, values: Json, label_paths: Sequence[str]) -> Iterator[Block]:
    listed = values if isinstance(values, list) else [] if values is None else [values]
    kept = [clean for value in listed if (clean := _without_markers(value)) not in (None, {}, [])]
    for number, value in enumerate(kept, 1):
        label = next((name for path in label_paths if (name := string(at(value, *path.split("."))))), None)
        place = f"{kind} {number}" if len(kept) > 1 or kind != "system" else kind
        yield Block(f"{place} ({label})" if label else place, dumped(_with_parts(value)), kind == "message")


def _with_parts(message: Json) -> Json:
    """A message whose content is text, written as the list of one part that means the same: programs change between the two
    when they move a cache marker."""
    if isinstance(message, dict) and isinstance(message.get("content"), str):
        return {**message, "content": _texts(message["content"])}
    return message


def _texts(content: Json) -> Json:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _without_markers(value: Json, depth: int = DEEPEST) -> Json:
    if isinstance(value, dict) and depth:
        return {key: _without_markers(member, depth - 1) for key, member in value.items() if key not in _MARKERS}
    if isinstance(value, list) and depth:  # an object that was a marker alone goes as a whole
        return [clean for one in value if (clean := _without_markers(one, depth - 1)) != {} or one == {}]
    return TOO_DEEP if isinstance(value, dict | list) else value
