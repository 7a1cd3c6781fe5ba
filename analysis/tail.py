"""Calls as they finish: the last ones first, then each new one once."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from analysis.lake import Connection, Lake
from analysis.render import cell, printable
from analysis.report import NO_LIMIT, load
from analysis.table import Table, fetch
from analysis.window import EVER

POLL_S: Final = 0.5

# A call is seen a second after its end; only after a crash does it come later than this, and is then in the reports only.
_LATE: Final = timedelta(minutes=10)
_LONGEST_CALL: Final = timedelta(hours=6)

type Call = dict[str, Any]  # the columns of sql/tail.sql


class Tail:
    """Remembers which calls were given out."""

    def __init__(self, data: Path, warn: Callable[[str], None]) -> None:
        self.lake = Lake(data, warn)
        self._given: set[tuple[str, datetime]] = set()  # request ids may repeat
        self._fingerprint: frozenset[tuple[str, int]] = frozenset()

    def last(self, limit: int) -> list[Call]:
        """The last `limit` calls, oldest first."""
        self._fingerprint = self.lake.fingerprint()  # before the query: what comes in between is looked at again

        def question(connection: Connection) -> tuple[Table, Table]:
            last = {"after": EVER.since, "started_after": EVER.since, "limit": limit}
            return fetch(connection, load("tail").sql, last), _recent(connection)

        last, recent = self.lake.ask(question)
        self._given = {_key(call) for call in recent.records()}
        return list(last.records())[::-1]

    def new(self) -> list[Call]:
        """Calls that ended since the last question, oldest first."""
        fingerprint = self.lake.fingerprint()
        if fingerprint == self._fingerprint:
            return []
        self._fingerprint = fingerprint
        calls = list(self.lake.ask(_recent).records())
        fresh = [call for call in reversed(calls) if _key(call) not in self._given]
        self._given = {_key(call) for call in calls}
        return fresh

    def follow(self) -> Iterator[Call]:
        """New calls, without an end."""
        while True:
            yield from self.new()
            time.sleep(POLL_S)


def line(call: Call) -> str:
    """One call on one line: when it ended (UTC), provider, outcome, duration, tokens in and out, cost, user."""
    outcome = f"{call['status'] if call['status'] is not None else '-'}"
    if call["error_type"]:
        outcome += f" {printable(call['error_type'])}"
    duration = "-" if call["duration_ms"] is None else f"{call['duration_ms'] / 1000:,.2f}s"
    tokens = f"{cell('', call['input_tokens'])} > {cell('', call['output_tokens'])}"
    whom = " ".join(printable(name) for name in (call["user_id"], call["session_id"]) if name)
    return (  # 80 characters up to the status; 26 hold claude-sonnet-4-5-20250929
        f"{call['ended_at']:%H:%M:%S} {printable(call['provider_name']):<9} {printable(call['model'] or '-'):<26}"
        f" {duration:>6} {tokens:>13} {cell('cost_usd', call['cost_usd']):>9} {outcome:<3} {whom}"
    ).rstrip()


def _recent(connection: Connection) -> Table:
    after = datetime.now(UTC) - _LATE
    return fetch(
        connection, load("tail").sql, {"after": after, "started_after": after - _LONGEST_CALL, "limit": NO_LIMIT}
    )


def _key(call: Call) -> tuple[str, datetime]:
    return call["request_id"], call["started_at"]
