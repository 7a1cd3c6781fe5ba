"""A thread beside the settler's loop that does something now and then: one pass at a time, and a last one when the proxy ends.

A store, a catalog or a Redis may be slow or away: rows do not wait for them.
"""

import threading
import time
from collections.abc import Callable


class Beside:
    """`run` is a pass; it is told whether it is the last one, and returns seconds until the next one is due."""

    def __init__(self, name: str, run: Callable[[bool], float], first_s: float) -> None:
        self._name, self._run = name, run
        self._next_at = time.monotonic() + first_s
        self._thread: threading.Thread | None = None

    def start_if_due(self) -> None:
        if time.monotonic() >= self._next_at and not self.is_running():
            self._start(is_last=False)

    def finish(self, wait_s: float, is_wanted: Callable[[], bool] = lambda: True) -> bool:
        """A last pass, if it is still wanted after the one under way. Whether all has ended within `wait_s`."""
        deadline = time.monotonic() + wait_s
        if self._thread:
            self._thread.join(wait_s)
        if not self.is_running() and is_wanted():
            self._start(is_last=True)
        if self._thread:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self.is_running()

    def is_running(self) -> bool:
        return bool(self._thread and self._thread.is_alive())

    def _start(self, *, is_last: bool) -> None:
        # A daemon: a request that hangs does not keep the process, and the next one goes on wherever this one ends.
        self._thread = threading.Thread(target=self._pass, args=(is_last,), name=self._name, daemon=True)
        self._thread.start()

    def _pass(self, is_last: bool) -> None:
        self._next_at = time.monotonic() + self._run(is_last)
