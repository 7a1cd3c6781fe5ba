"""Questions to the lake that hold up nobody: in threads, a few at a time, each with an end.

A connection takes memory and a question may take minutes, so there are places for a few; who finds none waits a while.
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
PLACES_FOR_SQL: Final = 2  # of them; a person's SQL may be slow, so it never has all
MOST_S: Final = 30.0  # what a script waits for; the reports take a second over ten million rows
WAIT_S: Final = 30.0  # for a place
TICK_S: Final = 0.05
MEMORY: Final = "20%"  # of the machine's, for each question: all places together take what DuckDB alone would


class Questions:
    """The places, and an end for what runs when the process ends."""

    def __init__(self, places: int = PLACES, most_s: float = MOST_S, wait_s: float = WAIT_S) -> None:
        self._places, self._places_for_sql = anyio.Semaphore(places), anyio.Semaphore(PLACES_FOR_SQL)
        self._threads = anyio.CapacityLimiter(places)
        self._most_s, self._wait_s = most_s, wait_s
        self._ending = threading.Event()

    async def ask[T](self, lake: Lake, question: Callable[[Connection], T]) -> T:
        """What `question` answers. Raises ApiError: too long, too much memory, no place."""
        async with self._place(self._places):
            return await anyio.to_thread.run_sync(self._ask_now, lake, question, limiter=self._threads)

    async def ask_sql[T](self, lake: Lake, question: Callable[[Connection], T]) -> T:
        """The same for a statement that a person wrote."""
        async with self._place(self._places_for_sql):
            return await self.ask(lake, question)

    def end(self) -> None:
        """Breaks off what runs."""
        self._ending.set()

    def _place(self, places: anyio.Semaphore) -> "_Place":
        return _Place(places, self._wait_s)

    def _ask_now[T](self, lake: Lake, question: Callable[[Connection], T]) -> T:
        deadline = time.monotonic() + self._most_s

        def limited(connection: Connection) -> T:
            with self._interrupting(connection, deadline):
                try:
                    return question(connection)
                except duckdb.InterruptException as error:
                    if self._ending.is_set():
                        raise ApiError(503, "heliograph is ending") from error
                    raise ApiError(
                        422, f"this took longer than {self._most_s:g} s; ask for less time or fewer calls"
                    ) from error
                except duckdb.OutOfMemoryException as error:
                    raise ApiError(
                        422, f"this takes more than {MEMORY} of the memory; ask for less time or fewer calls"
                    ) from error

        return lake.ask(limited)

    @contextmanager
    def _interrupting(self, connection: Connection, deadline: float) -> Iterator[None]:
        """Interrupts what runs on the connection after the deadline, until the block is left: statements are several."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(TICK_S):
                if self._ending.is_set() or time.monotonic() > deadline:
                    connection.interrupt()

        watcher = threading.Thread(target=watch, name="question-watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()  # a closed connection must not be interrupted


class _Place:
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
