"""`DATA/webhooks-dead.jsonl`: deliveries that were given up, one JSON object a line, with the id of the call.

The file is replaced where calls are removed from it; a process that appends holds its lock, and looks whether it is still the file.
"""

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from addon.storage.folders import open_file, write_all, write_whole


def append(path: Path, letter: dict[str, Any]) -> None:
    """Raises OSError."""
    with _locked(path, os.O_CREAT | os.O_RDWR | os.O_APPEND) as file:
        write_all(file.fileno(), orjson.dumps(letter) + b"\n")


def calls(path: Path) -> set[str]:
    """The request ids in it. Raises OSError."""
    try:
        with os.fdopen(open_file(path), "rb") as file:
            return {request_id for line in file if (request_id := _call_of(line))}
    except FileNotFoundError:
        return set()


def remove(path: Path, request_ids: Collection[str]) -> int:
    """Writes the file again without the deliveries of these calls, where it has such. Returns how many there were.
    Raises OSError."""
    path.with_name(f".{path.name}.tmp").unlink(missing_ok=True)  # of a removal that was killed
    if not path.exists():
        return 0
    with _locked(path, os.O_RDWR) as file:
        lines = file.read().splitlines(keepends=True)
        kept = [line for line in lines if _call_of(line) not in request_ids]
        if len(kept) == len(lines):
            return 0
        write_whole(path, b"".join(kept))
    return len(lines) - len(kept)


def _call_of(line: bytes) -> str | None:
    """None: not a line of ours."""
    try:
        found = orjson.loads(line)["request_id"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


@contextmanager
def _locked(path: Path, flags: int) -> Iterator[BinaryIO]:
    """The file that has the name now: another process may have replaced the one that was opened."""
    while True:
        with os.fdopen(open_file(path, flags), "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                yield file
                return
