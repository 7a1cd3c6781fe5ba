"""A bound on the calls that are under way at once in one process, and the line of those that wait for a slot: first come, first
served.

Without it many slow answers together could take all memory and descriptors. A call holds its slot from before it is counted
by any limit until it is over, however it ends.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """The section [overload]."""

    # A call under way takes about 70 KB of memory and two descriptors (docs/performance.md, "Many at once"): 0.3 GB, and
    # half of the 20,000 descriptors that a process often has.
    max_calls: int = 4000
    max_waiting: int = 1000
    wait_s: float = 5.0  # an SDK tries a 503 again by itself; a longer wait looks like a slow provider

    def shared_out(self, workers: int) -> "Overload":
        """What each of so many processes on the same port takes on: together they take on all of it, or up to one call more for
        each of them where it cannot be divided evenly."""
        return replace(
            self, max_calls=_divided_up(self.max_calls, workers), max_waiting=_divided_up(self.max_waiting, workers)
        )


def _divided_up(number: int, workers: int) -> int:
    return -(-number // workers)


class Slots:
    """Which calls have a slot and which wait, by call id."""

    def __init__(self, bound: Overload = Overload()) -> None:
        self.bound = bound
        self._holders: set[str] = set()
        self._line: OrderedDict[str, asyncio.Future[None]] = OrderedDict()

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def taken(self) -> int:
        return len(self._holders)

    def has(self, call_id: str) -> bool:
        return call_id in self._holders

    def take(self, call_id: str) -> bool:
        """Whether there was a slot that nobody waits for; the call has it then."""
        if self._line or len(self._holders) >= self.bound.max_calls:
            return False
        self._holders.add(call_id)
        return True

    def take_anyway(self, call_id: str) -> None:
        """For a call that cannot be refused any more: later ones wait for it."""
        self._holders.add(call_id)

    def line_up(self, call_id: str) -> "asyncio.Future[None] | None":
        """Done when the call has its slot. None: the line is full."""
        if len(self._line) >= self.bound.max_waiting:
            return None
        turn = self._line[call_id] = asyncio.get_running_loop().create_future()
        return turn

    def leave(self, call_id: str) -> None:
        """The call is over, or waits no longer. A call that has no slot and does not wait changes nothing."""
        self._line.pop(call_id, None)
        self._holders.discard(call_id)
        self._call_next()

    def use(self, bound: Overload) -> None:
        """From now on. Calls that are beyond a smaller bound end in their own time."""
        self.bound = bound
        self._call_next()

    def _call_next(self) -> None:
        while self._line and len(self._holders) < self.bound.max_calls:
            call_id, turn = self._line.popitem(last=False)
            self._holders.add(call_id)
            if not turn.done():
                turn.set_result(None)
