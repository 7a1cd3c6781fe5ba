"""OpenAI's realtime sessions: the settings, what was sent since the last response, and the response.

https://platform.openai.com/docs/api-reference/realtime-client-events and .../realtime-server-events; items as in openai
3.52, types/realtime/conversation_item.py. The request is as addon/calls/open_socket.py writes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from addon.conversations.model import Dialect, Message, Prompt
from addon.conversations.openai_chat import mcp_servers, tool_definitions
from addon.conversations.openai_responses import Items, input_messages, output_parts, system_parts
from addon.conversations.parts import answer, joined_base64, message, odd, text
from addon.providers.fields import at, count, items, parse, string
from addon.providers.model import Event, Json

_HEARD: Final = "conversation.item.input_audio_transcription.completed"
_SOUND: Final = frozenset({"response.output_audio.delta", "response.audio.delta"})


def prompt(request: Json) -> Prompt:
    """Instructions and tools of the response win over those of the session."""
    session, asked = at(request, "session", "session"), at(request, "response", "response")
    given = [*(at(told, "item") for told in items(at(request, "input"))), *items(at(asked, "input"))]
    messages = input_messages(given)
    if sound := at(request, "sound"):  # it is counted, not kept
        messages.append(message("user", [odd(sound, "sound")]))
    tools = asked if at(asked, "tools") else session
    return Prompt(
        messages=tuple(messages),
        system_instructions=tuple(system_parts(at(asked, "instructions") or at(session, "instructions"))),
        tool_definitions=tool_definitions(tools),
        mcp_servers=mcp_servers(tools),
    )


def read_answer(body: Json) -> list[Message]:
    """A response, or the transcript of what was heard."""
    if transcript := string(at(body, "transcript")):
        return [message("user", [text(transcript)])]
    reason = at(body, "status_details", "reason") or at(body, "status")
    return answer(output_parts(at(body, "output")), None if reason == "in_progress" else reason)


def assemble(events: Iterable[Event]) -> Json:
    """`response.done` has all items, but for the sound in them: that is in the deltas."""
    heard = _Heard()
    for event in events:
        heard.add(parse(event.data))
    return heard.whole()


@dataclass(slots=True)
class _Heard:
    response: Json = None
    transcript: Json = None
    output: Items = field(default_factory=Items)
    sound: dict[tuple[int, int], list[str]] = field(default_factory=dict)  # by output and content index

    def add(self, data: Json) -> None:
        kind = string(at(data, "type")) or ""
        if kind == _HEARD:
            self.transcript = data
        elif kind in ("response.created", "response.done"):
            self.response = at(data, "response")
        elif kind in _SOUND:
            place = count(at(data, "output_index")) or 0, count(at(data, "content_index")) or 0
            self.sound.setdefault(place, []).append(string(at(data, "delta")) or "")
        else:
            self.output.add(data, kind)

    def whole(self) -> Json:
        if self.transcript is not None:
            return self.transcript
        known = self.response if isinstance(self.response, dict) else {}
        output = list(items(known.get("output")) or self.output.whole())
        for (index, block), pieces in self.sound.items():
            _put_sound(output, index, block, joined_base64(pieces))
        return {**known, "output": output}


def _put_sound(output: list[Json], index: int, block: int, sound: str) -> None:
    """The sound in its place; where nothing says what that is, in a message of its own."""
    part = at(output, index, "content", block)
    if not isinstance(part, dict):
        output.append({"type": "message", "content": [{"type": "output_audio", "audio": sound}]})
        return
    transcript = string(part.get("transcript")) or string(part.get("text"))
    output[index]["content"][block] = {"type": "output_audio", "audio": sound, "transcript": transcript}


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
