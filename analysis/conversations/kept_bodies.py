"""The bodies of calls, as they are kept, piece by piece: a body may have 16 megabytes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from analysis.lake import Connection

_SQL: Final = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
_REQUESTS_SQL: Final = f"select request_id, started_at_us, request_body from (\n{_SQL}\n)"
_ROWS_AT_ONCE: Final = 20  # in memory


class KeptBodies(NamedTuple):
    """Of one call; ids may repeat, so its start belongs to its name. None: not kept, or empty."""

    request_id: str
    started_at_us: int  # epoch microseconds
    request: str | None
    response: str | None


def kept_bodies(connection: Connection, calls: Sequence[Mapping[str, Any]]) -> Iterator[KeptBodies]:
    """In no order. `calls` have a `request_id` and a `started_at_us`. The connection can be asked nothing else meanwhile."""
    yield from map(KeptBodies._make, _rows(connection, _SQL, calls))


def kept_requests(connection: Connection, calls: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, int, str | None]]:
    """Request id, start in epoch microseconds and request body alone; else like `kept_bodies`."""
    yield from _rows(connection, _REQUESTS_SQL, calls)


def _rows(connection: Connection, sql: str, calls: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
    if not calls:
        return
    times = [datetime.fromtimestamp(call["started_at_us"] / 1_000_000, UTC) for call in calls]
    ids = [call["request_id"] for call in calls]
    rows = connection.execute(sql, {"request_ids": ids, "since": min(times), "until": max(times)})
    while some := rows.fetchmany(_ROWS_AT_ONCE):
        yield from some
