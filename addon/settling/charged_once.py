"""`DATA/charged.sqlite`: which call was charged for work that several calls may state.

A response from the background is charged when a call first tells what it used, the results of a batch when they are first
downloaded. The same call is told the same answer again, so a row may be made twice. The file may be deleted at any time:
work that is looked at once more is then charged once more.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from addon.storage.folders import open_file
from addon.storage.sqlite import erase_deleted

KEEP_S: Final = 60 * 86_400.0  # OpenAI keeps the files of a batch for 30 days, as well as responses
PATIENCE_S: Final = 1.0


class ChargedOnce:
    """The settler and its worker have one each; the file's lock keeps them apart."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._file: sqlite3.Connection | None = None

    def __call__(self, work: str, request_id: str) -> bool:
        """Whether this call is the one that is charged. Where the file cannot be used it is: better twice than never."""
        try:
            file = self._file or self._open()
            with file:
                file.execute("insert or ignore into charged values (?, ?, ?)", (work, request_id, self._clock()))
                found = file.execute("select request_id from charged where work = ?", (work,)).fetchone()
        except (sqlite3.Error, OSError):
            self.close()
            return True
        return bool(found is None or found[0] == request_id)

    def calls(self) -> set[str]:
        """The request ids of the calls that were charged. Raises sqlite3.Error, OSError."""
        if not self._path.exists():
            return set()
        return {request_id for (request_id,) in (self._file or self._open()).execute("select request_id from charged")}

    def remove(self, request_ids: Iterable[str]) -> None:
        """Removes what is known of these calls, without a trace in the file. Raises sqlite3.Error, OSError."""
        if not self._path.exists():
            return
        file = self._file or self._open()
        with file:
            file.executemany("delete from charged where request_id = ?", [(each,) for each in request_ids])
        erase_deleted(file)

    def close(self) -> None:
        file, self._file = self._file, None
        if file:
            file.close()

    def _open(self) -> sqlite3.Connection:
        os.close(open_file(self._path, os.O_CREAT | os.O_RDWR))  # 0600, and not a link that somebody planted
        self._file = sqlite3.connect(self._path, timeout=PATIENCE_S)
        self._file.execute("pragma journal_mode = wal")
        self._file.execute("pragma synchronous = off")  # what a power cut takes is charged once more at worst
        self._file.execute(
            "create table if not exists charged (work text primary key, request_id text not null, at real not null)"
            " without rowid"
        )
        with self._file:
            self._file.execute("delete from charged where at < ?", (self._clock() - KEEP_S,))
        return self._file
