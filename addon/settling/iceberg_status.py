"""How the commits to the Iceberg tables go: `iceberg/status.json`, for `/metrics`, the log and the doctor."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from addon.storage.folders import Folders
from addon.storage.notes import read_fields, write_fields

CHECK_EVERY_S: Final = 86_400.0  # what the tables name of all days is read


@dataclass(slots=True)
class Status:
    """Times are UTC in ISO 8601, None: never."""

    tables: str  # the catalog and the namespace
    committed_at: str | None = None  # the tables named all files that counted then
    checked_at: str | None = None  # what they name of every day was read then
    waiting_files: int = 0
    trouble: str | None = None
    troubled_since: str | None = None


def status_file(folders: Folders) -> Path:
    return folders.iceberg / "status.json"


def read_status(folders: Folders) -> Status | None:
    """None: this folder commits to no tables, or has not begun to."""
    return read_fields(Status, status_file(folders))


def write_status(folders: Folders, status: Status) -> None:
    """Raises OSError."""
    write_fields(status_file(folders), status)


def epoch_of(moment: str | None) -> float:
    """Epoch seconds of a time in the status; 0.0: never."""
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0
