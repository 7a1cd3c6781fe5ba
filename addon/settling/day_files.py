"""The files of one day that a data folder ships: those that count here, and those that are to count in the lake."""

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from addon.settling.merge import is_ours
from addon.settling.shipped import DayState
from addon.storage import summary
from addon.storage.folders import Folders, entries, settled_name
from addon.storage.lake import list_day, replaced_names
from addon.storage.record import TABLES

SUMMARIES: Final = f"summaries-{summary.VERSION}"
SHIPPED: Final = (*TABLES, SUMMARIES)


@dataclass(frozen=True, slots=True)
class DayFiles:
    """Of one day. Keys are `<table>/<name>`."""

    local: dict[str, Path]  # that count here and can be shipped
    wanted: set[str]  # that are to count in the lake
    unchanged: set[str]  # that count there, too, with the bytes that they have here
    replaced: set[str]  # that a merge has replaced
    are_settling: bool  # some are left out, as their rows are still settled lines, too: they will be merged soon


def day_files(folders: Folders, day: date, state: DayState) -> DayFiles:
    """Raises OSError."""
    local: dict[str, Path] = {}
    unchanged: set[str] = set()
    replaced: set[str] = set()
    counted = set(state.counted)
    are_settling = False
    for table in TABLES:
        folder = folders.lake_day(table, day)
        names, _ = list_day(folder)
        hidden = replaced_names(folder, names)
        replaced |= {f"{table}/{name}" for name in hidden}
        settled = {entry.name for entry in entries(folders.settled(table))}
        for name in sorted(names - hidden):
            key, path = f"{table}/{name}", folder / name
            if settled_name(name.removesuffix(".parquet"), day) in settled:
                are_settling = True
            elif key in counted and state.marks.get(key) == mark_of(path):
                local[key] = path
                unchanged.add(key)
            elif is_ours(path, table):
                local[key] = path
    calls = [path for key, path in local.items() if key.startswith("requests/")]
    for path in summary.found(folders.data, calls).values():
        local |= {f"{SUMMARIES}/{part.name}": part for part in summary.parts(path)}
    # What counts there and is not here was released, or deleted by hand: it stays there.
    wanted = local.keys() | (counted - replaced)
    orphans = {key for key in wanted if key.startswith("summaries-") and _calls_of(key) not in wanted}
    return DayFiles(local, wanted - orphans, unchanged, replaced, are_settling)


def _calls_of(key: str) -> str:
    """The file of `requests` that a summary belongs to."""
    return f"requests/{Path(key).stem}.parquet"


def mark_of(path: Path) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116 -- of each file of a day every few seconds: a third of what Path.stat takes
    return found.st_size, found.st_mtime_ns


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
