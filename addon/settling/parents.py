"""Calls that continue a response whose call has no row yet: their session is that one's, so its row is made first.

That is so where the earlier call is large, its end may still be amended, or another proxy left it.
"""

from collections.abc import Iterable
from typing import Final

from addon.settling.chains import CHAINED
from addon.settling.journal_reader import OpenCall, Run

PATIENCE_S: Final = 10.0


def may_wait(call: OpenCall, now: float) -> bool:
    """Whether the call's row may still wait for another one. `now`: monotonic."""
    return call.start.operation_name in CHAINED and call.end is not None and now < call.ready_at + PATIENCE_S


def parent_may_come(call: OpenCall, run: Run, runs: Iterable[Run]) -> bool:
    """Whether a call that began earlier is about to have its row, and may be the one that this call of `run` continues."""
    return any(
        (other.dead and not other.read_all and other is not run)
        or any(_may_be_parent(one, call, other) for one in other.calls.values())
        for other in runs
        if not (other.broken or other.stuck)
    )


def _may_be_parent(call: OpenCall, child: OpenCall, run: Run) -> bool:
    return (
        call.start.operation_name in CHAINED
        and call.start.started_at < child.start.started_at
        and (call.end is not None or run.dead)
    )
