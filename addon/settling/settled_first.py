"""Before rows of the lake are changed: all calls that have ended until then become Parquet, and no other copy of them stays.

A proxy at work goes on meanwhile. Its open segment is finished a few seconds after the first line in it; calls that end
later are in segments that are not waited for.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from addon.settling.process import settle_leftovers
from addon.storage.folders import Folders, entries, parse_segment, parse_settled
from addon.storage.record import TABLES

POLL_S: Final = 0.25


def unfinished_segments(folders: Folders) -> set[str]:
    """Names of the segments with lines that are in the journal, or with rows among the settled lines."""
    journal = {
        entry.name.removesuffix(".jsonl")
        for entry in entries(folders.journal)
        if entry.name.endswith(".jsonl") and _size(Path(entry.path))
    }
    settled = {
        parsed[0]
        for table in TABLES
        for entry in entries(folders.settled(table))
        if (parsed := parse_settled(entry.name))
    }
    return {name for name in journal if parse_segment(name)} | settled


def settle_first(
    data: Path, config: Path | None, wait: Callable[[float], None], patience_s: float, told: Callable[[int], None]
) -> set[str]:
    """Waits until no line is left of the segments that have lines now. `told` gets the number of segments that are left.

    Returns the names of those that still have lines after `patience_s`: a call under way needs them, or they cannot be
    settled. Raises ConfigError where the prices of the config cannot be read, OSError.
    """
    folders = Folders(data)
    left = unfinished_segments(folders)
    waited_s = 0.0
    while left:
        settle_leftovers(data, config)  # of dead proxies, if no settler is at work; it may end while we wait
        left &= unfinished_segments(folders)
        told(len(left))
        if not left or waited_s >= patience_s:
            return left
        wait(POLL_S)
        waited_s += POLL_S
    return left


def _size(path: Path) -> int:
    try:
        return path.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
