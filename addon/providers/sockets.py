"""What the messages of a WebSocket say of calls: one socket carries many calls, one for each response on it.

A protocol looks at the head of each message, the members of its top level. Messages are small, as a rule, and are parsed
whole; of a larger one only the members before its first list or object are read, or it is parsed in a thread.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from addon.providers.fields import Json, at, parse, string

# Parsed on the event loop, in a fraction of a millisecond.
READ_HERE_BYTES: Final = 64 * 2**10
_HEAD_BYTES: Final = 8 * 2**10
_MEMBER: Final = re.compile(
    rb'\s*"([^"\\]{1,64})"\s*:\s*("[^"\\]{0,1000}"|true|false|null|-?\d[\d.eE+-]{0,40})\s*(?:,|\})'
)
_OPEN: Final = re.compile(rb"\s*\{")


class Step(Enum):
    """What a message does to the calls of its socket."""

    ASKS = "asks"  # the caller asks for a response
    BEGINS = "begins"  # a response begins, or goes on; perhaps one that nobody asked for
    GOES_ON = "goes on"  # a part of a response that has begun
    ENDS = "ends"  # the last of a response
    FAILS = "fails"  # an error: perhaps of a response
    ADDS = "adds"  # what is told of a response after its end, or within it
    SETTINGS = "settings"  # of the session
    INPUT = "input"  # for the next response
    SOUND = "sound"  # the same, as sound or images: counted, not kept
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one message says."""

    step: Step
    key: str | None = None  # of the response, where several may be under way
    lane: str | None = None  # responses that were asked for in one lane come in that order
    event_id: str | None = None  # of the message that asks, or of the one that an error is about
    is_of_stream: bool = False  # an error within a response that has begun
    ends_begun: bool = False  # an error that nothing follows: where no response waits, it ends the one that has begun
    brings_words: bool = False  # words, sound or a call of a tool: the first of them is the first token
    more_may_come: bool = False  # of a response after its end: what it used
    name: str | None = None  # of the operation, where it is not the socket's
    models: Mapping[str, str] = field(default_factory=dict)  # that the settings name, by the operation's name


OTHER: Final = Said(step=Step.OTHER)


def speaker(sound: str) -> Callable[[Json], Said]:
    """How a caller who only speaks is understood: settings of the session, and messages of the type `sound`."""
    steps = {"session.update": Said(step=Step.SETTINGS), sound: Said(step=Step.SOUND)}
    return lambda head: steps.get(string(at(head, "type")) or "", OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketProtocol:
    """How an API speaks over a WebSocket. `from_client` and `from_server` take a message's head, parsed."""

    from_client: Callable[[Json], Said]
    from_server: Callable[[Json], Said]
    # Whether the leading members of a large message are enough: (members, message, from_client).
    is_enough: Callable[[Mapping[str, Json], bytes, bool], bool]
    has_session: bool  # a response depends on settings and input that came before it, not on one message alone
    # (status, type, message, what the caller had said) -> an error in the API's own shape.
    error_event: Callable[[int, str, str, Said], Json]
    # What a provider's message says, where it is one of the many that need no parsing; else None.
    delta: Callable[[bytes], Said | None] = lambda _message: None
    # (key of a response) -> the caller's message that stops it.
    cancel_event: Callable[[str], Json] | None = None


def said_by(protocol: SocketProtocol, message: bytes, *, from_client: bool) -> Said | None:
    """What a message says. None: it is large, and has to be parsed whole, elsewhere."""
    if not from_client and (said := protocol.delta(message)):
        return said
    head, is_known = head_of(protocol, message, from_client=from_client)
    return said_in(protocol, head, from_client=from_client) if is_known else None


def said_in(protocol: SocketProtocol, head: Json, *, from_client: bool) -> Said:
    """What a message with this head says."""
    return protocol.from_client(head) if from_client else protocol.from_server(head)


def head_of(protocol: SocketProtocol, message: bytes, *, from_client: bool) -> tuple[Json, bool]:
    """The head of a message, and whether it is known: a large message may have to be parsed whole, elsewhere."""
    if len(message) <= READ_HERE_BYTES:
        return parse(message) or leading_members(message), True  # what we cannot parse, others may
    members = leading_members(message)
    return members, protocol.is_enough(members, message, from_client)


def leading_members(message: bytes) -> dict[str, Json]:
    """The members of an object up to the first that is a list, an object, or long."""
    found: dict[str, Json] = {}
    window = message[:_HEAD_BYTES]
    begun = _OPEN.match(window)
    at = begun.end() if begun else len(window)
    while match := _MEMBER.match(window, at):
        found[match[1].decode(errors="replace")] = parse(match[2])
        at = match.end()
    return found


def names_once(message: bytes, name: bytes) -> bool:
    """Whether a member of that name, at any depth, is there exactly once, in plain spelling."""
    return message.count(b'"%b"' % name) == 1 and b"\\u" not in message


@dataclass(slots=True, eq=False)
class _Waiting[T]:
    call: T
    said: Said


class CallsUnderWay[T]:
    """Which call of a socket a message belongs to. Pure; `T` is the call."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting[T]] = deque()  # asked for; nothing came yet
        self._running: dict[str | None, T] = {}

    def ask(self, call: T, said: Said) -> None:
        self._waiting.append(_Waiting(call, said))

    def begin(self, call: T, said: Said) -> None:
        """A response that nobody asked for."""
        self._running[said.key] = call

    def of(self, said: Said) -> T | None:
        """The call of a response that begins or goes on. None: nobody asked for it."""
        if said.key in self._running:
            return self._running[said.key]
        for waiting in self._waiting:
            if waiting.said.lane == said.lane and said.name is None:
                self._waiting.remove(waiting)
                self._running[said.key] = waiting.call
                return waiting.call
        return None

    def end(self, said: Said) -> T | None:
        call = self.of(said)
        self._running.pop(said.key, None)
        return call

    def fail(self, said: Said) -> T | None:
        """The call that an error ends: the one whose message it names, else the last that nothing came of yet, unless the
        error says that it is of a response that has begun."""
        if said.is_of_stream:
            return self.end(said)
        for waiting in reversed(self._waiting):
            named = said.event_id is None or said.event_id == waiting.said.event_id
            if waiting.said.lane == said.lane and named:
                self._waiting.remove(waiting)
                return waiting.call
        return self.end(said) if said.ends_begun else None

    def drop_all(self) -> list[T]:
        """The socket is closed: the calls that were under way."""
        left = [*self._running.values(), *(waiting.call for waiting in self._waiting)]
        self._running.clear()
        self._waiting.clear()
        return left

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)
