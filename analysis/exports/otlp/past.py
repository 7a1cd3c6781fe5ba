"""Sends spans of stored calls, oldest first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from itertools import batched
from typing import Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from addon.redaction.redactor import Redactor
from analysis.exports.otlp.read import Key, spans_of
from analysis.exports.otlp.sending import Endpoint, Outcome
from analysis.lake import Connection, Lake
from analysis.reports.scope import Scope, open_scope

AT_ONCE: Final = 500  # calls
AT_ONCE_WITH_BODIES: Final = 20
TRIES: Final = 6
_KEYS: Final = """select request_id, epoch_us(started_at) from calls where date = $day
    and not (mode = 'async' and coalesce(properties['service.name'], '') = 'heliograph')
    order by started_at, request_id"""


@dataclass(slots=True)
class Progress:
    """`sent`: calls. `refused`: of those, how many were in requests that the endpoint did not take whole, and why."""

    sent: int = 0
    refused: int = 0
    why: str | None = None


class Away(Exception):
    """The endpoint does not answer. `at`: the start of the first call that was not sent."""

    def __init__(self, error: str, at: datetime) -> None:
        super().__init__(error)
        self.at = at


def send_past(
    lake: Lake,
    scope: Scope,
    dates: Sequence[date],
    endpoint: Endpoint,
    *,
    bodies: bool,
    redactor: Redactor | None,
    progress: Progress,
    advance: Callable[[int], None],
    wait: Callable[[float], None],
) -> None:
    """Raises Away after TRIES tries of one request. `wait`: of seconds."""
    for day in dates:
        keys = lake.ask(partial(_keys, scope=scope, day=day))
        for some in batched(keys, AT_ONCE_WITH_BODIES if bodies else AT_ONCE):
            spans = lake.ask(partial(spans_of, calls=some, bodies=bodies, redactor=redactor))
            outcome = _send(spans, endpoint, wait, some[0])
            progress.sent += len(some)
            if outcome.error:
                progress.refused += len(some)
                progress.why = outcome.error
            advance(len(some))


def _send(spans: Sequence[Span], endpoint: Endpoint, wait: Callable[[float], None], first: Key) -> Outcome:
    for attempt in range(TRIES):
        outcome = endpoint.send(spans)
        if not outcome.try_again:
            return outcome
        if attempt + 1 < TRIES:
            wait(outcome.wait_s or 2.0**attempt)
    raise Away(outcome.error or "", datetime.fromtimestamp(first[1] / 1e6, UTC))


def _keys(connection: Connection, scope: Scope, day: date) -> list[Key]:
    open_scope(connection, scope)
    return connection.execute(_KEYS, {"day": day}).fetchall()
