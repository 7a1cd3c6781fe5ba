"""A bound on the CPU that a call may take which is read in the settler itself, at no cost for each call.

A timer of the process ticks for every quarter of a second of CPU. A call that is still being read after several ticks is
interrupted between two steps of Python, or within a regular expression: these look for signals, too.
"""

import signal
from collections.abc import Callable
from typing import Final

TICK_S: Final = 0.25  # of CPU
# The slowest honest call of 256 KiB takes a tenth of it; the first one that is estimated loads a vocabulary as well.
MOST_S: Final = 2.0


class Overtime(BaseException):
    """Not an Exception: readers that look for one must not take it for theirs."""


class Watchdog:
    """Bounds nothing until it is started. Of one process, and used in its main thread."""

    def __init__(self, most_s: float = MOST_S, tick_s: float = TICK_S) -> None:
        self._tick_s, self._most_ticks = tick_s, round(most_s / tick_s)
        self._ticks: int | None = None  # since the present call began; None: none is being read

    def start(self) -> None:
        signal.signal(signal.SIGPROF, lambda *_: self._tick())
        signal.setitimer(signal.ITIMER_PROF, self._tick_s, self._tick_s)

    def stop(self) -> None:
        """Needed before the process ends: without a handler a last tick would kill it."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)

    def bounded[T](self, action: Callable[[], T]) -> T:
        """Raises Overtime."""
        self._ticks = 0
        try:
            return action()
        finally:
            self._ticks = None

    def _tick(self) -> None:
        if self._ticks is not None:
            self._ticks += 1
            if self._ticks >= self._most_ticks:
                raise Overtime  # again at each tick: within a callback of the garbage collector it is lost
