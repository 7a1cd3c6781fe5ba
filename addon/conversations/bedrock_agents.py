"""Agents, flows and knowledge bases of Bedrock: a question in words, an answer in words. Members as in
addon/providers/bedrock_agents.py."""

from collections.abc import Iterable
from typing import Final

from addon.conversations.model import Dialect, Message, Prompt
from addon.conversations.parts import answer, message, texts
from addon.providers.bedrock_agents import said_in, said_in_stream
from addon.providers.fields import at, items, string
from addon.providers.model import Event, Json

# Of InvokeAgent, RetrieveAndGenerate, Retrieve, GenerateQuery, OptimizePrompt.
_ASKED: Final = (
    ("inputText",),
    ("input", "text"),
    ("retrievalQuery", "text"),
    ("queryGenerationInput", "text"),
    ("input", "textPrompt", "text"),
)


def prompt(request: Json) -> Prompt:
    asked = next((words for keys in _ASKED if (words := string(at(request, *keys)))), None)
    inputs = [string(at(one, "content", "document")) for one in items(at(request, "inputs"))]
    instruction = string(at(request, "instruction"))
    said = [words for words in (asked, *inputs) if words]
    return Prompt(
        messages=tuple(message("user", texts(words)) for words in said),
        system_instructions=tuple(texts(instruction)),
    )


def read_answer(body: Json) -> list[Message]:
    return answer(texts(said_in(body)))


def assemble(events: Iterable[Event]) -> Json:
    """As RetrieveAndGenerate answers in one piece. The bytes of a `chunk` are taken out already (read.py)."""
    said = [event.data if event.event is None else said_in_stream([event]) for event in events]
    return {"output": {"text": "".join(said)}}


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
