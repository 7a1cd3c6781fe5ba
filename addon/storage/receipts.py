"""`DATA/receipts/<what>-<time>.json`: what was deleted, when and why."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from addon.storage.folders import Folders, entries, make_folder, write_whole


def new_receipt(folders: Folders, what: str, at: datetime) -> Path:
    """A name that is free. Raises OSError."""
    make_folder(folders.receipts)
    stem = f"{what}-{at:%Y%m%dT%H%M%SZ}"
    path, number = folders.receipts / f"{stem}.json", 1
    while path.exists():
        number += 1
        path = folders.receipts / f"{stem}-{number}.json"
    return path


def write_receipt(path: Path, content: dict[str, Any]) -> None:
    """Complete, or not at all. Raises OSError."""
    write_whole(path, json.dumps(content, indent=2).encode() + b"\n")


def receipts(folders: Folders, what: str) -> Iterator[dict[str, Any]]:
    """Those of one kind, the newest first. What is not a receipt of ours is left out. Raises OSError."""
    for entry in sorted(entries(folders.receipts), key=lambda entry: entry.name, reverse=True):
        if entry.name.startswith(f"{what}-") and entry.name.endswith(".json"):
            try:
                found = json.loads(Path(entry.path).read_text())
            except ValueError:
                continue
            if isinstance(found, dict) and found.get("what") == what:
                yield found
