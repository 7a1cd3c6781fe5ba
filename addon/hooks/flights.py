"""Calls under way whose answer may be for more than one caller: identical calls share one upstream call.

The caller who came first leads: its call goes to the provider and is billed. Others follow: they get what has come so
far, then each part as it comes, and the failure if there is one. All of it happens on the event loop.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from mitmproxy import http

from addon.hooks.call import Call
from addon.hooks.marks import SHARED


class FlightFailed(Exception):
    """The shared upstream call failed. `broken_by` as in the flow's metadata (`marks.BROKEN_BY`)."""

    def __init__(self, broken_by: str, message: str) -> None:
        super().__init__(message)
        self.broken_by, self.message = broken_by, message


@dataclass(slots=True, eq=False)
class Flight:
    """One upstream call. `pieces` are those of the answer so far, as they came, without a copy for each who listens."""

    leader: http.HTTPFlow
    call: Call  # the leader's
    key: str | None  # what makes calls identical; None: nobody can join
    head: http.Response | None = None  # the answer's, without what is for the leader alone
    pieces: list[bytes] = field(default_factory=list)
    is_whole: bool = False
    failure: FlightFailed | None = None
    followers: set[str] = field(default_factory=set)  # by flow id
    left_stream: Any = None  # the leader's, where its caller went away and others still wait
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_over(self) -> bool:
        return self.is_whole or self.failure is not None

    def begin(self, head: http.Response) -> None:
        self.head = head
        self._tell()

    def add(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self._tell()

    def finish(self) -> None:
        self.is_whole = True
        self._tell()

    def fail(self, broken_by: str, message: str) -> None:
        if not self.is_over:
            self.failure = FlightFailed(broken_by, message)
            self._tell()

    async def parts(self) -> AsyncIterator[http.Response | bytes]:
        """The head, then what came since the last look, until the answer is whole. Raises FlightFailed."""
        while self.head is None and not self.is_over:
            await self._news.wait()
        if self.head:
            yield self.head
        given = 0
        while True:
            if given < len(self.pieces):
                fresh = b"".join(self.pieces[given:])
                given = len(self.pieces)
                yield fresh
            elif self.failure:
                raise self.failure
            elif self.is_whole:
                return
            else:
                await self._news.wait()

    async def over(self) -> None:
        while not self.is_over:
            await self._news.wait()

    def _tell(self) -> None:
        """Wakes who waits now; whoever comes later waits for the next news."""
        news, self._news = self._news, asyncio.Event()
        news.set()


@dataclass(slots=True)
class Flights:
    """Those under way, and who follows them."""

    _open: dict[str, Flight] = field(default_factory=dict)  # that can be joined, by key
    _led: dict[str, list[Flight]] = field(default_factory=dict)  # under way, by the leader's connection id
    _followed: dict[str, Flight] = field(default_factory=dict)  # by the follower's flow id

    def start(self, flight: Flight) -> None:
        self._led.setdefault(flight.leader.client_conn.id, []).append(flight)
        if flight.key:
            self._open.setdefault(flight.key, flight)

    def close(self, flight: Flight) -> None:
        """Nobody joins any more; who follows stays."""
        if flight.key and self._open.get(flight.key) is flight:
            del self._open[flight.key]

    def land(self, flight: Flight) -> None:
        """It is over. It can still be joined until it is closed: what it brought may not be in the store yet."""
        led = self._led.get(flight.leader.client_conn.id, [])
        if flight in led:
            led.remove(flight)
        if not led:
            self._led.pop(flight.leader.client_conn.id, None)

    def led_by(self, client_id: str) -> list[Flight]:
        return list(self._led.get(client_id, ()))

    def join(self, key: str, follower: str) -> Flight | None:
        if flight := self._open.get(key):
            self._followed[follower] = flight
            flight.followers.add(follower)
            flight.leader.metadata[SHARED] = True
        return flight

    def followed_by(self, follower: str) -> Flight | None:
        return self._followed.get(follower)

    def leave(self, follower: str) -> Flight | None:
        """The flight that was followed."""
        if flight := self._followed.pop(follower, None):
            flight.followers.discard(follower)
            flight.leader.metadata[SHARED] = bool(flight.followers)
        return flight
