"""What the settler says on stderr."""

import contextlib
import sys
from collections.abc import Callable
from typing import Final

REPEAT_AFTER_S: Final = 60.0


def say(message: str) -> None:
    """A line on stderr. The reader of stderr may have ended with the proxy; the rows must be written nevertheless."""
    with contextlib.suppress(OSError):
        print(f"heliograph settle: {message}", file=sys.stderr, flush=True)


class Messages:
    """Says each message at most once a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}  # message, or what it is about -> when it was said

    def __call__(self, message: str, about: str | None = None) -> None:
        """`about`: messages with the same one count as the same message."""
        now = self._clock()
        self._said = {key: at for key, at in self._said.items() if now - at < REPEAT_AFTER_S}
        if self._said.setdefault(about or message, now) == now:
            say(message)
