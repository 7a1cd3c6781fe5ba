"""`heliograph forget --expired`: applies `[retention]` at once. Imports pyarrow when it runs."""

import os
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from addon.commands.options import Failure, read_settings
from addon.commands.progress import progress_bar
from addon.commands.released import changing_alone, lake_of_released, tables_follow
from addon.commands.tables import settle, warn

if TYPE_CHECKING:
    from addon.caching.store import AnswerShelf
    from addon.config.retention import Retention
    from addon.config.settings import Settings
    from addon.settling.released import Released
    from addon.settling.retention import Due, Gone
    from addon.storage.folders import Folders


def forget_expired(data: Path, config: Path | None, ask: Callable[[], None], now: Callable[[], float]) -> None:
    """Shows what is due, calls `ask`, which may raise, and deletes. `now` in epoch seconds. Raises Failure, UsageError."""
    from addon.commands.forget_pass import remove_old_files
    from addon.settling.retention import delete_expired
    from addon.storage.folders import Folders, refuse_unsafe

    refuse_unsafe(data)
    settings = read_settings(data, config)
    retention = settings.retention
    if not retention.rules:
        raise Failure(f"{config or data / 'heliograph.toml'} has no [retention]; docs/keep.md shows how to write one")
    folders = Folders(data)
    url = lake_of_released(folders, settings)
    settle(data, config)
    moment = datetime.fromtimestamp(now(), UTC)
    found, there = due_now(folders, retention, moment), due_there(folders, url, retention, moment)
    if not found and not there:
        click.echo("nothing is due")
        return
    shelves = shelves_of(settings)
    for line in (*due_lines(found), *there_lines(there)):
        click.echo(line, err=True)
    ask()
    with changing_alone(folders, settings, url if there else None) as released, progress_bar() as progress:
        bar = progress.add_task("deleting, day by day", total=len(found))
        gone = delete_expired(folders, retention, moment, shelves, told=lambda due: progress.advance(bar))
        remove_old_files(folders)
        if released:
            gone.merge(_expire_there(folders, released, retention, moment, shelves, there))
    tables_follow(data, settings, url if there else None)
    click.echo(f"deleted {gone}" if gone.rows else "nothing was due")
    warn(f"receipt in {folders.receipts}")


def shelves_of(settings: "Settings") -> "tuple[AnswerShelf, ...]":
    """Where cached answers are. Raises Failure."""
    from addon.config.settings import ConfigError
    from addon.config.stores import answer_shelves

    try:
        return answer_shelves(settings, os.environ)
    except ConfigError as error:
        raise Failure(f"{error}\nnothing was deleted") from error


def due_now(folders: "Folders", retention: "Retention", now: datetime) -> "list[Due]":
    """Of the files that are here."""
    from addon.settling.retention import Expiry

    return list(Expiry(folders, retention, now.date()).due())


def due_there(folders: "Folders", url: str | None, retention: "Retention", now: datetime) -> dict[date, str]:
    """Days with files in the bucket only that are to be looked through, and what the rules say of them."""
    from addon.settling.retention_there import due_days
    from addon.settling.shipped import lake_folder

    return due_days(lake_folder(folders, url), retention, now.date()) if url else {}


def _expire_there(
    folders: "Folders",
    released: "Released",
    retention: "Retention",
    now: datetime,
    shelves: "tuple[AnswerShelf, ...]",
    due: dict[date, str],
) -> "Gone":
    from addon.settling.retention import Gone
    from addon.settling.retention_there import expire_days

    whole = Gone()
    for days in released.each(due):
        released.recall_events()  # each part that was sent took them along
        part = {day: due[day] for day in days}
        lake = released.shipper.lake
        whole.merge(expire_days(folders, lake, retention, now, shelves, part))
    return whole


def due_lines(found: "list[Due]") -> list[str]:
    """A line for each table: `  bodies    1,204 rows of 3 days, 2026-09-01 to 2026-09-03`."""
    lines = []
    for table in ("requests", "bodies"):
        if parts := [due for due in found if due.table == table]:
            days = sorted(due.day for due in parts)
            rows = sum(due.rows for due in parts)
            lines.append(f"  {table:<16} {rows:>12,} rows of {len(days):,} days, {days[0]} to {days[-1]}")
    return lines


def there_lines(days: Collection[date]) -> list[str]:
    if not days:
        return []
    return [
        f"  and what the rules say of {len(days):,} {'day' if len(days) == 1 else 'days'} that are in the bucket only,"
        f" {min(days)} to {max(days)}: their files are brought back, a few days at a time"
    ]
