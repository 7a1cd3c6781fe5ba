"""What every fake answer is made of: the words of the prompt said back, tokens that are words, ids that are digests.

All of it follows from the request alone, so the same program gets the same answers and the same bill every time.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Any  # parsed JSON
type Length = int | str | None  # an answer of so many words, or of these; None: the prompt's last words, said back

CREATED: Final = 1_761_955_200  # 2025-11-01 00:00 UTC: a fixed date keeps answers equal from run to run
EVENT_STREAM: Final = "text/event-stream; charset=utf-8"
SAID_BACK_WORDS: Final = 24  # how much of a prompt comes back when nobody asks for a length


class BadRequest(Exception):
    """The provider would answer 400; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer. A stream has one piece per event, JSON has one piece."""

    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = ()

    @property
    def is_stream(self) -> bool:
        return self.content_type == EVENT_STREAM


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The words of an answer. `is_cut` when the caller's token limit ended it."""

    words: tuple[str, ...]
    is_cut: bool

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def deltas(self) -> tuple[str, ...]:
        """The text in the parts in which it is streamed; joined they are `text`."""
        return tuple(word if index == 0 else " " + word for index, word in enumerate(self.words))


def words_in(content: Json) -> list[str]:
    """The words of a prompt: a string, a message, a part, or any list of them. One word is one token."""
    match content:
        case str():
            return content.split()
        case list():
            return [word for item in content for word in words_in(item)]
        case {"text": str(text)}:
            return text.split()
        case {"content": inner}:
            return words_in(inner)
        case _:
            return []


def say(prompt: list[str], limit: int | None, length: Length) -> Said:
    """The answer to `prompt`; never more words than the caller's `limit`."""
    words = ["You", "said:", *prompt[-SAID_BACK_WORDS:]]
    match length:
        case str():
            words = length.split(" ")
        case int():
            words = [words[index % len(words)] for index in range(length)]
    is_cut = limit is not None and len(words) > limit
    return Said(words=tuple(words[:limit]) if is_cut else tuple(words), is_cut=is_cut)


def digest(body: Json) -> str:
    """32 hex digits that stand for this request."""
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=16).hexdigest()


def required(body: Json, *names: str) -> None:
    """BadRequest unless `body` is an object that holds all of `names`."""
    if not isinstance(body, Mapping):
        raise BadRequest("the body is not a JSON object")
    for name in names:
        if name not in body:
            raise BadRequest(f"{name}: field required")


def dump(value: Json) -> bytes:
    """Compact JSON, UTF-8 unescaped, as providers send it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def data_event(value: Json) -> bytes:
    """A server-sent event without a name (chat completions)."""
    return b"data: " + dump(value) + b"\n\n"


def named_event(value: Json) -> bytes:
    """A server-sent event that is named after its `type` (responses, messages)."""
    return f"event: {value['type']}\n".encode() + data_event(value)


def tool_arguments(schema: Json, prompt: list[str]) -> dict[str, str]:
    """What a made-up model passes to a tool with this schema: for each property the end of the prompt."""
    return {name: " ".join(prompt[-4:]) for name in (schema or {}).get("properties", {})}
