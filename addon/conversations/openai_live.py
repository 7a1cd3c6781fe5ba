"""OpenAI's Live API: what was said on both sides of a session, and what the models did that it handed work on to.

openai 3.54: types/live/session_config.py, input_transcript_delta_event.py, response_event.py. The request is as
addon/calls/open_socket.py writes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.openai_chat import mcp_servers, tool_definitions
from addon.conversations.openai_responses import input_messages, output_parts, system_parts
from addon.conversations.parts import message, text
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Event, Json


def prompt(request: Json) -> Prompt:
    session = at(request, "response", "session")
    tools = at(session, "delegation", "responses")
    return Prompt(
        messages=tuple(input_messages(items(at(session, "input")))),
        system_instructions=tuple(system_parts(at(session, "instructions"))),
        tool_definitions=tool_definitions(tools),
        mcp_servers=mcp_servers(tools),
    )


def read_answer(body: Json) -> list[Message]:
    """The turns as they were gathered, in their order; the last one says why the session was closed."""
    turns = items(at(body, "turns"))
    return [
        message(at(turn, "role"), _parts(turn), finish_reason=at(body, "reason") if turn is turns[-1] else None)
        for turn in turns
    ]


def _parts(turn: Json) -> list[Part]:
    if said := string(at(turn, "text")):
        return [text(said)]
    return output_parts(at(turn, "output"))


@dataclass(slots=True)
class _Turns:
    turns: list[dict[str, Json]] = field(default_factory=list)
    reason: Json = None

    def add(self, told: Json) -> None:
        match string(at(told, "type")):
            case "session.input_transcript.delta":
                self._say("user", told)
            case "session.output_transcript.delta":
                self._say("assistant", told)
            case "response.event" if at(told, "event", "type") == "response.output_item.done":
                self.turns.append({"role": "assistant", "output": [at(told, "event", "item")]})
            case "response.item.create":
                role = "tool" if (string(at(told, "item", "type")) or "").endswith("_output") else "user"
                self.turns.append({"role": role, "output": [at(told, "item")]})
            case "session.closed":
                self.reason = at(told, "reason")

    def _say(self, role: str, told: Json) -> None:
        """Pieces of one side that follow each other are one turn."""
        last = self.turns[-1] if self.turns else {}
        if last.get("role") != role or "text" not in last:
            last = {"role": role, "text": ""}
            self.turns.append(last)
        last["text"] = f"{last['text']}{string(at(told, 'delta')) or ''}"


def assemble(events: Iterable[Event]) -> Json:
    gathered = _Turns()
    for event in events:
        gathered.add(parse(event.data))
    return {"turns": list(gathered.turns), "reason": gathered.reason}


DIALECT = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
