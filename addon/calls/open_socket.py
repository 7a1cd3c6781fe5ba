"""A WebSocket to a provider: what belongs to all calls on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import orjson

from addon.calls.call import Call
from addon.calls.connection import ClientConnection
from addon.calls.parts import Asked, Attempts
from addon.ids import uuid7
from addon.providers.model import Operation
from addon.providers.sockets import CallsUnderWay, Said, SocketProtocol
from addon.routing.router import Route

# Input that waits for a response, in memory. What is beyond it is in no row: the request is marked as truncated.
MOST_INPUT_BYTES: Final = 2**20


@dataclass(slots=True, kw_only=True, eq=False)
class Socket:
    id: str  # the session of its calls, where nobody names one
    caller: ClientConnection
    asked: Asked  # what the headers of the upgrade say; each call gets a start of its own
    route: Route
    operation: Operation
    protocol: SocketProtocol
    calls: CallsUnderWay[Call] = field(default_factory=CallsUnderWay)
    ended: Call | None = None  # the last call, as long as something may be told of it
    settings: bytes = b""  # the newest message about the session
    models: dict[str, str] = field(default_factory=dict)  # that it names, by the operation's name
    waiting_input: list[bytes] = field(default_factory=list)  # since the last response
    waiting_bytes: int = 0
    input_is_cut: bool = False
    sound_messages: int = 0
    sound_bytes: int = 0

    def new_call(self, said: Said, at: float) -> Call:
        """`at` in epoch seconds."""
        name = said.name or self.operation.name
        start = replace(
            self.asked.start,
            request_id=uuid7(),
            started_at_us=int(at * 1_000_000),
            operation_name=name,
            socket_id=self.id,
        )
        call = Call(
            id=uuid7(),
            connection=self.caller,
            asked=replace(self.asked, start=start),
            attempts=Attempts(route=self.route, operation=self.operation),
            began_at=at,
        )
        call.answer.is_stream = True
        call.copied.request_truncated = self.input_is_cut
        return call

    def take_settings(self, said: Said, message: bytes) -> None:
        self.models |= said.models
        self.settings = message if len(message) <= MOST_INPUT_BYTES else b""

    def take_input(self, message: bytes) -> None:
        if self.waiting_bytes + len(message) > MOST_INPUT_BYTES:
            self.input_is_cut = True
            return
        self.waiting_bytes += len(message)
        self.waiting_input.append(message)

    def take_sound(self, message: bytes) -> None:
        self.sound_messages += 1
        self.sound_bytes += len(message)

    def request_body(self, said: Said, message: bytes | None) -> bytes:
        """What a call's answer depends on, as JSON: the message that asks for it; in a session its settings and the input
        since the last response as well. Sound is not kept, its messages are counted."""
        if message is not None and not self.protocol.has_session:
            return message
        name = said.name or self.operation.name
        parts = {}
        if model := self.models.get(name):
            parts["model"] = orjson.dumps(model)
        if self.settings:
            parts["session"] = self.settings
        if said.name is None:  # what is not a response takes no input away from the next one
            parts |= self._input()
        if message is not None:
            parts["response"] = message
        return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), value) for name, value in parts.items())

    def _input(self) -> Mapping[str, bytes]:
        parts: dict[str, bytes] = {}
        if self.waiting_input:
            parts["input"] = b"[%b]" % b",".join(self.waiting_input)
        if self.sound_messages:
            parts["sound"] = orjson.dumps({"messages": self.sound_messages, "bytes": self.sound_bytes})
        self.waiting_input.clear()
        self.waiting_bytes = self.sound_messages = self.sound_bytes = 0
        self.input_is_cut = False
        return parts
