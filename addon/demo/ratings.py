"""Ratings and scores for the calls of a demo, as people and a test program would give them.

Which answers are rated, and how, follows from the answer's own id, so it is the same every time.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from addon.settling.parquet import read_parts, write_parquet
from addon.settling.settled_files import dump_line, row_fields
from addon.storage.folders import Folders
from addon.storage.lake import visible_files
from addon.storage.record import EventRow, FeedbackRow, ScoreRow

RATED_SHARE: Final = 0.3
SCORED_SHARE: Final = 0.2
_RATED_AFTER: Final = timedelta(minutes=3)


def rate(data: Path) -> None:
    """Rates answers in a folder that only a demo wrote, a few minutes after each. Raises OSError."""
    files = visible_files(data, "requests").parquet
    calls = [call for path in files for call in _calls(path)]
    told: dict[str, list[EventRow]] = {"feedback": list(_ratings(calls)), "scores": list(_scores(calls))}
    for table, rows in told.items():
        for day, of_day in groupby(sorted(rows, key=_made_at), key=lambda row: row.created_at.date()):
            lines = [dump_line(row_fields(row)) for row in of_day]
            write_parquet(Folders(data).parquet(table, files[0].stem, day), table, read_parts(lines, table))


def _calls(path: Path) -> list[dict[str, Any]]:
    """Those that were answered with words."""
    columns = ["request_id", "started_at", "response_id", "response_model", "operation_name", "error_type"]
    calls: list[dict[str, Any]] = pq.read_table(path, columns=columns, partitioning=None).to_pylist()
    return [
        call
        for call in calls
        if call["operation_name"] != "embeddings" and call["error_type"] is None and call["response_id"]
    ]


def _ratings(calls: Sequence[dict[str, Any]]) -> Iterator[FeedbackRow]:
    """People like the larger model's answers better."""
    for call in calls:
        if _dice(call, "rated") < RATED_SHARE:
            good = 0.9 if "sonnet" in call["response_model"] else 0.7
            yield FeedbackRow(
                request_id=call["request_id"],
                created_at=call["started_at"] + _RATED_AFTER,
                rating=_dice(call, "rating") < good,
            )


def _scores(calls: Sequence[dict[str, Any]]) -> Iterator[ScoreRow]:
    for call in calls:
        if _dice(call, "scored") < SCORED_SHARE:
            yield ScoreRow(
                request_id=call["request_id"],
                created_at=call["started_at"] + _RATED_AFTER,
                name="accuracy",
                value=round(0.6 + 0.4 * _dice(call, "accuracy"), 2),
            )


def _dice(call: dict[str, Any], what: str) -> float:
    """From 0 to 1, the same for the same answer."""
    return random.Random(f"{what} {call['response_id']}").random()


def _made_at(row: EventRow) -> datetime:
    return row.created_at
