"""OpenAI's sessions that translate speech: what was heard is the caller's message, what was translated is the answer.

openai 3.54: types/realtime/realtime_translation_server_event.py. The request is as addon/calls/open_socket.py writes it; it has
sound, no words.
"""

from collections.abc import Iterable
from typing import Final

from addon.conversations.model import Dialect, Message, Prompt
from addon.conversations.parts import answer, message, texts
from addon.providers.fields import at, parse, string
from addon.providers.model import Event, Json


def heard(body: Json) -> list[Message]:
    said = texts(at(body, "heard"))
    return [message("user", said)] if said else []


def read_answer(body: Json) -> list[Message]:
    return answer(texts(at(body, "translated")))


def assemble(events: Iterable[Event]) -> Json:
    told = [parse(event.data) for event in events]
    return {
        "heard": _joined(told, "session.input_transcript.delta"),
        "translated": _joined(told, "session.output_transcript.delta"),
    }


def _joined(told: list[Json], kind: str) -> str:
    return "".join(string(at(one, "delta")) or "" for one in told if at(one, "type") == kind)


DIALECT: Final = Dialect(prompt=lambda _request: Prompt(), answer=read_answer, assemble=assemble, heard=heard)
