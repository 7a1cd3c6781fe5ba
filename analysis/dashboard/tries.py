"""How often a person may try to sign in with a wrong key. The clock is passed in."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

MOST_TRIES: Final = 10  # keys have 144 random bits: this is for the noise, not against guessing
WITHIN_S: Final = 60.0


class Tries:
    """Of all callers together: behind the proxy they cannot be told apart."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: deque[float] = deque(maxlen=MOST_TRIES)

    def wait_s(self) -> float:
        """Seconds until the next try is allowed; 0: now."""
        if len(self._failed) < MOST_TRIES:
            return 0.0
        return max(0.0, self._failed[0] + WITHIN_S - self._clock())

    def failed(self) -> None:
        self._failed.append(self._clock())
