"""`heliograph forget --expired`: applies `[retention]` at once. Imports pyarrow when it runs."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from addon.commands.merging import merging_alone
from addon.commands.options import Failure, read_settings
from addon.commands.progress import progress_bar
from addon.commands.released import refuse_released
from addon.commands.tables import settle, warn

if TYPE_CHECKING:
    from addon.config.retention import Retention
    from addon.settling.retention import Due
    from addon.storage.folders import Folders


def forget_expired(data: Path, config: Path | None, ask: Callable[[], None], now: Callable[[], float]) -> None:
    """Shows what is due, calls `ask`, which may raise, and deletes. `now` in epoch seconds. Raises Failure, UsageError."""
    from addon.commands.forget_pass import remove_old_files
    from addon.config.settings import ConfigError
    from addon.config.stores import answer_shelves
    from addon.settling.retention import delete_expired
    from addon.storage.folders import Folders, refuse_unsafe

    refuse_unsafe(data)
    refuse_released(data)
    settings = read_settings(data, config)
    retention = settings.retention
    if not retention.rules:
        raise Failure(f"{config or data / 'heliograph.toml'} has no [retention]; docs/keep.md shows how to write one")
    folders = Folders(data)
    settle(data, config)
    moment = datetime.fromtimestamp(now(), UTC)
    found = due_now(folders, retention, moment)
    if not found:
        click.echo("nothing is due")
        return
    for line in due_lines(found):
        click.echo(line, err=True)
    ask()
    try:
        shelves = answer_shelves(settings, os.environ)
    except ConfigError as error:
        raise Failure(f"{error}\nnothing was deleted") from error
    with merging_alone(folders), progress_bar() as progress:
        bar = progress.add_task("deleting, day by day", total=len(found))
        gone = delete_expired(folders, retention, moment, shelves, told=lambda due: progress.advance(bar))
        remove_old_files(folders)
    click.echo(f"deleted {gone}")
    warn(f"receipt in {folders.receipts}")


def due_now(folders: "Folders", retention: "Retention", now: datetime) -> "list[Due]":
    from addon.settling.retention import Expiry

    return list(Expiry(folders, retention, now.date()).due())


def due_lines(found: "list[Due]") -> list[str]:
    """A line for each table: `  bodies    1,204 rows of 3 days, 2026-09-01 to 2026-09-03`."""
    lines = []
    for table in ("requests", "bodies"):
        if parts := [due for due in found if due.table == table]:
            days = sorted(due.day for due in parts)
            rows = sum(due.rows for due in parts)
            lines.append(f"  {table:<16} {rows:>12,} rows of {len(days):,} days, {days[0]} to {days[-1]}")
    return lines
