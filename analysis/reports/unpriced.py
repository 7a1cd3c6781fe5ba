"""Calls without a price: which, how many, and why. They are in no sum of costs."""

from pathlib import Path
from typing import NamedTuple

from analysis.lake import Connection, Lake
from analysis.reports.report import Totals, load
from analysis.reports.scope import NO_LIMIT, Scope, open_scope, set_variables
from analysis.reports.window import EVER
from analysis.table import fetch


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


def unpriced_in(connection: Connection, total: Totals | None = None) -> list[Unpriced]:
    """The same for the calls of the open scope. With their totals it is told sooner."""
    if total and not total.unpriced:
        return []
    sql = load("unpriced").sql
    if (
        total and not total.unread
    ):  # then it does not matter what usage is stated, and that takes most of the time to read
        sql = sql.replace("usage_raw is null", "false")
    set_variables(connection, {"most": NO_LIMIT})
    return [
        Unpriced(row["provider_name"], row["response_model"], row["calls"], row["why"])
        for row in fetch(connection, sql).records()
    ]
