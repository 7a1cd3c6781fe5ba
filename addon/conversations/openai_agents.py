"""Sessions of OpenAI's hosted agents: the items of their turns, by the events of a stream. Items are those of responses,
with the output of tools that the provider runs in them.

openai 3.54: types/beta/agent_session_event.py, agent_session_item.py, agents/session_create_params.py
"""

from collections.abc import Iterable
from typing import Final

from addon.conversations import openai_responses
from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.openai_chat import mcp_servers, tool_definitions
from addon.conversations.openai_responses import input_messages, item_role, output_parts, system_parts
from addon.conversations.parts import grouped, server_tool_call, server_tool_result
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Event, Json
from addon.providers.openai_agents import said_by_item

_TURN: Final = "agent.session.turn."
_COMMAND: Final = "command_execution"


def prompt(request: Json) -> Prompt:
    """Of a request that makes a session; one that only follows its events has no body."""
    agent = at(request, "agent")
    return Prompt(
        messages=openai_responses.prompt(request).messages,
        system_instructions=tuple(system_parts(at(agent, "instructions"))),
        tool_definitions=tool_definitions(agent),
        mcp_servers=mcp_servers(agent),
    )


def heard(body: Json) -> list[Message]:
    """What the user said before the agent began, where the stream tells it."""
    return input_messages(_split(body)[0])


def read_answer(body: Json) -> list[Message]:
    messages = grouped((item_role(item), parts) for item in _split(body)[1] if (parts := _parts(item)))
    if messages and messages[-1]["role"] == "assistant" and (reason := string(at(body, "ended"))):
        messages[-1]["finish_reason"] = reason
    return messages


def assemble(events: Iterable[Event]) -> Json:
    """The items in the order in which they began; `ended`: how the last turn did."""
    told = [parse(event.data) for event in events]
    found: dict[str, Json] = {}
    ended: Json = None
    for one in told:
        kind = (string(at(one, "type")) or "").removeprefix(_TURN)
        if kind in ("item.added", "item.done"):
            found[string(at(one, "item", "id")) or ""] = at(one, "item")
        elif kind in ("completed", "failed", "cancelled"):
            ended = kind
        elif kind.endswith(".delta"):
            found.setdefault(string(at(one, "item_id")) or "", None)
    for name, words in said_by_item(told).items():
        if not (isinstance(item := found.get(name), dict) and items(item.get("content"))):
            block: Json = {"type": "output_text", "text": words}
            found[name] = {"type": "message", "role": "assistant", **(item or {}), "content": [block]}
    return {"items": [item for item in found.values() if item is not None], "ended": ended}


def _split(body: Json) -> tuple[list[Json], list[Json]]:
    told = items(at(body, "items"))
    first = next((index for index, item in enumerate(told) if item_role(item) == "assistant"), len(told))
    return told[:first], told[first:]


def _parts(item: Json) -> list[Part]:
    if at(item, "type") != _COMMAND:
        return output_parts([item])
    call_id, output = at(item, "id"), at(item, "output")
    asked = {name: at(item, name) for name in ("command", "cwd") if at(item, name) is not None}
    call = server_tool_call(_COMMAND, call_id, _COMMAND, asked)
    if output is None and at(item, "exit_code") is None:
        return [call]
    return [call, server_tool_result(_COMMAND, call_id, output, exit_code=at(item, "exit_code"))]


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble, heard=heard)
