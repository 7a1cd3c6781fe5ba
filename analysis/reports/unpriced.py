"""Calls without a price: which, how many, and why. They are in no sum of costs."""

from pathlib import Path
from typing import Final, NamedTuple

from analysis.lake import Connection, Lake
from analysis.reports.report import Totals, load, load_internal, totals
from analysis.reports.scope import NO_LIMIT, Scope, open_scope, set_variables
from analysis.reports.window import EVER
from analysis.table import fetch

_GROUPS: Final = ("provider_name", "model", "error_type")  # what the question asks beside numbers


class Unpriced(NamedTuple):
    """Calls of one model that have no price for the same reason."""

    provider_name: str
    model: str | None
    calls: int
    why: str


def unpriced(data: Path) -> list[Unpriced]:
    """All calls in `data` without a price, the most frequent first."""

    def question(connection: Connection) -> list[Unpriced]:
        open_scope(connection, Scope(EVER, groups=_GROUPS), ["calls_summed"])
        return unpriced_in(connection)

    return Lake(data).ask(question)


def told_under(connection: Connection) -> tuple[Totals, list[Unpriced]]:
    """The totals of the open scope and its calls without a price: both of one look at the calls."""
    connection.execute(f"create or replace temp table footer_calls as (\n{load_internal('footer_calls').sql}\n)")
    total = totals(connection, "footer_calls")
    return total, unpriced_in(connection, total, "calls_in_brief" if total.unread else "footer_calls")


def unpriced_in(connection: Connection, total: Totals | None = None, calls: str = "calls_summed") -> list[Unpriced]:
    """The same for the calls of the open scope. With their totals it is told sooner."""
    if total and not total.unpriced:
        return []
    sql = load("unpriced").sql.replace("calls_summed", calls)
    if (
        total and not total.unread
    ):  # then it does not matter what usage is stated, and that takes most of the time to read
        sql = sql.replace("not states_usage", "false")
    set_variables(connection, {"most": NO_LIMIT})
    return [
        Unpriced(row["provider_name"], row["response_model"], row["calls"], row["why"])
        for row in fetch(connection, sql).records()
    ]
