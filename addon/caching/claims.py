"""Identical calls of different processes: one process makes the answer, the others wait until it is stored.

The process that makes it holds a claim on the cache key. A claim is a lease, renewed until the call is over: where its
process dies, the others wait no longer than what is left of the lease. Within a process identical calls share a flight
(`calls/flights.py`), so at most one of them waits here; the others wait for it.

The store is polled with growing pauses. A message from the store to the waiting processes would be faster by a tenth of a
second at most, could be lost with a connection, and is nothing that SQLite has.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from addon.caching.store import AnswerStore, Claimed, Hit
from addon.ids import uuid7

LEASE_S: Final = 5.0
RENEW_EVERY_S: Final = 1.5  # two renewals may fail, or the event loop may be late
# Most answers are complete by then. A caller that has waited this long gets an upstream call of its own.
LONGEST_WAIT_S: Final = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S, PAUSE_GROWTH = 0.01, 0.2, 1.5


@dataclass(slots=True, eq=False)
class Claim:
    """The right of one call to make the answer under a key."""

    key: str
    _claims: "Claims" = field(repr=False)
    _renewal: asyncio.Task[None] | None = field(default=None, repr=False)

    def keep(self) -> None:
        """Renews the lease until `release`. Without it the claim ends with its first lease."""
        self._renewal = self._renewal or asyncio.get_running_loop().create_task(self._claims.renew(self.key))

    def release(self) -> None:
        """May be repeated. The store is told in a task of its own."""
        if self._renewal:
            self._renewal.cancel()
        self._claims.give_up(self)


class Claims:
    """The claims of this process, and its waits for answers that other processes make."""

    def __init__(
        self,
        store: AnswerStore,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store, self._now, self._sleep = store, now, sleep
        self.holder = uuid7()
        self._held: dict[str, Claim] = {}
        self._waits: dict[str, asyncio.Task[Hit | None]] = {}
        self._releases: set[asyncio.Task[None]] = set()

    async def look_up(self, key: str) -> Hit | Claim | Literal[Claimed.THEIRS] | None:
        """The stored answer, or the claim to make it: one question to the store. THEIRS: another process makes it. None: a call of
        this process has the claim."""
        if key in self._held:
            return await self._stored(key)
        found = await self._store.get_or_claim(key, self.holder, LEASE_S, self._now())
        if found is Claimed.OURS:
            claim = Claim(key, self)
            return claim if self._held.setdefault(key, claim) is claim else None
        return found

    async def wait(self, key: str) -> Hit | None:
        """The answer that another process makes. None: the call goes on without a claim, because it has waited in vain."""
        if key not in self._waits:
            wait = self._waits[key] = asyncio.get_running_loop().create_task(self._wait(key))
            wait.add_done_callback(lambda _: self._waits.pop(key, None))
        return await asyncio.shield(self._waits[key])

    async def _wait(self, key: str) -> Hit | None:
        """The answer; None where the claim ends without one, or takes too long: then every process goes on by itself, since
        calls whose answers cannot be stored must not queue up behind each other."""
        pause_s, waited_s, is_claimed = FIRST_PAUSE_S, 0.0, True
        while is_claimed and waited_s < LONGEST_WAIT_S:
            await self._sleep(pause_s)
            waited_s += pause_s
            pause_s = min(pause_s * PAUSE_GROWTH, LONGEST_PAUSE_S)
            is_claimed = await self._store.is_claimed(key, self._now())
            if hit := await self._stored(key):  # asked second: an answer is stored before its claim is released
                return hit
        return None

    async def _stored(self, key: str) -> Hit | None:
        return await self._store.get((key,), self._now(), lambda _: 0)

    async def renew(self, key: str) -> None:
        while True:
            await self._sleep(RENEW_EVERY_S)
            await self._store.claim(key, self.holder, LEASE_S, self._now())

    def give_up(self, claim: Claim) -> None:
        if self._held.get(claim.key) is claim:
            del self._held[claim.key]
            release = asyncio.get_running_loop().create_task(self._store.release(claim.key, self.holder))
            self._releases.add(release)
            release.add_done_callback(self._releases.discard)
