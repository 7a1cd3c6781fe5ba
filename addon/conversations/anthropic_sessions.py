"""Sessions of Anthropic's managed agents: what the user, the agent and the tools said, by the events of a stream.

anthropic 2.12, types/beta/sessions. Content blocks are those of messages.
"""

from collections.abc import Iterable
from typing import Final

from addon.conversations.anthropic import content_parts, result
from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.parts import grouped, odd, server_tool_call, server_tool_result, tool_call, tool_result
from addon.providers.anthropic_sessions import with_previews
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Event, Json

_AGENT: Final = "agent."
# Who says what an event tells. Other events are states of the session.
_ROLES: Final = {
    **dict.fromkeys(("user.message", "user.define_outcome", "user.tool_confirmation"), "user"),
    **dict.fromkeys(("user.tool_result", "user.custom_tool_result"), "tool"),
    "system.message": "system",
    **dict.fromkeys(("agent.message", "agent.tool_use", "agent.mcp_tool_use", "agent.custom_tool_use"), "assistant"),
    **dict.fromkeys(("agent.tool_result", "agent.mcp_tool_result"), "assistant"),  # of tools that the provider runs
    **dict.fromkeys(("agent.thread_message_sent", "agent.thread_message_received"), "assistant"),
}


def heard(body: Json) -> list[Message]:
    """What was said before the agent began."""
    return _messages(_split(body)[0])


def read_answer(body: Json) -> list[Message]:
    """From the agent's first word on: what the user says in between stands where it was said."""
    messages = _messages(_split(body)[1])
    if messages and messages[-1]["role"] == "assistant" and (reason := string(at(body, "stop_reason", "type"))):
        messages[-1]["finish_reason"] = reason
    return messages


def assemble(events: Iterable[Event]) -> Json:
    told = list(with_previews(parse(event.data) for event in events))
    idle = [at(one, "stop_reason") for one in told if at(one, "type") == "session.status_idle"]
    return {"events": told, "stop_reason": idle[-1] if idle else None}


def _split(body: Json) -> tuple[list[Json], list[Json]]:
    told = [one for one in items(at(body, "events")) if at(one, "type") in _ROLES]
    begins = (index for index, one in enumerate(told) if str(at(one, "type")).startswith(_AGENT))
    first = next(begins, len(told))
    return told[:first], told[first:]


def _messages(told: list[Json]) -> list[Message]:
    return grouped((_ROLES[at(one, "type")], parts) for one in told if (parts := _parts(one)))


def _parts(told: Json) -> list[Part]:
    """A session's own tools are run by the provider, custom ones by the program."""
    name, given, call_id = at(told, "name"), at(told, "input"), at(told, "id")
    kind = str(at(told, "type"))
    match kind:
        case "user.message" | "system.message" | "agent.message":
            return content_parts(at(told, "content"))
        case "agent.custom_tool_use":
            return [tool_call(call_id, name, given)]
        case "agent.tool_use" | "agent.mcp_tool_use":
            return [server_tool_call(kind, call_id, name, given, server=at(told, "mcp_server_name"))]
        case "agent.tool_result" | "agent.mcp_tool_result":
            found, is_error = result(at(told, "content")), at(told, "is_error")
            return [server_tool_result(kind, _call_of(told), found, is_error=is_error)]
        case "user.tool_result" | "user.custom_tool_result":
            return [tool_result(_call_of(told), result(at(told, "content")), is_error=at(told, "is_error"))]
    return [odd(told)]


def _call_of(told: Json) -> Json:
    return at(told, "tool_use_id") or at(told, "mcp_tool_use_id") or at(told, "custom_tool_use_id")


DIALECT: Final = Dialect(prompt=lambda _request: Prompt(), answer=read_answer, assemble=assemble, heard=heard)
