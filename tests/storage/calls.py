"""Calls for the storage tests: how to journal one, settle it without prices, and read back what a report would see."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from addon.settling.journal_reader import Call
from addon.settling.rows import bare_rows
from addon.settling.settler import Settler
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.journal_lines import CallEnd, CallStart
from addon.storage.lake import time_column, visible_files
from addon.storage.record import BodyRow, EventRow, FeedbackRow, PropertyChangeRow, RequestRow, ScoreRow

NOON_US = 1_795_262_400_000_000  # 2026-11-21 12:00 UTC
DAY_US = 86_400_000_000
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OK = CallEnd(status=200, content_type="application/json")


class Clock:
    """A clock that the test moves, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def call_start(call_id: str, started_at_us: int = NOON_US) -> CallStart:
    return CallStart(
        request_id=call_id,
        started_at_us=started_at_us,
        provider_name="openai",
        operation_name="chat",
        method="POST",
        host="api.openai.com",
        path="/v1/chat/completions",
        mode="forward",
        properties={"feature": "test"},
    )


def journal_call(journal: Journal, call_id: str, started_at_us: int = NOON_US) -> bool:
    journal.start(call_id, call_start(call_id, started_at_us))
    journal.piece(call_id, "request", f"ask {call_id}".encode())
    journal.piece(call_id, "response", f"answer {call_id}".encode())
    return journal.end(call_id, OK, final=True)


def events(call_id: str, created_at: datetime = NOON) -> list[EventRow]:
    """One of each kind, of a call."""
    return [
        FeedbackRow(request_id=call_id, created_at=created_at, rating=True),
        ScoreRow(request_id=call_id, created_at=created_at, name="accuracy", value=0.5),
        PropertyChangeRow(request_id=call_id, created_at=created_at, name="stage", value="done"),
    ]


def plain_rows(call: Call) -> tuple[RequestRow, BodyRow]:
    """Rows without providers and prices: what the journal has, as it has it."""
    request, body = bare_rows(call, "heliograph_interrupted")
    return (request if call.end is None else replace(request, error_type=call.end.error_type)), body


def new_settler(data: Path, **options: Any) -> Settler:
    return Settler(Folders(data), plain_rows, bare_rows, **options)


def settle_all(data: Path) -> Settler:
    """A settler that has settled all that dead runs left."""
    settler = new_settler(data)
    settler.step()
    while settler.unsettled():
        settler.step()
    settler.close()
    return settler


def stored(data: Path, table: str = "requests") -> list[dict[str, Any]]:
    """All rows that a report would see, settled and Parquet, in order of their request ids."""
    listing = visible_files(data, table)
    rows = [
        {name: value for name, value in orjson.loads(line).items() if not name.startswith("_")}
        for path in listing.settled
        for line in path.read_bytes().splitlines()
    ]
    for path in listing.parquet:
        for row in pq.read_table(path).to_pylist():
            at = time_column(table)
            row[at] = row[at].isoformat(timespec="microseconds").replace("+00:00", "Z")
            rows.append(row | {name: dict(value) for name, value in row.items() if name == "properties"})
    return sorted(rows, key=lambda row: row["request_id"])


def ids(data: Path, table: str = "requests") -> list[str]:
    return [row["request_id"] for row in stored(data, table)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
