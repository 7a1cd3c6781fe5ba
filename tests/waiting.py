"""Waiting for a condition: no test sleeps for a fixed time and hopes."""

import time
from collections.abc import Callable


def wait_for[T](condition: Callable[[], T], timeout_s: float = 60.0, message: str = "it did not happen in time") -> T:
    """What `condition` returns once it is true. Fails the test when time is up: far more than a slow machine needs."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < deadline, message
        time.sleep(0.02)
    return result
