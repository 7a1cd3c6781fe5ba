"""Calls that ended since the last look, as deliveries of a queue: of webhooks, and of spans."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from analysis.lake import Lake
from analysis.table import fetch
from analysis.webhooks.queue import Queue

LATE: Final = timedelta(minutes=10)  # a row may come so long after its call's end, when a crash came between
LONGEST_CALL: Final = timedelta(hours=6)
LONGEST_GAP: Final = timedelta(days=1)  # of calls that ended while nobody looked, the rest is too old to be news
_SQL: Final = Path(__file__).with_name("new.sql").read_text(encoding="utf-8")


class FinishedCalls:
    """Looks only where files with calls were added or have grown."""

    def __init__(self, lake: Lake, queue: Queue) -> None:
        self._lake, self._queue = lake, queue
        self._fingerprint: frozenset[tuple[str, int]] | None = None

    def take_in(self, now: float, receivers: Callable[[Mapping[str, Any]], Iterable[str]]) -> bool:
        """Puts what is new into the queue; False: the lake is as it was. `now`: epoch seconds; `receivers`: the URLs that
        are told of a call of new.sql. Raises duckdb.Error, sqlite3.Error, OSError."""
        fingerprint = self._lake.fingerprint()
        if fingerprint == self._fingerprint:
            return False
        moment = datetime.fromtimestamp(now, UTC)
        began, upto = (datetime.fromtimestamp(each / 1e6, UTC) for each in self._queue.looked_us(now))
        since = max(began, upto - LATE, moment - LONGEST_GAP)
        bounds = {"since": since, "started_since": since - LONGEST_CALL}
        found = list(self._lake.ask(lambda connection: fetch(connection, _SQL, bounds)).records())
        self._queue.take_in(
            [(url, call["request_id"], call["started_at_us"]) for call in found for url in receivers(call)], now
        )
        self._queue.forget(int((moment - LONGEST_GAP - LONGEST_CALL).timestamp() * 1e6))
        self._fingerprint = fingerprint
        return True
