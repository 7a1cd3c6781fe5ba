"""Settled rows before they are Parquet: files of lines for each segment and date.

Of calls there are two, with one row each a call. A call's body line is written first, its request line commits it. The request line carries `_call` (the call's id) and
`_bodies_end` (size of the bodies file after this call), so that whoever comes after a crash knows which calls are
settled and where both files may be cut. An event is one line in its table's file, and commits itself.
"""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, Final, get_origin

import orjson

from addon.storage.folders import Folders, make_folder, open_file, write_all
from addon.storage.journal_lines import without_surrogates
from addon.storage.lake import column_types
from addon.storage.record import TABLES, BodyRow, EventRow, RequestRow

_INT64: Final = range(-(2**63), 2**63)
_TEXTS: Final = tuple[str, ...]
_MAP: Final = dict[str, str]
_ONLY_TEXT: Final = frozenset({str})
_COLUMNS: Final = {record: column_types(table) for table, record in TABLES.items()}
_MOST_PLANS: Final = 4096


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is left to check of a row whose values have classes that fit their columns."""

    ints: Callable[[dict[str, Any]], tuple[int, ...]]  # its whole numbers
    nested: tuple[tuple[str, Any], ...]  # columns with several texts
    times: tuple[str, ...]


# By the kind of row and the classes of its values: rows of the same classes are checked in the same way.
_PLANS: Final[dict[tuple[type, ...], _Plan]] = {}


def row_fields(row: RequestRow | BodyRow | EventRow) -> dict[str, Any]:
    """A row as JSON can carry it. Raises TypeError or OverflowError for a value that its column cannot hold."""
    values = vars(row)
    shape = (type(row), *map(type, values.values()))
    plan = _PLANS.get(shape)
    if plan is None:
        return _checked_one_by_one(row, shape)
    numbers = plan.ints(values)
    if max(numbers) > _INT64[-1] or min(numbers) < _INT64[0]:
        return _checked_one_by_one(row, shape)
    for name, kind in plan.nested:
        if values[name] and not _fits(values[name], kind):
            raise TypeError(f"{name} is {values[name]!r:.100}")
    told = values.copy()
    for name in plan.times:
        told[name] = _time_text(values[name])
    return told


def _checked_one_by_one(row: RequestRow | BodyRow | EventRow, shape: tuple[type, ...]) -> dict[str, Any]:
    columns, values = _COLUMNS[type(row)], vars(row)
    told = {
        name: None if values[name] is None else _storable(name, values[name], kind) for name, kind in columns.items()
    }
    classes = dict(zip(values, shape[1:], strict=True))
    if list(values) == list(columns) and all(
        found is type(None) or found is (get_origin(columns[name]) or columns[name]) for name, found in classes.items()
    ):
        whole = [name for name, found in classes.items() if found is int]
        if len(_PLANS) >= _MOST_PLANS:
            _PLANS.clear()
        _PLANS[shape] = _Plan(
            _ints_of(whole),
            tuple((name, columns[name]) for name, found in classes.items() if found in (dict, tuple)),
            tuple(name for name, found in classes.items() if found is datetime),
        )
    return told


def _ints_of(names: list[str]) -> Callable[[dict[str, Any]], tuple[int, ...]]:
    if len(names) < 2:
        return lambda values: (0, *(values[name] for name in names))
    return itemgetter(*names)


def _time_text(value: datetime) -> str:
    if value.microsecond:  # else orjson leaves them out
        return orjson.dumps(value, option=orjson.OPT_UTC_Z)[1:-1].decode()
    return value.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _storable(name: str, value: Any, kind: Any) -> Any:
    if value.__class__ is int and kind is int and value in _INT64:
        return value
    if not _fits(value, kind):
        raise TypeError(f"{name} is {value!r:.100}")
    if kind is int and value not in _INT64:
        raise OverflowError(f"{name} is {value}")
    return _time_text(value) if kind is datetime else value


def _fits(value: Any, kind: Any) -> bool:
    if kind == _MAP:
        return isinstance(value, dict) and _ONLY_TEXT.issuperset(map(type, (*value, *value.values())))
    if kind == _TEXTS:
        return isinstance(value, tuple) and _ONLY_TEXT.issuperset(map(type, value))
    if kind is float:
        return isinstance(value, int | float)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def dump_line(values: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(values) + b"\n"
    except TypeError:  # text with lone surrogates
        return orjson.dumps(without_surrogates(values)) + b"\n"


class SettledFile:
    """The calls of one segment and one date. Owned by the settler that holds the data folder's lock."""

    def __init__(self, folders: Folders, segment: str, day: date) -> None:
        self.segment, self.day = segment, day
        self.requests = folders.settled_file("requests", segment, day)
        self.bodies = folders.settled_file("bodies", segment, day)
        self._descriptors: tuple[int, int] | None = None  # requests, bodies
        self._ends = (0, 0)  # committed sizes
        self._waiting: list[tuple[bytes, bytes]] = []  # lines that are not written yet: request, body
        self._waiting_bytes = (0, 0)
        self._failed_at: int | None = None  # where a commit failed: lines after it are not committed, even whole ones

    def paths(self) -> dict[str, Path]:
        """The file of each table."""
        return {"requests": self.requests, "bodies": self.bodies}

    def recover(self) -> list[str]:
        """Cuts both files after the last committed call and returns the ids of those that stay. Raises OSError."""
        self.close()
        whole = _read(self.requests)
        requests = whole[: self._failed_at]
        calls: list[str] = []
        requests_end = bodies_end = 0
        with _reading(self.bodies) as bodies:
            while (line_end := requests.find(b"\n", requests_end)) >= 0:
                try:
                    row = orjson.loads(requests[requests_end:line_end])
                    call_id, end = row["_call"], row["_bodies_end"]
                except (ValueError, KeyError, TypeError):
                    break
                if not _has_line(bodies, bodies_end, end):
                    break  # after a power cut: the request line is on the disk, its body line is not
                calls.append(call_id)
                requests_end, bodies_end = line_end + 1, end
            bodies_size = bodies.seek(0, os.SEEK_END)
        if requests_end < len(whole):
            os.truncate(self.requests, requests_end)
        if bodies_end < bodies_size:
            os.truncate(self.bodies, bodies_end)
        self._ends, self._failed_at = (requests_end, bodies_end), None
        return calls

    def append(self, call_id: str, request: dict[str, Any], body: dict[str, Any]) -> None:
        """Commits one call's rows (see `row_fields`). Raises OSError: then neither is committed."""
        self.add(call_id, request, body)
        self.commit()

    def add(self, call_id: str, request: dict[str, Any], body: dict[str, Any]) -> int:
        """Keeps one call's rows in memory until `commit`. Returns the bytes that wait. Raises OSError."""
        if self._descriptors is None:
            self.recover()
            self._descriptors = _open(self.requests), _open(self.bodies)
        body_line = dump_line(body)
        bodies_end = self._ends[1] + self._waiting_bytes[1] + len(body_line)
        request_line = dump_line(request | {"_call": call_id, "_bodies_end": bodies_end})
        self._waiting.append((request_line, body_line))
        self._waiting_bytes = self._waiting_bytes[0] + len(request_line), self._waiting_bytes[1] + len(body_line)
        return sum(self._waiting_bytes)

    def commit(self) -> None:
        """Commits what was added. Raises OSError: then none of it is committed, nor kept."""
        if not self._waiting or self._descriptors is None:
            return
        requests, bodies = zip(*self._waiting, strict=True)
        try:
            write_all(self._descriptors[1], b"".join(bodies))
            write_all(self._descriptors[0], b"".join(requests))
        except OSError:
            self._failed_at = self._ends[0]
            self.close()  # the next `add` recovers first
            raise
        self._ends = self._ends[0] + self._waiting_bytes[0], self._ends[1] + self._waiting_bytes[1]
        self.drop()

    def drop(self) -> None:
        """Forgets what was added and is not committed."""
        self._waiting.clear()
        self._waiting_bytes = (0, 0)

    def sync(self) -> None:
        """Makes what is written durable. Raises OSError."""
        for path in (self.bodies, self.requests):
            _sync(path)

    def close(self) -> None:
        self.drop()
        descriptors, self._descriptors = self._descriptors, None
        for descriptor in descriptors or ():
            os.close(descriptor)


class EventFile:
    """The events of one table, segment and date. Owned by the settler that holds the data folder's lock."""

    def __init__(self, folders: Folders, table: str, segment: str, day: date) -> None:
        self.table, self.segment, self.day = table, segment, day
        self.path = folders.settled_file(table, segment, day)
        self._descriptor: int | None = None

    def paths(self) -> dict[str, Path]:
        """The file of the table."""
        return {self.table: self.path}

    def recover(self) -> list[str]:
        """Cuts the file after its last whole event and returns the ids of those that stay. Raises OSError."""
        self.close()
        data = _read(self.path)
        events: list[str] = []
        end = 0
        while (line_end := data.find(b"\n", end)) >= 0:
            try:
                events.append(orjson.loads(data[end:line_end])["_call"])
            except (ValueError, KeyError, TypeError):
                break
            end = line_end + 1
        if end < len(data):
            os.truncate(self.path, end)
        return events

    def append(self, event_id: str, row: dict[str, Any]) -> None:
        """Commits one event (see `row_fields`). Raises OSError: then it is not committed."""
        if self._descriptor is None:
            self.recover()
            self._descriptor = _open(self.path)
        try:
            write_all(self._descriptor, dump_line(row | {"_call": event_id}))
        except OSError:
            self.close()  # the next append recovers first
            raise

    def sync(self) -> None:
        """Makes what is written durable. Raises OSError."""
        _sync(self.path)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _sync(path: Path) -> None:
    if path.exists():
        descriptor = open_file(path)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: Path) -> bytes:
    try:
        with os.fdopen(open_file(path), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _reading(path: Path) -> BinaryIO:
    """The file to be read in pieces (bodies may fill gigabytes), an empty one where there is none."""
    try:
        return os.fdopen(open_file(path), "rb")
    except FileNotFoundError:
        return io.BytesIO()


def _has_line(bodies: BinaryIO, start: int, end: int) -> bool:
    """Whether a body's line begins and ends at these bytes, as far as its first and its last tell."""
    bodies.seek(start)
    begins = bodies.read(1) == b"{"
    bodies.seek(max(start, end - 2))
    return begins and bodies.read(2) == b"}\n"


def _open(path: Path) -> int:
    make_folder(path.parent)
    return open_file(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
