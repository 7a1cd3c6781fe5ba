"""How each alert of the settings stands: what its condition comes to now, whether it fires, and what could not be told."""

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from addon.config.alerts import Alert, recipient
from addon.config.settings import Settings
from addon.limits.store import Contents
from addon.storage.folders import Folders
from analysis.alerts.message import moment
from analysis.alerts.readings import ALL_CALLS, Unreadable, read_on
from analysis.alerts.store import AlertStore, Firing, Waiting
from analysis.lake import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertNow:
    """One subject of one alert."""

    name: str
    condition: str  # a name, or the file of a person's SQL
    subject: str | None  # None: all calls of the window
    value: float | None  # now; None: nothing to compare
    at_least: float
    unit: str | None
    window_s: int
    state: str  # fires | quiet | unreadable
    since: str | None  # ISO 8601 in UTC, while it fires
    problem: str | None  # why it cannot be checked, or why nobody took a message

    @property
    def fires(self) -> bool:
        return self.state == "fires"


@dataclass(frozen=True, slots=True)
class Kept:
    """What `alerts.sqlite` holds."""

    firing: Sequence[Firing] = ()
    waiting: Sequence[Waiting] = ()


def kept(settings: Settings) -> Kept:
    """Raises sqlite3.Error, OSError."""
    store = AlertStore(Folders(settings.data).alerts)
    try:
        return Kept(store.firing(), store.waiting())
    except FileNotFoundError:
        return Kept()
    finally:
        store.close()


def alerts_now(connection: Connection, settings: Settings, contents: Contents, now: datetime) -> list[AlertNow]:
    """Every alert, in the order of the settings. Asks each condition, so it takes as long as they do."""
    try:
        held, trouble = kept(settings), None
    except (sqlite3.Error, OSError) as error:
        held, trouble = Kept(), f"what fires cannot be read: {error}"
    return [
        row for alert in settings.alerts for row in _rows(connection, alert, settings, contents, held, trouble, now)
    ]


def _rows(
    connection: Connection,
    alert: Alert,
    settings: Settings,
    contents: Contents,
    held: Kept,
    trouble: str | None,
    now: datetime,
) -> list[AlertNow]:
    since = {each.subject: each.since for each in held.firing if each.alert == alert.name}
    problem = trouble or _not_told(alert.name, held.waiting)
    try:
        found = read_on(connection, alert, settings.budgets, contents, settings.config, now)
        values, unreadable = {each.subject: each.value for each in found}, False
    except Unreadable as error:
        values, unreadable, problem = {}, True, str(error)
    subjects = list(dict.fromkeys([*since, *values])) or [ALL_CALLS]
    return [
        AlertNow(
            name=alert.name,
            condition=alert.condition or alert.sql or "",
            subject=subject or None,
            value=values.get(subject),
            at_least=alert.at_least,
            unit=alert.unit or None,
            window_s=alert.window_s,
            state="unreadable" if unreadable else "fires" if subject in since else "quiet",
            since=moment(since[subject]) if subject in since else None,
            problem=problem,
        )
        for subject in subjects
    ]


def _not_told(name: str, waiting: Sequence[Waiting]) -> str | None:
    """Of the newest message that nobody took. A recipient of the settings may be a secret, so its form alone is named."""
    for each in waiting:
        if each.alert == name:
            goes_on = "given up" if each.due_at is None else "trying again"
            return f"{shown_recipient(each.recipient)} did not take a message: {each.failure}; {goes_on}"
    return None


def shown_recipient(text: str) -> str:
    """For messages and pages: without what may be a secret."""
    if text.startswith("$"):
        return text
    try:
        found = recipient(text, os.environ)
    except ValueError:
        return "a recipient that cannot be read"
    return found.shown if found else text
