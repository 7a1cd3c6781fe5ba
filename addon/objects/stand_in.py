"""The folder that stands for a lake in a bucket on a machine that only reads it.

Commands that read take `--data s3://bucket/prefix`. They get a folder in the user's cache which names the URL, and keeps what was
read; it can be deleted at any time.
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import Final

from addon.objects.store import checked_url
from addon.storage.folders import make_folder, read_lines, write_note

_NAME: Final = "lake.url"


def stand_in(url: str) -> Path:
    """Makes the folder of a lake. Raises ValueError for what is not a URL of one, OSError."""
    url = checked_url(url)
    folder = _caches() / "heliograph" / "lakes" / hashlib.sha256(url.encode()).hexdigest()[:16]
    make_folder(folder)
    if not (folder / _NAME).exists():
        write_note(folder / _NAME, [url])
    return folder


def url_of(data: Path) -> str | None:
    """The URL of the lake that a folder stands for; None: it is a data folder."""
    if not os.path.lexists(data / _NAME):
        return None
    lines = read_lines(data / _NAME)
    return lines[0] if lines else None


def _caches() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
