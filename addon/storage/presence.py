"""Which proxies run on a data folder, and what each last said of its settings: `DATA/running/<pid>.json`.

A proxy holds a lock on its file for as long as it lives, however it ends; a file without a lock is of a dead one.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from addon.storage.folders import Folders, NotOurs, entries, make_folder, open_file, write_all

_LARGEST_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One proxy."""

    pid: int
    listen: str  # HOST:PORT, several divided by ", "
    config: str
    started_at: float  # epoch seconds
    reads: int = 0  # how often it was told to read its settings again
    problem: str = ""  # why the last read changed nothing
    taken: tuple[str, ...] = ()  # what the last read changed, and
    restart: tuple[str, ...] = ()  # what has changed since the start and needs a restart
    workers: int = 1  # processes that serve its port


class Presence:
    """This process's file. Trouble with it must not keep a proxy from serving: all methods may raise OSError."""

    def __init__(self, folders: Folders) -> None:
        make_folder(folders.running)
        self._path = folders.running / f"{os.getpid()}.json"
        self._descriptor = open_file(self._path, os.O_CREAT | os.O_RDWR)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def say(self, running: Running) -> None:
        text = json.dumps(asdict(running)).encode() + b"\n"
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.ftruncate(self._descriptor, 0)
        write_all(self._descriptor, text)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def running_proxies(folders: Folders) -> Iterator[Running]:
    """The living ones. Removes files of dead ones. A file that is being written at this moment is left out."""
    for entry in sorted(entries(folders.running), key=lambda entry: entry.name):
        if not entry.name.endswith(".json"):
            continue
        try:
            descriptor = open_file(Path(entry.path))
        except (FileNotFoundError, NotOurs):
            continue
        with os.fdopen(descriptor, "rb") as file:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                if found := _parsed(file.read(_LARGEST_BYTES)):
                    yield found
            else:
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()


def _parsed(text: bytes) -> Running | None:
    try:
        fields = json.loads(text)
        return Running(**fields | {name: tuple(fields[name]) for name in ("taken", "restart")})
    except (ValueError, TypeError, KeyError):
        return None
