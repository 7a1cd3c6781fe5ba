"""Meta's Llama API: requests as OpenAI's, answers of its own. Fields: its SDK, llama_api_client/types.

https://llama.developer.meta.com/docs/api/chat
"""

from collections.abc import Iterable
from typing import Final

from addon.conversations import openai_chat
from addon.conversations.model import Dialect, Message
from addon.conversations.parts import answer, listed
from addon.providers.fields import at, parse, string
from addon.providers.model import Event, Json


def is_answer(answer: Json) -> bool:
    """Whether an answer, or the first event of its stream, has this shape: its path is OpenAI's."""
    return at(answer, "completion_message") is not None or at(answer, "event", "event_type") is not None


def read_answer(body: Json) -> list[Message]:
    """The content of an answer is one part, not a list."""
    told = at(body, "completion_message")
    inner = {**told, "content": listed(at(told, "content"))} if isinstance(at(told, "content"), dict) else told
    return answer([] if told is None else openai_chat.message_parts(inner), at(told, "stop_reason"))


def assemble(events: Iterable[Event]) -> Json:
    """Deltas of words, reasoning and calls, as OpenAI's."""
    chunks: list[Json] = []
    for event in events:
        news = at(parse(event.data), "event")
        delta = at(news, "delta")
        piece: Json = {"content": at(delta, "text")}
        if at(delta, "type") == "tool_call":
            piece = {"tool_calls": [delta]}
        elif at(delta, "type") == "reasoning":
            piece = {"reasoning": at(delta, "text") or at(delta, "reasoning")}
        chunks.append({"choices": [{"delta": piece, "finish_reason": string(at(news, "stop_reason"))}]})
    (choice, *_) = openai_chat.gathered(chunks)["choices"] or [{}]
    told = at(choice, "message")
    return {"completion_message": {**(told or {}), "stop_reason": at(choice, "finish_reason")}}


DIALECT: Final = Dialect(prompt=openai_chat.prompt, answer=read_answer, assemble=assemble)
