"""What each kind of failure does, before and after the first byte of the answer. One table; nobody else decides.

A failure here is a call that the provider did not finish. An answer with an error status is an answer.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from addon.sending.retry import Failure as AttemptFailure
from addon.storage.journal_lines import OVERLOADED


class Failure(StrEnum):
    """What ended a call early."""

    CALLER = "caller"  # the caller disconnected
    PROVIDER = "provider"  # the provider closed the connection, or sent something that is not HTTP
    TIMEOUT = "timeout"  # one of the call's timeouts passed
    CONNECT = "connect"  # no connection to the provider
    TOO_LARGE = "too_large"  # the request's body is longer than what is held of a call
    OVERLOADED = "overloaded"  # the bodies of all calls together are more than what is held
    STALLED = "stalled"  # the request's body stopped coming
    TOO_SLOW = "too_slow"  # the caller reads the answer of an identical call too slowly
    REFUSED = "refused"  # we refused to connect: a header may not name an address of this machine or network


# After these the target was not asked.
NEVER_SENT: Final = frozenset((Failure.TOO_LARGE, Failure.OVERLOADED, Failure.STALLED, Failure.REFUSED))


class Phase(Enum):
    BEFORE_FIRST_BYTE = "before"  # the caller has not received anything
    AFTER_FIRST_BYTE = "after"  # the status is sent; all that is left is to cut the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What a failure does to the row, to the caller, and to the callers that share the answer."""

    error_type: str  # in the row and in our answer
    row_status: int | None  # None: the status that the provider sent
    answer_status: int | None = None  # of the error answer that we make; None: there is nobody to answer, or it is cut
    explanation: str = ""  # the beginning of that answer's message
    retry_after_s: int | None = None  # what that answer asks the caller to wait
    retry_as: AttemptFailure | None = None  # how the retry rules see it; None: never tried again
    ends_shared_call: bool = True  # False: the answer goes on for the other callers


_BEFORE_FIRST_BYTE: Final[dict[Failure, Consequence]] = {
    Failure.CALLER: Consequence(error_type="client_disconnected", row_status=-3, ends_shared_call=False),
    Failure.PROVIDER: Consequence(
        error_type="upstream_disconnected",
        row_status=-100,
        answer_status=502,
        explanation="{host} closed the connection without an answer",
        retry_as="disconnected",
    ),
    Failure.TIMEOUT: Consequence(
        error_type="upstream_timeout",
        row_status=-2,
        answer_status=504,
        explanation="{host} sent no answer in time",
        retry_as="timeout",
    ),
    Failure.CONNECT: Consequence(
        error_type="connection_failed",
        row_status=-100,
        answer_status=502,
        explanation="heliograph could not connect to {host}:{port}",
        retry_as="connect",
    ),
    Failure.TOO_LARGE: Consequence(
        error_type="request_too_large",
        row_status=413,
        answer_status=413,
        explanation="the request is too large",
    ),
    Failure.OVERLOADED: Consequence(
        error_type=OVERLOADED,
        row_status=503,
        answer_status=503,
        explanation="heliograph holds as many request bodies as it may",
        retry_after_s=2,
    ),
    Failure.STALLED: Consequence(
        error_type="request_timeout",
        row_status=408,
        answer_status=408,
        explanation="the body of the request stopped coming",
    ),
    Failure.TOO_SLOW: Consequence(
        error_type="caller_too_slow",
        row_status=503,
        answer_status=503,
        explanation="an identical call's answer could not be held any longer",
    ),
    Failure.REFUSED: Consequence(
        error_type="target_not_approved",
        row_status=403,
        answer_status=403,
        explanation="heliograph did not connect to {host}:{port}",
    ),
}


def _after_first_byte(failure: Failure, before: Consequence) -> Consequence:
    """An answer that has begun is cut and keeps its status, unless it is the caller that left."""
    return before if failure is Failure.CALLER else Consequence(error_type=before.error_type, row_status=None)


CONSEQUENCES: Final[dict[tuple[Failure, Phase], Consequence]] = {
    (failure, phase): before if phase is Phase.BEFORE_FIRST_BYTE else _after_first_byte(failure, before)
    for failure, before in _BEFORE_FIRST_BYTE.items()
    for phase in Phase
}
