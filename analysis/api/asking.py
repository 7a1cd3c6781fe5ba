"""Questions to the lake, each in a thread, a few at a time, with bounds on time and memory.

A connection takes memory and a question may take minutes, so a few may run at once; others wait for a place. SQL of callers
has processes of its own (`sql_workers.py`).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio
import anyio.to_thread
import duckdb

from analysis.api.envelope import ApiError
from analysis.lake import Connection, Lake

PLACES: Final = 4  # two cores answer no faster with more
MOST_S: Final = 30.0  # what a script waits for; the reports take a second over ten million rows
WAIT_S: Final = 30.0  # for a place
TICK_S: Final = 0.05
STUCK_S: Final = 10.0  # some functions of DuckDB do not notice an interrupt; after this long the process must end
MEMORY: Final = "512MiB"  # of one question; the reports over ten million rows take less

_NO_THREAD: Final = "can't start new thread"
TOO_MUCH_MEMORY: Final = (
    f"this question needs more memory than it may have ({MEMORY}); ask for less time, fewer rows or fewer columns"
)


class Questions:
    """The places, and an end for what runs when the process ends."""

    def __init__(
        self,
        places: int = PLACES,
        most_s: float = MOST_S,
        wait_s: float = WAIT_S,
        stuck: Callable[[], None] | None = None,
        stuck_s: float = STUCK_S,
    ) -> None:
        """`stuck` is called, in a thread, where a question goes on so long after its interrupt."""
        self._places = anyio.Semaphore(places)
        self._threads = anyio.CapacityLimiter(places)
        self._most_s, self._wait_s = most_s, wait_s
        self._stuck, self._stuck_s = stuck, stuck_s
        self._ending = threading.Event()

    async def ask[T](self, lake: Lake, question: Callable[[Connection], T]) -> T:
        """What `question` answers. Raises ApiError: too long, too much memory, no place."""
        async with Place(self._places, self._wait_s):
            try:
                return await anyio.to_thread.run_sync(self._ask_now, lake, question, limiter=self._threads)
            except RuntimeError as error:
                if _NO_THREAD not in str(error):
                    raise
                raise ApiError(422, TOO_MUCH_MEMORY) from error  # the memory left is not enough for a thread's stack

    def end(self) -> None:
        """Interrupts what runs."""
        self._ending.set()

    def _ask_now[T](self, lake: Lake, question: Callable[[Connection], T]) -> T:
        deadline = time.monotonic() + self._most_s

        def limited(connection: Connection) -> T:
            with self._interrupting(connection, deadline):
                try:
                    return question(connection)
                except duckdb.InterruptException:
                    refusal = self._interrupted()
                except (duckdb.OutOfMemoryException, MemoryError):
                    refusal = ApiError(422, TOO_MUCH_MEMORY)
            raise refusal  # outside of `except`: its context would keep the rows that were too many

        return lake.ask(limited)

    def _interrupted(self) -> ApiError:
        if self._ending.is_set():
            return ApiError(503, "heliograph is ending")
        return took_too_long(self._most_s)

    @contextmanager
    def _interrupting(self, connection: Connection, deadline: float) -> Iterator[None]:
        """Interrupts what runs on the connection after the deadline, until the block is left: statements are several."""
        done = threading.Event()

        def watch() -> None:
            interrupted_at: float | None = None
            while not done.wait(TICK_S):
                now = time.monotonic()
                if self._ending.is_set() or now > deadline:
                    connection.interrupt()
                    interrupted_at = interrupted_at or now
                    if now > interrupted_at + self._stuck_s and self._stuck:
                        self._stuck()

        watcher = threading.Thread(target=watch, name="question-watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()  # a closed connection must not be interrupted


def took_too_long(most_s: float) -> ApiError:
    return ApiError(422, f"this took longer than {most_s:g} s; ask for less time or fewer calls")


class Place:
    """One of the places, for as long as the block runs. Raises ApiError 503 if none is free in time."""

    def __init__(self, places: anyio.Semaphore, wait_s: float) -> None:
        self._places, self._wait_s = places, wait_s

    async def __aenter__(self) -> None:
        with anyio.move_on_after(self._wait_s) as waiting:
            await self._places.acquire()
        if waiting.cancelled_caught:
            raise ApiError(503, "too many questions at once; try again in a while")

    async def __aexit__(self, *_: object) -> None:
        self._places.release()
