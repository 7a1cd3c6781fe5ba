"""A call as messages, in OpenTelemetry's form: the same for every provider.

Messages, parts and tool definitions are plain JSON, as in the schemas gen-ai-input-messages.json, gen-ai-output-messages.json,
gen-ai-system-instructions.json and gen-ai-tool-definitions.json of https://github.com/open-telemetry/semantic-conventions-genai
(model/gen-ai/, commit 2b902ce1). Parts are made in parts.py.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Final

import orjson

from addon.providers.model import Event, Json

Part = dict[str, Json]  # {"type": "text", "content": "..."}, ...
Message = dict[str, Json]  # {"role": "user", "parts": [...]}; of an answer also "finish_reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a request says."""

    messages: tuple[Message, ...] = ()
    system_instructions: tuple[Part, ...] = ()  # those outside of the messages
    tool_definitions: tuple[Part, ...] = ()  # {"type", "name"}: schemas and descriptions are left out
    mcp_servers: tuple[str, ...] = ()  # names of servers that the provider connects to


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One call: what was sent, and what was answered. `mcp_servers`: names, also of those that only tool names tell."""

    input_messages: tuple[Message, ...] = ()
    output_messages: tuple[Message, ...] = ()  # one for each choice; none of a call that failed
    system_instructions: tuple[Part, ...] = ()
    tool_definitions: tuple[Part, ...] = ()
    mcp_servers: tuple[str, ...] = ()


def _nothing_heard(_body: Json) -> list[Message]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one API says things. The functions are pure and leave out what they cannot read.

    `answer` is given the body of an answer; of a stream, what `assemble` makes of its events: the body that the same
    answer would have had in one piece. `heard` is given the same: what the caller said, where the answer alone tells it.
    """

    prompt: Callable[[Json], Prompt]
    answer: Callable[[Json], list[Message]]
    assemble: Callable[[Iterable[Event]], Json]
    heard: Callable[[Json], list[Message]] = _nothing_heard


DEEPEST: Final = 200  # orjson writes at most 254 levels, and reads 1,024
TOO_DEEP: Final = "(nested too deep)"


def as_json(conversation: Conversation) -> bytes:
    """The conversation as one JSON object."""
    return dumped({item.name: getattr(conversation, item.name) for item in fields(conversation)})


def dumped(value: Json) -> bytes:
    """JSON text. What is nested deeper than DEEPEST (no honest body is) becomes TOO_DEEP."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return orjson.dumps(_cut(value, DEEPEST))


def _cut(value: Json, depth: int) -> Json:
    if isinstance(value, dict):
        return {key: _cut(one, depth - 1) for key, one in value.items()} if depth else TOO_DEEP
    if isinstance(value, list | tuple):
        return [_cut(one, depth - 1) for one in value] if depth else TOO_DEEP
    return value
