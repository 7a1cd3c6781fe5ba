"""Calls without a price: which, how many, and why. They are in no sum of costs."""

from pathlib import Path
from typing import NamedTuple

from analysis.lake import Connection, Lake
from analysis.reports.report import run
from analysis.reports.window import EVER, Window


class Unpriced(NamedTuple):
    """Calls of one model that have no price for the same reason."""

    provider_name: str
    model: str | None
    calls: int
    why: str


def unpriced(data: Path) -> list[Unpriced]:
    """All calls in `data` without a price, the most frequent first."""
    return Lake(data).ask(lambda connection: unpriced_in(connection, EVER))


def unpriced_in(connection: Connection, window: Window) -> list[Unpriced]:
    """The same for a window of time."""
    return [
        Unpriced(row["provider_name"], row["response_model"], row["calls"], row["why"])
        for row in run(connection, "unpriced", window, limit=0).records()
    ]
