"""One call of the program: everything that is known of it while it passes.

Each part has one writer, named in its docstring; everybody may read. `call_life.py` tells the states of a call.

A call has its own id and is not the same as a mitmproxy flow: one HTTP exchange is one call, a WebSocket is one flow with a
call for each response on it (`websocket.py`). `Calls` is where the two meet.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from addon.config.controls import Controls
from addon.hooks.call_life import ILLEGAL_MOVE, CallState, is_allowed
from addon.hooks.connection import ClientConnection
from addon.hooks.failures import CONSEQUENCES, Consequence, Failure, Phase
from addon.limits.held_bodies import HeldBodies
from addon.limits.refusal import Standing
from addon.limits.slots import Slots
from addon.metering.piece_times import PieceTimes
from addon.metering.terminal import TerminalScanner
from addon.providers.model import Operation
from addon.recordings.model import RecordedCall
from addon.routing.router import Route
from addon.sending.fallbacks import Codes, Fallbacks
from addon.sending.timeouts import Timeouts
from addon.storage.counts import Counts
from addon.storage.journal_lines import CallStart, Charge

if TYPE_CHECKING:
    from addon.hooks.claims import Claim
    from addon.hooks.flights import Flight
    from addon.redaction.redactor import Redactor

logger = logging.getLogger(__name__)

Fields = tuple[tuple[bytes, bytes], ...]


class Reference(NamedTuple):
    """The call whose answer is given again."""

    request_id: str
    started_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the request's headers say. Written by `route.py`, once."""

    controls: Controls
    start: CallStart
    timeouts: Timeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """An attempt that another one followed."""

    provider_name: str
    host: str
    status: int | None  # None: no answer
    error_type: str | None  # why there was none
    started_ms: int  # since the call began
    duration_ms: int


@dataclass(slots=True, kw_only=True)
class Attempts:
    """Upstream calls. Written by `route.py` (the first target), `fallback.py`, `ask_usage.py` and `retry.py`."""

    route: Route  # of the attempt under way, or of the last one
    operation: Operation  # of that target
    made: int = 1  # upstream calls so far
    tries: int = 1  # those of them that the current target got
    failed: list[FailedAttempt] = field(default_factory=list)  # those before the one under way
    began_at: float | None = None  # of the one under way, epoch seconds; None: it is the first
    fallbacks: Fallbacks | None = None  # other targets, for when this one fails
    targets: Sequence[Route] = ()  # one for each of them
    fallback_index: int | None = None  # which of them is under way; None: the one that was called
    overrides: Mapping[str, str] = field(default_factory=dict)  # members of the body that were set for it, as JSON text
    came_headers: Fields = field(default=(), repr=False)  # with fallbacks: the caller's own headers and body,
    came_body: bytes = field(default=b"", repr=False)  # from which each target's request is made
    hold: Codes | None = None  # statuses that are held back since another attempt may follow; None: none ever follows
    again: bool = False  # the attempt that ended is to be followed by another
    gave_up: bool = False  # it could have been tried again, and was not
    hides_usage: bool = False  # the stream was asked for its usage, and not by the caller

    @property
    def has_moved_on(self) -> bool:
        """Another target was tried than the one that was to be asked first."""
        return self.fallbacks is not None and self.fallback_index != self.fallbacks.first


@dataclass(slots=True)
class Upstream:
    """How the attempt under way went. Written by `mitm/stream.py`."""

    sent_at: float | None = None  # epoch seconds when the request began to go out
    connect_s: float = 0.0  # spent on getting a connection
    failure: Failure | None = None  # what ended the call early


@dataclass(slots=True)
class Answer:
    """The answer, once its headers are in. Written by `capture.py`."""

    status: int | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    headers: dict[str, str] = field(default_factory=dict)  # those that the operation's reader asks for
    kept_headers: dict[str, str] = field(default_factory=dict)  # those that `config/kept_headers.py` lists
    expected_bytes: int | None = None  # content-length
    first_byte_at: float | None = None
    overhead_ms: float | None = None
    is_stream: bool = False

    @property
    def phase(self) -> Phase:
        return Phase.BEFORE_FIRST_BYTE if self.status is None else Phase.AFTER_FIRST_BYTE


@dataclass(slots=True)
class Copied:
    """What of the call is in the journal. Written by `capture.py`."""

    request_bytes: int = 0
    request_truncated: bool = False
    response_bytes: int = 0
    response_truncated: bool = False
    piece_times: PieceTimes = field(default_factory=PieceTimes)  # of a stream
    scanner: TerminalScanner | None = None  # of a stream: looks for the event that ends it
    # An answer that must be in no file, until it is read; with `redactor`, until it is redacted.
    withheld: bytearray = field(default_factory=bytearray)
    held_bytes: int = 0  # of the answer, counted in `Calls.held_answers`
    redactor: "Redactor | None" = None  # of all that the journal gets of this call
    finished_at: float | None = None  # its terminal event or last byte went by
    closed: bool = False  # the final line is in the journal


@dataclass(slots=True)
class Sharing:
    """The cache, identical calls at the same time, and recordings. Written by `cache.py`, `cache_store.py`, `coalesce.py` and
    `replay.py`."""

    cache_keys: tuple[str, ...] = ()  # one for each slot of its bucket; none: the cache is off
    status: str | None = None  # hit | miss | coalesced | unavailable; None: the cache was not asked
    reference: Reference | None = None  # whose answer is given again, instead of asking the provider
    leads: "Flight | None" = None  # its answer is kept, for the cache and for the calls that follow it
    follows: "Flight | None" = None  # the identical call whose answer this one gets
    claim: "Claim | None" = None  # identical calls of other processes wait for this one's answer
    plays: RecordedCall | None = field(default=None, repr=False)  # the recorded call whose answer this one gets
    feed: asyncio.Task[None] | None = field(default=None, repr=False)  # passes that answer on
    caller_left: bool = False  # and other callers still wait for the answer
    is_abandoned: bool = False  # the last of them left, too

    @property
    def is_fed(self) -> bool:
        """The answer comes from another call, in place of an upstream call."""
        return self.follows is not None or self.plays is not None

    @property
    def is_shared(self) -> bool:
        """Other callers wait for this call's answer as well."""
        return self.leads is not None and bool(self.leads.followers) and not self.is_abandoned


@dataclass(slots=True)
class Limited:
    """Rate limits and budgets. Written by `limits.py`. An amount that is reserved of a budget until the true one is known
    belongs here, beside the charges."""

    status: str | None = None  # allowed | rate_limited | budget_exceeded | unchecked; None: no limit applied
    charges: list[Charge] = field(default_factory=list)  # what the settler charges with what the call used
    standing: Standing | None = None  # of the tightest limit: for the answer's headers


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    id: str  # of this very call, never repeated; `asked.start.request_id` may be the caller's
    connection: ClientConnection
    asked: Asked
    attempts: Attempts
    upstream: Upstream = field(default_factory=Upstream)
    answer: Answer = field(default_factory=Answer)
    copied: Copied = field(default_factory=Copied)
    sharing: Sharing = field(default_factory=Sharing)
    limits: Limited = field(default_factory=Limited)
    warnings: list[str] = field(default_factory=list)  # for `Helicone-Warning`, beside those about headers; by any hook
    began_at: float = field(default_factory=time.time)  # epoch seconds, as mitmproxy stamps its messages
    refused_as: str | None = None  # the error type of a refusal of ours that no failure stands for; by `overload.py`
    held_bytes: int = 0  # of the request's body, counted in `Calls.held`; by `mitm/stream.py`
    state: CallState = CallState.ARRIVED

    def move_to(self, state: CallState) -> None:
        """A move that `call_life.MOVES` does not have is a bug of ours: it is logged, and the call goes on."""
        if not is_allowed(self.state, state):
            logger.error("heliograph: call %s: from %s to %s %s", self.id, self.state, state, ILLEGAL_MOVE)
        self.state = state

    def consequence_of(self, failure: Failure) -> Consequence:
        return CONSEQUENCES[failure, self.answer.phase]


class Calls:
    """The calls under way."""

    def __init__(self, counts: Counts | None = None) -> None:
        self._counts = counts or Counts()
        self._under_way: dict[str, Call] = {}  # by call id
        self._of_flow: dict[str, Call] = {}  # the call that a flow's HTTP request and answer are
        self.held = HeldBodies()  # of requests
        self.held_answers = HeldBodies()  # that are stored after their end: those of the cache, and what is withheld
        self.slots = Slots()

    def begin(self, call: Call, flow_id: str | None) -> None:
        """Without a flow: a call over a WebSocket."""
        self._under_way[call.id] = call
        self._counts.under_way += 1
        if flow_id is not None:
            self._of_flow[flow_id] = call

    def of(self, flow_id: str) -> Call | None:
        return self._of_flow.get(flow_id)

    def end(self, flow_id: str) -> None:
        if call := self._of_flow.pop(flow_id, None):
            self.end_call(call)

    def end_call(self, call: Call) -> None:
        del self._under_way[call.id]
        self._counts.under_way -= 1
        self.held.give_back(call.held_bytes)
        self.held_answers.give_back(call.copied.held_bytes)
        self.slots.leave(call.id)
        call.move_to(CallState.ENDED)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._under_way.values())

    def __len__(self) -> int:
        return len(self._under_way)
