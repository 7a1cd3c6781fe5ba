"""What proxy processes count. The workers of one `heliograph up` count in memory that all of them see, so that each can tell
the sums, and a worker that is killed takes no count with it."""

import mmap
import os
import tempfile
from collections.abc import Mapping
from typing import Any, Final

# `seen` calls end up `journalled` or `unlogged`, or are `under_way`.
FIELDS: Final = (
    "seen",  # calls of a known operation
    "passed",  # other requests on decrypted hosts, streamed through and not kept
    "unchecked",  # calls whose limits could not be checked
    "connects",  # CONNECT requests
    "journalled",  # calls whose end is in the journal
    "unlogged",  # calls whose end could not be written when they ended
    "overloaded",  # calls that were refused since too much was under way
    "under_way",  # calls
    "waiting",  # calls, for a slot
    "connections",  # of callers
    "tasks",  # of the event loop
    "serving",  # 1: accepts connections
)
_GAUGES: Final = ("under_way", "waiting", "connections", "tasks", "serving")
_ROW_BYTES: Final = 8 * len(FIELDS)


def _count(field: str) -> Any:
    index = FIELDS.index(field)

    def read(self: "Counts") -> int:
        return self._row[index]

    def write(self: "Counts", value: int) -> None:
        self._row[index] = value

    return property(read, write)


class Counts:
    """Of one process, since its start. Each field has one writer at a time."""

    __slots__ = ("_row",)

    seen = _count("seen")
    passed = _count("passed")
    unchecked = _count("unchecked")
    connects = _count("connects")
    journalled = _count("journalled")
    unlogged = _count("unlogged")
    overloaded = _count("overloaded")
    under_way = _count("under_way")
    waiting = _count("waiting")
    connections = _count("connections")
    tasks = _count("tasks")
    serving = _count("serving")

    def __init__(self, row: "memoryview[int] | None" = None) -> None:
        """`row`: of a board; None: of this process alone."""
        self._row = memoryview(bytearray(_ROW_BYTES)).cast("q") if row is None else row

    def end(self) -> None:
        """The process is gone, and with it what it had at the moment."""
        for field in _GAUGES:
            setattr(self, field, 0)

    def told(self) -> dict[str, int]:
        return dict(zip(FIELDS, self._row, strict=True))


class CountsBoard:
    """A row of counts for each worker, in a file without a name that workers inherit. The successor of a worker goes on in
    its row, so sums never fall."""

    def __init__(self, descriptor: int, rows: int) -> None:
        """`descriptor`: of `board_file(rows)`."""
        self.rows = rows
        self._cells = memoryview(mmap.mmap(descriptor, rows * _ROW_BYTES)).cast("q")

    def row(self, number: int) -> Counts:
        begin = number * len(FIELDS)
        return Counts(self._cells[begin : begin + len(FIELDS)])

    def sums(self) -> Mapping[str, int]:
        return {field: sum(self._cells[index :: len(FIELDS)]) for index, field in enumerate(FIELDS)}


def board_file(rows: int) -> int:
    """The descriptor of a file for a board, all zeros. Raises OSError."""
    with tempfile.TemporaryFile() as file:
        file.truncate(rows * _ROW_BYTES)
        return os.dup(file.fileno())
