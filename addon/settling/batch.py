"""Rows of several calls that are written together: a write for each call would cost more than making its row."""

from collections.abc import Callable
from typing import Any, Final

from addon.settling.settled_files import SettledFile

# Written when so many wait: a call that takes long to read then holds up few.
MOST_CALLS: Final = 64
MOST_BYTES: Final = 256 * 2**10


class Batch:
    """`decided` is told of each call whose rows are committed: its id, and the segment that they belong to."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, int, SettledFile]] = []

    def add(
        self, call_id: str, sequence: int, file: SettledFile, request: dict[str, Any], body: dict[str, Any]
    ) -> bool:
        """Whether it is time to commit. Raises OSError."""
        waiting_bytes = file.add(call_id, request, body)
        self._waiting.append((call_id, sequence, file))
        return waiting_bytes >= MOST_BYTES or len(self._waiting) >= MOST_CALLS

    def commit(self, decided: Callable[[str, int], None]) -> None:
        """Raises OSError: calls that `decided` was not told of are still to be settled."""
        waiting, self._waiting = self._waiting, []
        files = list(dict.fromkeys(file for _, _, file in waiting))
        try:
            for file in files:
                file.commit()
                for call_id, sequence, owner in waiting:
                    if owner is file:
                        decided(call_id, sequence)
        finally:
            for file in files:
                file.drop()
