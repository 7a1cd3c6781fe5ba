"""How the commits to the Iceberg tables go: `iceberg/status.json`, for `/metrics`, the log and the doctor."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson

from addon.storage.folders import Folders, write_note

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
    try:
        return Status(**orjson.loads(status_file(folders).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def write_status(folders: Folders, status: Status) -> None:
    """Raises OSError."""
    write_note(status_file(folders), [orjson.dumps(asdict(status)).decode()])


def epoch_of(moment: str | None) -> float:
    """Epoch seconds of a time in the status; 0.0: never."""
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0
