"""One call of the program, and the flight: the call's answer while it is kept, for the cache and for identical calls at the same time.

The two know each other: a call knows the flight that it leads or follows, and a flight the call that leads it. What else is known
of a call is in `parts.py`, its states are in `call_life.py`.

A call has its own id and is not the same as a mitmproxy flow: one HTTP exchange is one call, a WebSocket is one flow with a
call for each response on it (`hooks/websocket.py`). `Calls` is where the two meet.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from mitmproxy import http

from addon.caching.claims import Claim
from addon.caching.policy import CachePolicy
from addon.caching.store import Stored
from addon.calls.call_life import ILLEGAL_MOVE, CallState, is_allowed
from addon.calls.connection import ClientConnection
from addon.calls.failures import CONSEQUENCES, Consequence, Failure
from addon.calls.parts import Answer, Asked, Attempts, Copied, Limited, Reference, Upstream
from addon.limits.held_bodies import HeldBodies
from addon.limits.slots import Slots
from addon.recordings.model import RecordedCall
from addon.storage.counts import Counts

logger = logging.getLogger(__name__)

_OK: Final = 200
# Of an answer that is too long to be stored, this much is held for callers that read slowly; a caller that is further behind is cut.
LONGEST_LAG: Final = 16 * 2**20  # bytes
_MOST_AT_ONCE: Final = 256 * 2**10  # bytes; the follower's connection takes them before it gets more


@dataclass(slots=True)
class Sharing:
    """The cache, identical calls at the same time, and recordings. Written by `cache.py`, `cache_store.py`, `coalesce.py` and
    `replay.py` of `hooks/`."""

    cache_keys: tuple[str, ...] = ()  # one for each slot of its bucket; none: the cache is off
    status: str | None = None  # hit | miss | coalesced | unavailable; None: the cache was not asked
    reference: Reference | None = None  # whose answer is given again, instead of asking the provider
    leads: "Flight | None" = None  # its answer is kept, for the cache and for the calls that follow it
    follows: "Flight | None" = None  # the identical call whose answer this one gets
    claim: Claim | None = None  # identical calls of other processes wait for this one's answer
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


class FlightFailed(Exception):
    """The shared upstream call failed."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure, self.message = failure, message


@dataclass(slots=True, kw_only=True, eq=False)
class Flight:
    """One upstream call whose answer is kept. `pieces` are those of the answer so far, as they came; followers share
    them."""

    call: Call  # the leader's
    key: str | None  # what makes calls identical; None: no call can join
    policy: CachePolicy
    request: bytes = field(default=b"", repr=False)  # the leader's body as it came
    head: http.Response | None = None  # of the answer, without what is for the leader alone
    pieces: list[bytes] = field(default_factory=list)
    kept_bytes: int = 0  # of `pieces`
    dropped: int = 0  # pieces before those, which are no longer held
    ended_at: float | None = None  # epoch seconds; the answer is whole
    failure: FlightFailed | None = None
    followers: set[str] = field(default_factory=set)  # by call id
    end_early: Callable[[], Awaitable[object]] | None = None  # set when the leader's caller left and others still wait
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_whole(self) -> bool:
        return self.ended_at is not None

    @property
    def is_over(self) -> bool:
        return self.is_whole or self.failure is not None

    @property
    def is_storable(self) -> bool:
        """A fallback's answer is not stored: when the target that was asked first is back, it is to be asked again."""
        status = self.head.status_code if self.head else None
        return status == _OK and not self.call.copied.response_truncated and not self.call.attempts.has_moved_on

    def begin(self, head: http.Response) -> None:
        self.head = head
        self._tell()

    def add(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.kept_bytes += len(piece)
        if self.call.copied.response_truncated:  # it will not be stored: only followers need it
            self._drop_oldest()
        self._tell()

    def _drop_oldest(self) -> None:
        count = 0
        while self.kept_bytes > LONGEST_LAG and count < len(self.pieces) - 1:
            self.kept_bytes -= len(self.pieces[count])
            count += 1
        del self.pieces[:count]
        self.dropped += count

    def finish(self, now: float) -> None:
        self.ended_at = now
        self._tell()

    def fail(self, failure: Failure, message: str) -> None:
        if not self.is_over:
            self.failure = FlightFailed(failure, message)
            self._tell()

    async def parts(self) -> AsyncIterator[http.Response | bytes]:
        """The head, then what came since the last look, until the answer is whole. Raises FlightFailed."""
        while self.head is None and not self.is_over:
            await self._news.wait()
        if self.head:
            yield self.head
        given = 0  # pieces, the dropped ones included
        while True:
            if given < self.dropped:
                raise FlightFailed(Failure.TOO_SLOW, f"the caller is more than {LONGEST_LAG} bytes behind")
            if given < self.dropped + len(self.pieces):
                fresh = self._next(given - self.dropped)
                given += len(fresh)
                yield b"".join(fresh)
            elif self.failure:
                raise self.failure
            elif self.is_whole:
                return
            else:
                await self._news.wait()

    def _next(self, at: int) -> list[bytes]:
        """Some pieces: as many as one write may have."""
        end, size = at, 0
        while end < len(self.pieces) and (end == at or size + len(self.pieces[end]) <= _MOST_AT_ONCE):
            size += len(self.pieces[end])
            end += 1
        return self.pieces[at:end]

    async def over(self) -> None:
        while not self.is_over:
            await self._news.wait()

    def stored(self, model: str | None = None) -> Stored:
        """The whole answer as the cache stores it."""
        assert self.head and self.ended_at is not None
        start = self.call.asked.start
        return Stored(
            status=self.head.status_code,
            headers=self.head.headers.fields,
            chunks=tuple(self.pieces),
            latency_ms=max(0, round((self.ended_at - self.call.began_at) * 1000)),
            request_id=start.request_id,
            started_at_us=start.started_at_us,
            model=model,
        )

    def _tell(self) -> None:
        """Wakes the current waiters. Later waiters wait for the next change."""
        news, self._news = self._news, asyncio.Event()
        news.set()


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
