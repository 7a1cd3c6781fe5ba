"""Parts of pages that were made before, given again as long as nothing changed that they are made of: the files of the data
folder, the settings, the address with its cookies, and the window of time. Held in memory: a restart begins with none."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final

import anyio.to_thread

from analysis.lake import Lake

MOST_BYTES: Final = 16 * 2**20  # some 500 parts of the usual size
LONGEST_BYTES: Final = 2 * 2**20
LISTED_FOR_S: Final = 0.1  # the parts of a page ask within this time; listing the folder takes 5 to 20 ms


class Once:
    """Of equal questions that are asked at the same time, one is answered."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def ask[T](self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` returns or raises. It goes on where its caller leaves: others may wait for it."""
        running: asyncio.Task[T] | None = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.ensure_future(_as_coroutine(make))
            running.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(running)


async def _as_coroutine[T](make: Callable[[], Awaitable[T]]) -> T:
    return await make()


class KeptParts:
    """`clock`: seconds of a clock that never goes back."""

    def __init__(self, lake: Lake, clock: Callable[[], float], most_bytes: int = MOST_BYTES) -> None:
        self._lake, self._clock, self._most_bytes = lake, clock, most_bytes
        self._once = Once()
        self._listed: tuple[float, Hashable] | None = None
        self._made_of: object = None
        self._changes = 0  # of what parts are made of
        self._parts: OrderedDict[Hashable, bytes] = OrderedDict()  # those asked for last are at the end
        self._bytes = 0

    async def get(self, settings: object, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The part under that key. `settings`: another object where they changed. Raises NotOurs, and what `make` does."""
        made_of = await self._files(), settings
        if self._made_of != made_of:
            self._made_of, self._changes, self._bytes = made_of, self._changes + 1, 0
            self._parts.clear()
        if (part := self._parts.get(key)) is not None:
            self._parts.move_to_end(key)
            return part
        asked_after = self._changes
        part = await self._once.ask((asked_after, key), make)
        if self._changes == asked_after and key not in self._parts:
            self._keep(key, part)
        return part

    def _keep(self, key: Hashable, part: bytes) -> None:
        if len(part) > LONGEST_BYTES:
            return
        self._parts[key] = part
        self._bytes += len(part)
        while self._bytes > self._most_bytes:
            _, oldest = self._parts.popitem(last=False)
            self._bytes -= len(oldest)

    async def _files(self) -> Hashable:
        """What the data folder holds. Found anew after a moment, so that a new call is on the next page."""
        if self._listed and self._clock() - self._listed[0] < LISTED_FOR_S:
            return self._listed[1]
        begun = self._clock()
        files = await self._once.ask("files", lambda: anyio.to_thread.run_sync(self._lake.all_files))
        self._listed = begun, files
        return files
