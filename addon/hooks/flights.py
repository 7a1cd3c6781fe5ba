"""Calls under way whose answer may be for more than one caller: identical calls share one upstream call.

The caller that came first leads: its call goes to the provider and is billed. Others follow: they get what has come so
far, then each part as it comes, or the failure if there is one. All of it happens on the event loop.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mitmproxy import http

from addon.caching.policy import CachePolicy
from addon.caching.store import Stored
from addon.hooks.call import Call
from addon.hooks.failures import Failure

if TYPE_CHECKING:
    from addon.mitm.stream import CallStream

_OK: Final = 200
# Of an answer that is too long to be stored, this much is held for callers that read slowly; a caller that is further behind is cut.
LONGEST_LAG: Final = 16 * 2**20  # bytes
_MOST_AT_ONCE: Final = 256 * 2**10  # bytes; the follower's connection takes them before it gets more


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
    left_stream: "CallStream | None" = None  # the leader's, when its caller left and others still wait
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


class Flights:
    """The flights that can be joined, and the moves that keep flight, leader and follower in step."""

    def __init__(self) -> None:
        self._open: dict[str, Flight] = {}  # by key

    def start(self, flight: Flight) -> None:
        flight.call.sharing.leads = flight
        flight.call.connection.leads.append(flight)
        if flight.key:
            self._open.setdefault(flight.key, flight)

    def find(self, key: str) -> Flight | None:
        return self._open.get(key)

    def close(self, flight: Flight) -> None:
        """No further call joins, here or in another process; the followers stay."""
        if flight.call.sharing.claim:
            flight.call.sharing.claim.release()
        if flight.key and self._open.get(flight.key) is flight:
            del self._open[flight.key]

    @staticmethod
    def land(flight: Flight) -> None:
        """It is over. It can still be joined until it is closed: its answer may not be in the store yet."""
        if flight in flight.call.connection.leads:
            flight.call.connection.leads.remove(flight)

    @staticmethod
    def join(flight: Flight, follower: Call) -> None:
        follower.sharing.follows = flight
        flight.followers.add(follower.id)

    @staticmethod
    def leave(follower: Call) -> Flight | None:
        """The flight that was followed."""
        flight = follower.sharing.follows
        if flight:
            flight.followers.discard(follower.id)
        return flight
