"""How shipping to a lake in a bucket goes: `shipping/status.json`, for `/metrics` and the doctor."""

from dataclasses import dataclass
from pathlib import Path

from addon.storage.folders import Folders
from addon.storage.notes import read_fields, write_fields


@dataclass(slots=True)
class Status:
    """How shipping goes. Times are UTC, None: never."""

    lake: str
    shipped_at: str | None = None  # all that was there then is in the lake
    shipped_files: int = 0  # since the start of this process
    shipped_bytes: int = 0
    waiting_files: int = 0
    waiting_bytes: int = 0
    waiting_calls: int = 0
    trouble: str | None = None
    troubled_since: str | None = None
    local_bytes: int = 0
    max_local_bytes: int = 0


def status_file(folders: Folders) -> Path:
    return folders.shipping / "status.json"


def read_status(folders: Folders) -> Status | None:
    """None: this folder does not ship, or has not begun to."""
    return read_fields(Status, status_file(folders))


def write_status(folders: Folders, status: Status) -> None:
    """Raises OSError."""
    write_fields(status_file(folders), status)
