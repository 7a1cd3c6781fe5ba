"""Calls without a price: which, how many, and why. They are in no sum of costs."""

from pathlib import Path
from typing import NamedTuple

from analysis.lake import Connection, Lake
from analysis.reports.report import run
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import EVER


class Unpriced(NamedTuple):
    """Calls of one model that have no price for the same reason."""

    provider_name: str
    model: str | None
    calls: int
    why: str


def unpriced(data: Path) -> list[Unpriced]:
    """All calls in `data` without a price, the most frequent first."""

    def question(connection: Connection) -> list[Unpriced]:
        open_scope(connection, Scope(EVER))
        return unpriced_in(connection)

    return Lake(data).ask(question)


def unpriced_in(connection: Connection) -> list[Unpriced]:
    """The same for the calls of the open scope."""
    return [
        Unpriced(row["provider_name"], row["response_model"], row["calls"], row["why"])
        for row in run(connection, "unpriced", limit=0).records()
    ]
