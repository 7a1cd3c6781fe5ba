"""What proxy processes count. The workers of one `heliograph up` count in memory that all of them see, so that each can tell
the sums, and a worker that is killed takes no count with it."""

import itertools
import mmap
import os
import tempfile
from collections.abc import Mapping
from typing import Final

_indexes: Final = itertools.count()


class _Count:
    """A number of a row, which has its numbers in the order of their definition. `is_gauge`: of the moment, not since the start."""

    def __init__(self, *, is_gauge: bool = False) -> None:
        self.is_gauge = is_gauge
        self._index = next(_indexes)

    def __get__(self, counts: "Counts", _owner: type) -> int:
        return counts.row[self._index]

    def __set__(self, counts: "Counts", value: int) -> None:
        counts.row[self._index] = value


class Counts:
    """Of one process, since its start. Each field has one writer at a time. `seen` calls end up `journalled` or `unlogged`, or
    are `under_way`."""

    __slots__ = ("row",)

    seen = _Count()  # calls of a known operation
    passed = _Count()  # other requests on decrypted hosts, streamed through and not kept
    unchecked = _Count()  # calls whose limits could not be checked
    connects = _Count()  # CONNECT requests
    journalled = _Count()  # calls whose end is in the journal
    unlogged = _Count()  # calls whose end could not be written when they ended
    overloaded = _Count()  # calls that were refused since too much was under way
    under_way = _Count(is_gauge=True)  # calls
    waiting = _Count(is_gauge=True)  # calls, for a slot
    connections = _Count(is_gauge=True)  # of callers
    tasks = _Count(is_gauge=True)  # of the event loop
    serving = _Count(is_gauge=True)  # 1: accepts connections

    def __init__(self, row: "memoryview[int] | None" = None) -> None:
        """`row`: of a board; None: of this process alone."""
        self.row = memoryview(bytearray(_ROW_BYTES)).cast("q") if row is None else row

    def end(self) -> None:
        """The process is gone, and with it what it had at the moment."""
        for field in _GAUGES:
            setattr(self, field, 0)

    def told(self) -> dict[str, int]:
        return dict(zip(FIELDS, self.row, strict=True))


_COUNTS: Final = {name: item for name, item in vars(Counts).items() if isinstance(item, _Count)}
FIELDS: Final = tuple(_COUNTS)
_GAUGES: Final = tuple(name for name, item in _COUNTS.items() if item.is_gauge)
_ROW_BYTES: Final = 8 * len(FIELDS)


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
