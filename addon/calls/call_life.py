"""The life of a call: its states, what moves it from one to the next, and which moves are allowed.

    ARRIVED ──▶ ASKED ──▶ SENDING ◀──▶ DECIDING         retries and fallbacks go round here
                  │  │       │            │
                  │  └──▶ FOLLOWING       │             the answer of an identical call, while it comes
                  │          │            │
                  ├──────────┴──▶ ANSWERING ──▶ FINISHED ──▶ ENDED
                  │                                           ▲
                  └─ (no first byte) ──▶ FAILED ──────────────┘

Every state may go to ENDED: a caller may leave at any moment. A body that is too large leads from ARRIVED to FAILED. A hit and a refusal go from ASKED to ANSWERING. docs/architecture.md
has the same as a table.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class CallState(StrEnum):
    """In brackets: what moves a call there."""

    ARRIVED = "arrived"  # its headers are in and it has a route (hooks/route.py)
    ASKED = "asked"  # its body is in, and in the journal (hooks/capture.py)
    SENDING = "sending"  # an attempt is under way: connecting, or waiting for the answer's head (mitm/stream.py)
    DECIDING = "deciding"  # an attempt failed and the caller does not know; is there another? (mitm/stream.py)
    FOLLOWING = "following"  # no attempt of its own: the answer comes from an identical call (mitm/stream.py)
    FAILED = "failed"  # no first byte, and no attempt is left: the caller gets an error answer (mitm/stream.py)
    ANSWERING = "answering"  # the answer's head is in and goes to the caller (hooks/capture.py)
    FINISHED = "finished"  # the answer's last byte or its terminal event went by (hooks/capture.py)
    ENDED = "ended"  # over, however it went; its last line is in the journal (hooks/call_end.py)


MOVES: Final[Mapping[CallState, frozenset[CallState]]] = {
    CallState.ARRIVED: frozenset({CallState.ASKED, CallState.FAILED, CallState.ENDED}),
    CallState.ASKED: frozenset({CallState.SENDING, CallState.FOLLOWING, CallState.ANSWERING, CallState.ENDED}),
    CallState.SENDING: frozenset({CallState.DECIDING, CallState.ANSWERING, CallState.FAILED, CallState.ENDED}),
    CallState.DECIDING: frozenset({CallState.SENDING, CallState.ANSWERING, CallState.FAILED, CallState.ENDED}),
    CallState.FOLLOWING: frozenset({CallState.ANSWERING, CallState.FAILED, CallState.ENDED}),
    CallState.FAILED: frozenset({CallState.ENDED}),
    CallState.ANSWERING: frozenset({CallState.FINISHED, CallState.ENDED}),
    CallState.FINISHED: frozenset({CallState.ENDED}),
    CallState.ENDED: frozenset(),
}

# The tests' proxy fixture looks for these words in the proxy's messages.
ILLEGAL_MOVE: Final = "is not a move that a call makes"


def is_allowed(before: CallState, after: CallState) -> bool:
    return after in MOVES[before]
