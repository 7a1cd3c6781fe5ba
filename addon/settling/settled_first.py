"""Before rows of the lake are changed: all calls that have ended until then become Parquet. Afterwards: no other copy stays.

A proxy at work goes on meanwhile. Its open segment is finished a few seconds after the first line in it; calls that end
later are in segments that are not waited for.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from addon.settling.process import settle_leftovers, unsettled_segments
from addon.storage.folders import Folders, entries, parse_segment, parse_settled
from addon.storage.record import TABLES

POLL_S: Final = 0.25


def settle_first(
    data: Path, config: Path | None, wait: Callable[[float], None], patience_s: float, told: Callable[[int], None]
) -> set[str]:
    """Waits until the rows of all segments that have lines now are Parquet. `told` gets the number of segments that are left.

    Returns the names of those that are not after `patience_s`: they cannot be settled, or the proxy's settler is stuck.
    Raises ConfigError where the prices of the config cannot be read, OSError.
    """
    folders = Folders(data)

    def those_left(before: set[str]) -> set[str]:
        settle_leftovers(data, config)  # of dead proxies, if no settler is at work; it may end while we wait
        return before & unsettled_segments(folders)

    return _wait_until_none(_with_lines(folders, unsettled_segments(folders)), those_left, wait, patience_s, told)


def wait_for_lines_to_go(
    data: Path, config: Path | None, wait: Callable[[float], None], patience_s: float, told: Callable[[int], None]
) -> set[str]:
    """Waits until a settler has removed the lines of the segments that are settled now: some seconds beside a proxy, or as
    long as a call under way needs one. Returns the names of those that are left after `patience_s`. Raises ConfigError,
    OSError."""
    folders = Folders(data)

    def those_left(before: set[str]) -> set[str]:
        settle_leftovers(data, config, cleans=True)
        return before & segments_with_lines(folders)

    settled = segments_with_lines(folders) - unsettled_segments(folders)
    return _wait_until_none(settled, those_left, wait, patience_s, told)


def _wait_until_none(
    left: set[str],
    those_left: Callable[[set[str]], set[str]],
    wait: Callable[[float], None],
    patience_s: float,
    told: Callable[[int], None],
) -> set[str]:
    """Asks again and again which segments are left, and returns those that are after `patience_s`."""
    waited_s = 0.0
    while left:
        left = those_left(left)
        told(len(left))
        if not left or waited_s >= patience_s:
            break
        wait(POLL_S)
        waited_s += POLL_S
    return left


def segments_with_lines(folders: Folders) -> set[str]:
    """Names of the segments with lines that are in the journal, or with rows among the settled lines."""
    names = {entry.name.removesuffix(".jsonl") for entry in entries(folders.journal) if entry.name.endswith(".jsonl")}
    settled = {
        parsed[0]
        for table in TABLES
        for entry in entries(folders.settled(table))
        if (parsed := parse_settled(entry.name))
    }
    return _with_lines(folders, {name for name in names if parse_segment(name)}) | settled


def _with_lines(folders: Folders, segments: set[str]) -> set[str]:
    """Those whose file is not empty: a proxy at work always holds a segment for the calls to come."""
    return {name for name in segments if _size(folders.journal / f"{name}.jsonl")}


def _size(path: Path) -> int:
    try:
        return path.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
