"""What a report would find in a data folder, for tests that wait for a row."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from analysis.lake import Lake
from analysis.table import fetch

Row = dict[str, Any]


class StoredRows:
    """Asks a lake in SQL. A question that is repeated is asked again once a file has changed: it costs as much CPU as the settler
    needs to write the row that a test waits for."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._last: tuple[object, list[Row]] | None = None  # the question, over which files, and its answer

    def ask(self, sql: str, values: dict[str, object]) -> list[Row]:
        asked = (sql, repr(values), self._files())  # of before the answer: it may know more, never less
        if self._last is None or self._last[0] != asked:
            answer = Lake(self._data).ask(lambda connection: fetch(connection, sql, values))
            self._last = asked, list(answer.records())
        return list(self._last[1])

    def _files(self) -> list[tuple[str, int, int, int]]:
        """All that tells that a file is another one, or has more in it."""
        found = []
        for root, _, names in (walked for name in ("settled", "lake") for walked in os.walk(self._data / name)):
            for path in (f"{root}/{name}" for name in names):
                with suppress(FileNotFoundError):
                    status = os.lstat(path)
                    found.append((path, status.st_ino, status.st_size, status.st_mtime_ns))
        return sorted(found)
