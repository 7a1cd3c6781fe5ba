"""A proxy's way to the shared Redis: bounded, and not asked again while it is down.

A call never waits for a connection to be made, and waits `timeout_s` at most. After a failure all calls go on at once,
until a task beside them has reached the server again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from addon.storage.lua import Script
from addon.storage.redis_clients import CONNECT_S, CONNECTIONS, Place, open_async, place_of, servers_of, unfit, why

if TYPE_CHECKING:
    from addon.storage.redis_clients import AsyncClient

RETRY_EVERY_S: Final = 1.0
FIRST_S: Final = 1.0  # the first calls of a proxy wait so long for its first connection, unless that fails sooner
_TELL_EVERY_S: Final = 60.0


class LinkDown(Exception):
    """The server was not reached, or did not do what it was asked. The message is for a person."""


class Link:
    """Its methods belong to one event loop."""

    def __init__(self, url: str, timeout_s: float, on_trouble: Callable[[str], None] = lambda _: None) -> None:
        """`on_trouble` is called at most once a minute. Raises RedisMissing, ValueError."""
        self.place: Place = place_of(url)
        self.timeout_s = timeout_s
        self.is_up = False
        self.failures = 0  # questions without an answer, and connections that were not made
        self._client: AsyncClient = open_async(url)
        self._on_trouble = on_trouble
        self._tell_again_at = 0.0
        self._reason = f"Redis at {self.place.shown} is not connected yet"
        self._connecting: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()  # the first connection was made, or was not

    async def ask[T](self, question: "Callable[[AsyncClient], Awaitable[T]]") -> T:
        """Raises LinkDown."""
        if not self.is_up:
            await self._first_connection()
        if not self.is_up:
            raise LinkDown(self._reason)
        import redis.exceptions as errors

        try:
            async with asyncio.timeout(self.timeout_s):
                return await question(self._client)
        except (errors.ConnectionError, errors.TimeoutError, OSError) as error:
            self._go_down(error)
            raise LinkDown(self._reason) from error
        except errors.RedisError as error:
            # An answer: full, read-only, not allowed. It came at once, so calls go on asking.
            reason = why(error, self.place, self.timeout_s)
            self._tell(reason)
            raise LinkDown(reason) from error

    async def run(self, script: Script, key: str, values: Sequence[Any]) -> Any:
        """Raises LinkDown."""
        return await self.ask(lambda client: script.run(client, key, values))

    async def _first_connection(self) -> None:
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), max(FIRST_S, self.timeout_s))

    async def _connect(self) -> None:
        """Until the server answers on all connections."""
        import redis.exceptions as errors

        while not self.is_up:
            try:
                async with asyncio.timeout(CONNECT_S):
                    info = await self._client.info("server")
                    await asyncio.gather(*(self._client.ping() for _ in range(CONNECTIONS)))
                if problems := unfit(servers_of(info)):
                    raise errors.RedisError(problems[0])
                self.is_up = True
                self._connecting = None
                return
            except Exception as error:  # what nobody expects ends no task here either: it would never be tried again
                self.failures += 1
                self._reason = why(error, self.place, CONNECT_S)
                self._tell(self._reason)
            finally:
                self._tried.set()
            await asyncio.sleep(RETRY_EVERY_S)

    def _go_down(self, error: Exception) -> None:
        self.failures += 1
        self._reason = why(error, self.place, self.timeout_s)
        if self.is_up:
            self.is_up = False
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        self._tell(self._reason)

    def _tell(self, reason: str) -> None:
        if (now := time.monotonic()) >= self._tell_again_at:
            self._tell_again_at = now + _TELL_EVERY_S
            self._on_trouble(f"{reason}; calls go on without it")

    async def close(self) -> None:
        if self._connecting:
            self._connecting.cancel()
        self.is_up = False
        await self._client.aclose()
