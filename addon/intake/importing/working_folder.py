"""The folder that an agent worked in, as its session files name it."""

from functools import lru_cache
from pathlib import Path

from addon.callers.repository import repository_of


@lru_cache(1024)
def repository_there(cwd: str | None) -> str | None:
    """The git repository of the folder, where the folder is still on this machine."""
    return repository_of(Path(cwd)) if cwd else None
