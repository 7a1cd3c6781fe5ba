"""`heliograph forget`: deletes calls and all that is kept of them. pyarrow and DuckDB are imported when it runs."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from addon.commands.forget_expired import forget_expired
from addon.commands.options import Failure, data_options, examples
from addon.commands.progress import progress_bar
from addon.commands.released import changing_alone, lake_of_released, lake_with_released, tables_follow
from addon.commands.tables import settle, warn

if TYPE_CHECKING:
    from addon.commands.forget_pass import Found, Removed, Wanted
    from addon.storage.folders import Folders
    from analysis.lake import Lake

SETTLE_PATIENCE_S: Final = 60.0  # a proxy finishes a segment 5 s after its first line, and settles it within seconds
LINES_PATIENCE_S: Final = 30.0  # its settler removes the lines 15 s later, unless a call under way needs them
_NOT_REACHED: Final = "Not reached: exports, backups, logs, and what providers and webhook receivers keep."


@dataclass(frozen=True, slots=True)
class Clocks:
    """The time in epoch seconds, and a wait in seconds: of the machine, or of a test."""

    now: Callable[[], float] = time.time
    wait: Callable[[float], None] = time.sleep


@click.command(
    short_help="Delete calls and everything that is kept of them.",
    epilog=examples(
        "heliograph forget --user ann@example.org",
        "heliograph forget --session 0199a3f2-7c1e-7b3a-9d2f-3f1d2c4b5a69 --yes",
        "heliograph forget --property customer=acme",
        "heliograph forget --expired",
        "heliograph forget --where \"model = 'gpt-5' and started_at < '2026-01-01'\"",
    ),
)
@click.option("--user", metavar="ID", help="Calls of this user.")
@click.option("--session", metavar="ID", help="Calls of this session.")
@click.option(
    "--property", "properties", multiple=True, metavar="NAME=VALUE", help="Calls with this property. Repeatable."
)
@click.option("--where", metavar="CONDITION", help="Calls that fit, as in reports: \"model = 'gpt-5'\".")
@click.option("--expired", is_flag=True, help="What [retention] keeps no longer; a running proxy does it once a day.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--name-in-receipt", is_flag=True, help="Write the condition into the receipt as it is, not only its keyed hash."
)
@data_options
def forget(
    user: str | None,
    session: str | None,
    properties: tuple[str, ...],
    where: str | None,
    expired: bool,
    yes: bool,
    name_in_receipt: bool,
    data: Path,
    config: Path | None,
) -> None:
    """Delete the calls that fit all that is given: rows, bodies, feedback, scores, cached answers, limits, deliveries.

    Shows first what would go, and asks. A running proxy goes on meanwhile; calls that end later are not deleted. A receipt
    of what went stays in the folder receipts of the data folder.
    """
    from addon.commands.forget_pass import Wanted

    for option, value in (("--user", user), ("--session", session), ("--where", where)):
        if value is not None and not value.strip():
            raise click.UsageError(f"{option} is empty; it would be about every call")
    wanted = Wanted(user=user, session=session, properties=dict(map(_property, properties)), where=where)
    if expired and wanted.condition():
        raise click.UsageError("--expired is about the times of [retention]; leave the other conditions out")
    if not expired and not wanted.condition():
        raise click.UsageError(
            "say which calls: --user, --session, --property NAME=VALUE, --where CONDITION or --expired"
        )
    if not data.is_dir():
        raise Failure(f"{data} does not exist; name the folder of your calls with --data or $HELIOGRAPH_DATA")
    if expired:
        forget_expired(data, config, lambda: None if yes else _ask(), time.time)
        return
    forget_calls(data, config, wanted, is_agreed=yes, shows_name=name_in_receipt, clocks=Clocks())


def forget_calls(
    data: Path, config: Path | None, wanted: "Wanted", *, is_agreed: bool, shows_name: bool, clocks: Clocks
) -> None:
    """Shows, asks unless `is_agreed`, deletes and writes the receipt. Raises Failure, UsageError, NotOurs."""
    from addon.commands import forget_pass
    from addon.config.settings import ConfigError, load_what_can_be_read
    from addon.config.stores import open_stores
    from addon.redaction.key import redactor_of
    from addon.settling.settled_first import wait_for_lines_to_go
    from addon.storage.folders import Folders, refuse_unsafe

    refuse_unsafe(data)
    folders = Folders(data)
    settings, _ = load_what_can_be_read(data, config)
    url = lake_of_released(folders, settings)
    if redactor := redactor_of(settings.redact, data):
        wanted = wanted.redacted(redactor)
    try:
        stores = open_stores(settings, os.environ, patience_s=forget_pass.PATIENCE_S)
    except ConfigError as error:  # what is in the shared store could not be deleted
        raise Failure(f"{error}\nnothing was deleted") from error
    settle(data, config)
    with lake_with_released(data, url) as lake:
        found = _found(folders, lake, wanted)
        _show(found)
        if found.calls.by_day and not is_agreed:
            _ask()
        _settle_first(data, config, clocks)
        with progress_bar() as progress, changing_alone(folders, settings, url, clocks.wait) as released:
            found = forget_pass.find(folders, lake, wanted)
            receipt = Receipt.begin(folders, wanted, found, shows_name, clocks.now())
            bar = progress.add_task("deleting, day by day", total=len(found.calls.by_day))
            removed = forget_pass.remove(folders, stores, found, lambda: progress.advance(bar), released)
            progress.remove_task(bar)
            bar = progress.add_task("waiting for the proxy to remove its journal", total=None)
            lines = wait_for_lines_to_go(data, config, clocks.wait, LINES_PATIENCE_S, lambda left: None)
            forget_pass.remove_old_files(folders)
    tables_follow(data, settings, url)
    receipt.end(removed, lines, _unreadable(data), clocks.now())
    _tell(receipt)


def _found(folders: "Folders", lake: "Lake", wanted: "Wanted") -> "Found":
    from addon.commands import forget_pass
    from analysis.reports.scope import BadCondition

    try:
        return forget_pass.find(folders, lake, wanted)
    except BadCondition as error:
        raise click.UsageError(str(error)) from error


def _settle_first(data: Path, config: Path | None, clocks: Clocks) -> None:
    from addon.settling.settled_first import settle_first

    with progress_bar() as progress:
        progress.add_task("waiting for calls that have just ended", total=None)
        unsettled = settle_first(data, config, clocks.wait, SETTLE_PATIENCE_S, lambda left: None)
    if unsettled:
        raise Failure(
            f"{_named(unsettled, 'segments of the journal')} cannot be settled; `heliograph doctor` says why."
            " Nothing was deleted."
        )


def _property(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name.strip() or not equals or not value:
        raise click.UsageError(f"--property {text!r}: write NAME=VALUE, e.g. customer=acme")
    return name.strip().lower(), value


def _show(found: "Found") -> None:
    """What would go, on stderr."""
    if not found.days:
        warn("no stored call fits")
        return
    first, last = found.days
    money = "" if found.cost_nanousd is None else f", {found.cost_nanousd / 1e9:,.4f} USD"
    unpriced = f" ({found.unpriced:,} without a price)" if found.unpriced else ""
    click.echo(f"{first} to {last}{money}{unpriced}:", err=True)
    for table, rows in found.rows.items():
        click.echo(f"  {table:<16} {rows:>12,}", err=True)
    click.echo("and their cached answers, limits, alerts and deliveries.\n" + _NOT_REACHED, err=True)


def _ask() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here; --yes deletes without asking")
    if not click.confirm("Delete all of it? It cannot be undone", err=True):
        raise Failure("nothing was deleted")


@dataclass(frozen=True, slots=True)
class Receipt:
    """`DATA/receipts/forget-<time>.json`: written when the deletion begins, and again when it is done."""

    path: Path
    content: dict[str, Any]

    @staticmethod
    def begin(folders: "Folders", wanted: "Wanted", found: "Found", shows_name: bool, now: float) -> "Receipt":
        from addon.config.settings import secret
        from addon.ids import keyed_hash
        from addon.storage.receipts import new_receipt

        at = datetime.fromtimestamp(now, UTC)
        first, last = found.days or (None, None)
        condition = replace(wanted, pseudonyms={}).condition()  # the same with and without [redact]
        content = {
            "what": "forget",
            "state": "begun",
            "began_at": at.isoformat(timespec="seconds"),
            "condition": condition if shows_name else None,
            "condition_hash": keyed_hash(secret(folders.data), condition),
            "first_day": first and first.isoformat(),
            "last_day": last and last.isoformat(),
            "found": dict(found.rows),
            "cost_nanousd": found.cost_nanousd,
            "unpriced_calls": found.unpriced,
        }
        receipt = Receipt(new_receipt(folders, "forget", at), content)
        receipt._write()
        return receipt

    def end(self, removed: "Removed", lines: set[str], unreadable: list[str], now: float) -> None:
        self.content.update(
            state="done",
            ended_at=datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
            removed=removed.rows,
            removed_beside=removed.beside,
            files_rewritten=removed.files_rewritten,
            files_removed=removed.files_removed,
            journal_segments_left=sorted(lines),
            unreadable_files=unreadable,
        )
        self._write()

    def _write(self) -> None:
        from addon.storage.receipts import write_receipt

        write_receipt(self.path, self.content)


def _unreadable(data: Path) -> list[str]:
    """Files that nobody can read, so that nobody knows whose calls are in them."""
    from analysis.lake_files import broken_files

    return [str(file.relative_to(data)) for file, _ in broken_files(data)]


def _tell(receipt: Receipt) -> None:
    """The receipt on stdout, what is left on stderr."""
    click.echo(json.dumps(receipt.content, indent=2))
    if lines := receipt.content["journal_segments_left"]:
        warn(
            f"{_named(lines, 'segments of the journal')} are needed by calls under way, or have lines that cannot be read;"
            " reports do not show what is in them, and the proxy removes them when these calls have ended"
        )
    if files := receipt.content["unreadable_files"]:
        warn(f"{_named(files, 'files')} cannot be read, so nothing was removed from them; delete them by hand")
    warn(f"receipt: {receipt.path}")


def _named(names: "set[str] | list[str]", kind: str) -> str:
    few = ", ".join(sorted(names)[:3])
    return f"{len(names):,} {kind} ({few}{', ...' if len(names) > 3 else ''})"
