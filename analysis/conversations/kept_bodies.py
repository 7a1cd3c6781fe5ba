"""The bodies of calls, as they are kept, piece by piece: a body may have 16 megabytes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from analysis.lake import Connection

_SQL: Final = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
_ROWS_AT_ONCE: Final = 20  # in memory


class KeptBodies(NamedTuple):
    """Of one call; ids may repeat, so its start belongs to its name. None: not kept, or empty."""

    request_id: str
    started_at_us: int  # epoch microseconds
    request: str | None
    response: str | None


def kept_bodies(connection: Connection, calls: Sequence[Mapping[str, Any]]) -> Iterator[KeptBodies]:
    """In no order. `calls` have a `request_id` and a `started_at_us`. The connection can be asked nothing else meanwhile."""
    if not calls:
        return
    times = [datetime.fromtimestamp(call["started_at_us"] / 1_000_000, UTC) for call in calls]
    ids = [call["request_id"] for call in calls]
    rows = connection.execute(_SQL, {"request_ids": ids, "since": min(times), "until": max(times)})
    while some := rows.fetchmany(_ROWS_AT_ONCE):
        yield from map(KeptBodies._make, some)
