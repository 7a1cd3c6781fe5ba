"""What the stored rows take on the disk, by table and day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from addon.storage.folders import Folders, entries, parse_day
from addon.storage.lake import visible_day
from addon.storage.record import TABLES


@dataclass(frozen=True, slots=True)
class Use:
    """Parquet files with rows that count, and their bytes. Files that a merge replaced are left out: they go in a minute."""

    files: int
    size: int


def days(folders: Folders, table: str) -> Iterator[date]:
    """The days of a table that have a folder, in their order. Raises OSError."""
    for folder in sorted(entries(folders.lake(table)), key=lambda entry: entry.name):
        day = parse_day(folder.name.removeprefix("date="))
        if day and folder.name.startswith("date=") and folder.is_dir():
            yield day


def tables_and_days(folders: Folders) -> Iterator[tuple[str, date]]:
    """Raises OSError."""
    return ((table, day) for table in TABLES for day in days(folders, table))


def use_of_day(folder: Path) -> Use:
    """Raises OSError."""
    files = visible_day(folder)
    return Use(len(files), sum(file.stat().st_size for file in files))
