"""Which Parquet files of a data folder its Iceberg tables are to name: those that count now.

Without a lake in a bucket these are the files that count on this disk. With one they are the files that this folder's manifests
in the bucket name, as shipping has noted them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from addon.objects import manifest
from addon.settling import shipped
from addon.settling.merge import MANY_FILES, finish_merges, is_ours, is_settled_elsewhere, merge_files, mergeable
from addon.settling.named import noted_days, read_names
from addon.storage.disk_use import days
from addon.storage.folders import Folders, parse_day, tried_lock
from addon.storage.lake import list_day, replaced_names
from addon.storage.record import TABLES


@dataclass(frozen=True, slots=True)
class Counted:
    """Of one day: table -> the locations of its files, as URIs."""

    files: dict[str, set[str]]
    are_settling: bool = False  # some are left out, as their rows are still settled lines, too


class CountedFiles(Protocol):
    """All methods raise OSError, Forgotten."""

    lake: str  # the URI above `lake/<table>/date=<date>/<name>.parquet`

    def days(self) -> set[date]:
        """All days with files, or with notes of such."""

    def look(self, day: date) -> object:
        """Changes when files of a day come or go."""

    def of(self, day: date, known: Collection[str]) -> Counted:
        """`known`: locations of files that need not be opened, as their rows are known to be ours."""

    def is_missing(self, location: str) -> bool:
        """Whether the file was deleted: a table that names it cannot be read."""

    def gather(self, day: date, now: float) -> None:
        """Merges small files that no table names yet, so that it gets few."""


def counted_files(folders: Folders, lake: str | None) -> CountedFiles:
    """`lake`: URL of the bucket that the folder ships to."""
    return BucketFiles(folders, lake) if lake else FolderFiles(folders)


class FolderFiles:
    """Of a lake in the data folder."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self.lake = f"file://{folders.data.absolute()}"

    def days(self) -> set[date]:
        return {day for table in TABLES for day in days(self._folders, table)} | set(noted_days(self._folders))

    def look(self, day: date) -> object:
        return tuple(_time(self._folders.lake_day(table, day)) for table in TABLES)

    def of(self, day: date, known: Collection[str]) -> Counted:
        found: dict[str, set[str]] = {}
        are_settling = False
        for table in TABLES:
            folder = self._folders.lake_day(table, day)
            names, _ = list_day(folder)
            for name in names - replaced_names(folder, names):
                location = f"{self.lake}/{manifest.object_path(table, day, name)}"
                if is_settled_elsewhere(self._folders, table, day, folder / name):
                    are_settling = True
                elif location in known or is_ours(folder / name, table):
                    found.setdefault(table, set()).add(location)
        return Counted(found, are_settling)

    def is_missing(self, location: str) -> bool:
        return location.startswith(f"{self.lake}/") and not Path(location.removeprefix("file://")).exists()

    def gather(self, day: date, now: float) -> None:
        with tried_lock(self._folders.merge_lock) as ours:
            if not ours:
                return
            noted = read_names(self._folders, day)
            for table in TABLES:
                if not self._folders.lake_day(table, day).exists():
                    continue
                finish_merges(self._folders, table, day, now)
                known = {file.rpartition("/")[2] for file in noted[table].all()} if table in noted else set()
                names = list(mergeable(self._folders, table, day, known))
                if 1 < len(names) <= MANY_FILES:
                    merge_files(self._folders, table, day, names)


class BucketFiles:
    """Of a lake in a bucket; shipping merges what it ships, and deletes objects only once no table names them."""

    def __init__(self, folders: Folders, url: str) -> None:
        self._folders = folders
        self.lake = url
        self._notes = shipped.lake_folder(folders, url)

    def days(self) -> set[date]:
        shipped_days = (parse_day(note.stem) for note in self._notes.glob("*.json"))
        return {day for day in shipped_days if day} | set(noted_days(self._folders))

    def look(self, day: date) -> object:
        return _time(self._notes / f"{day}.json")

    def of(self, day: date, known: Collection[str]) -> Counted:
        found: dict[str, set[str]] = {}
        for key in shipped.read_state(self._notes, day).counted:
            table, _, name = key.partition("/")
            if table in TABLES:
                found.setdefault(table, set()).add(f"{self.lake}/{manifest.object_path(table, day, name)}")
        return Counted(found)

    def is_missing(self, location: str) -> bool:
        return False  # shipping keeps the object

    def gather(self, day: date, now: float) -> None:
        pass


def _time(place: Path) -> int:
    return place.stat().st_mtime_ns if place.exists() else 0
