"""What an alert's condition comes to now: one number for each subject (all calls, a budget, a row of a person's SQL)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb

from addon.config.alerts import Alert
from addon.limits.rules import Budget
from addon.limits.store import Contents
from analysis.lake import STATEMENT_ERRORS, Connection, Lake
from analysis.reports.scope import Scope, named_in, open_scope
from analysis.reports.standing import BudgetNow, budgets_now
from analysis.reports.window import Window
from analysis.table import NotAllowed, fetch, fetch_user_sql

VALUE, SUBJECT, CALLS = "value", "subject", "calls"
ALL_CALLS: Final = ""
MOST_SUBJECTS: Final = 100  # of one alert: a question that returns every call is a mistake, not a thousand mails

_SQL: Final = Path(__file__).parent / "sql"
_RATES: Final = ("error_rate", "latency")  # these say nothing of a few calls


class Unreadable(Exception):
    """The condition cannot be asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """`value`: None: there is nothing to compare."""

    subject: str
    value: float | None


def read(
    lake: Lake, alert: Alert, budgets: Sequence[Budget], contents: Contents, file: Path, now: datetime
) -> list[Reading]:
    """`read_on` on a connection of its own. Raises Unreadable, NotOurs."""
    try:
        return lake.ask(lambda connection: read_on(connection, alert, budgets, contents, file, now))
    except duckdb.Error as error:
        raise Unreadable(str(error).partition("\n")[0]) from error


def read_on(
    connection: Connection, alert: Alert, budgets: Sequence[Budget], contents: Contents, file: Path, now: datetime
) -> list[Reading]:
    """`file`: that of the settings; SQL of a person lies beside it. Raises Unreadable, and duckdb.Error for the lake's files."""
    try:
        if alert.condition == "budget":
            return [Reading(_budget_name(each), each.share) for each in budgets_now(connection, budgets, contents, now)]
        question = _text(alert, file)
        window = Window(now - timedelta(seconds=alert.window_s), now + timedelta(microseconds=1))
        open_scope(connection, Scope(window, alert.where or None), named_in(question.lower()))
        if alert.condition is None:
            return _own(fetch_user_sql(connection, question).records())
        (row,) = fetch(connection, question).records()
    except (*STATEMENT_ERRORS, NotAllowed, ValueError) as error:
        raise Unreadable(str(error).partition("\n")[0]) from error
    few = alert.condition in _RATES and row[CALLS] < alert.min_calls
    return [Reading(ALL_CALLS, None if few else _number(row[VALUE]))]


def _text(alert: Alert, settings_file: Path) -> str:
    file = settings_file.parent / Path(alert.sql).expanduser() if alert.sql else _SQL / f"{alert.condition}.sql"
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def _own(records: Any) -> list[Reading]:
    readings: dict[str, Reading] = {}
    for record in records:
        if VALUE not in record:
            raise Unreadable(f"its answer has no column {VALUE}; it has {', '.join(record)}")
        subject = ALL_CALLS if record.get(SUBJECT) is None else str(record[SUBJECT])
        readings[subject] = Reading(subject, _number(record[VALUE]))
        if len(readings) > MOST_SUBJECTS:
            raise Unreadable(f"its answer has more than {MOST_SUBJECTS} subjects; let it return the worst only")
    return list(readings.values())


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Unreadable(f"its column {VALUE} is not a number: {value!r}")
    return float(value) if math.isfinite(value) else None


def _budget_name(budget: BudgetNow) -> str:
    return budget.name if budget.group is None else f"{budget.name}, {budget.per} {budget.group}"
