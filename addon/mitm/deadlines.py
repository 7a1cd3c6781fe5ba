"""Timeouts of calls: first byte, between pieces, in all.

mitmproxy's own timers cost a task for each call and outlive it; one look over all waiting streams every quarter of a
second costs nothing.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from addon.sending.timeouts import Timeouts

LOOK_EVERY_S: Final = 0.25


@dataclass(slots=True)
class Deadline:
    """Of one attempt. Times are on the monotonic clock."""

    sent_at: float = 0.0
    heard_at: float = 0.0  # when the last part of the answer came

    def restart(self, now: float) -> None:
        self.sent_at = self.heard_at = now

    def ends(self, timeouts: Timeouts, waits_for_first_byte: bool) -> tuple[float, str]:
        """When the next timeout passes, and the message that says which one."""
        if waits_for_first_byte:
            missing, allowed_s = "first byte", timeouts.first_byte_s
        else:
            missing, allowed_s = "next piece", timeouts.idle_s
        moment = self.heard_at + allowed_s
        if self.sent_at + timeouts.total_s < moment:
            missing, allowed_s, moment = "whole answer", timeouts.total_s, self.sent_at + timeouts.total_s
        return moment, f"no {missing} within {allowed_s:g} s"


# The least that must come of a body within `[timeouts] head_s`: any network is faster.
LEAST_UPLOAD_BYTES: Final = 16 * 2**10


@dataclass(slots=True)
class Upload:
    """How a request's body comes. Times are on the monotonic clock."""

    marked_at: float = 0.0
    marked_bytes: int = 0

    def has(self, size: int, now: float) -> None:
        if size >= self.marked_bytes + LEAST_UPLOAD_BYTES:
            self.marked_at, self.marked_bytes = now, size

    def ends(self, allowed_s: float) -> tuple[float, str]:
        """When it counts as stalled, and the message."""
        return self.marked_at + allowed_s, f"less than {LEAST_UPLOAD_BYTES} bytes of it came within {allowed_s:g} s"


class Waiting(Protocol):
    def deadline_ends(self) -> tuple[float, str]: ...


class Deadlines[T: Waiting]:
    """The streams that wait for a provider."""

    def __init__(self) -> None:
        self._waiting: set[T] = set()

    def watch(self, stream: T) -> None:
        self._waiting.add(stream)

    def forget(self, stream: T) -> None:
        self._waiting.discard(stream)

    def __contains__(self, stream: T) -> bool:
        return stream in self._waiting

    def passed(self, now: float | None = None) -> Iterable[T]:
        now = time.monotonic() if now is None else now
        return [stream for stream in self._waiting if stream.deadline_ends()[0] <= now]
