"""`heliograph compact`: merges the stored files by hand. pyarrow and rich are imported when it runs."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from addon.commands.merging import merging_alone
from addon.commands.options import Failure, data_options, examples
from addon.commands.progress import progress_bar
from addon.storage.sizes import size_text

if TYPE_CHECKING:
    from addon.settling.compact import Merge
    from addon.storage.disk_use import Use
    from addon.storage.folders import Folders


@click.command(
    short_help="Merge the stored files, so that reports open few.",
    epilog=examples("heliograph compact", "heliograph compact --data ./data"),
)
@data_options
def compact(data: Path, config: Path | None) -> None:
    """Merge the stored files: each day of each table becomes one file. Reports are faster then, and bodies smaller.

    A running proxy does this by itself for days that are over. The proxy and reports may run meanwhile: each call counts
    once at every moment. Replaced files are removed a minute later, when no report reads them any more.
    """
    if not data.is_dir():
        raise Failure(f"{data} does not exist; name the folder of your calls with --data or $HELIOGRAPH_DATA")
    compact_folder(data, time.time, time.sleep)


def compact_folder(data: Path, now: Callable[[], float], wait: Callable[[float], None]) -> None:
    """Merges, says what changed, and removes the replaced files after their grace. `now` in epoch seconds. Raises Failure,
    NotOurs."""
    from addon.settling import compact as merges
    from addon.storage.folders import Folders, refuse_unsafe

    refuse_unsafe(data)
    folders = Folders(data)
    with merging_alone(folders):
        merges.remove_replaced(folders, now())
        planned = merges.planned(folders)
        if not planned:
            _summarise(folders)
            click.echo("nothing to merge: each day of each table is one file")
            return
        before = _use(folders, planned)
        failed = _merge(folders, planned)
        _summarise(folders)
        after = _use(folders, planned)
        click.echo(
            f"{before.files:,} files of {len({merge.day for merge in planned}):,} days became {after.files:,}:"
            f" {size_text(before.size)} became {size_text(after.size)}"
        )
        _remove(folders, now, wait)
    if failed:
        raise Failure("\n".join(failed))


def _merge(folders: "Folders", planned: Sequence["Merge"]) -> list[str]:
    """Does all merges; returns what could not be merged, in words."""
    from addon.settling import compact as merges

    failed: list[str] = []
    with progress_bar() as progress:
        bar = progress.add_task("merging rows", total=sum(merge.rows for merge in planned))
        for merge in planned:
            try:
                merges.run(folders, merge, threading.Event(), lambda rows: progress.advance(bar, rows))
            except Exception as error:  # a damaged file makes pyarrow raise nearly anything
                folder = folders.lake_day(merge.table, merge.day)
                failed.append(f"{folder}: cannot be merged: {error!r:.300}; its files stay as they are")
    return failed


def _summarise(folders: "Folders") -> None:
    """What reports read in place of the calls. Of a hundred million calls that takes ten minutes."""
    from addon.settling.summarise import summarise_all

    with progress_bar() as progress:
        bar = progress.add_task("summarising days", total=None)
        made = summarise_all(folders, seen=lambda done, of: progress.update(bar, completed=done, total=of))
    if made:
        click.echo(f"{made:,} {'summary' if made == 1 else 'summaries'} of merged files made, for reports")


def _remove(folders: "Folders", now: Callable[[], float], wait: Callable[[float], None]) -> None:
    """Removes the replaced files when readers that have listed them are done."""
    from addon.settling import compact as merges
    from addon.settling.merge import GRACE_S

    until = now() + GRACE_S
    with progress_bar() as progress:
        bar = progress.add_task("waiting for readers of the replaced files", total=math.ceil(GRACE_S))
        while now() < until:
            wait(1.0)
            progress.advance(bar, 1)
    merges.remove_replaced(folders, now())


def _use(folders: "Folders", planned: Sequence["Merge"]) -> "Use":
    from addon.storage.disk_use import Use, use_of_day

    uses = [use_of_day(folders.lake_day(merge.table, merge.day)) for merge in planned]
    return Use(sum(use.files for use in uses), sum(use.size for use in uses))
