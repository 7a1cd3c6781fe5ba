"""The journal's writer: what the proxy records while calls pass. The settler reads it (see `journal_lines` for the lines).

One segment is open per process and flock-held, so that a settler can tell a live run from a dead one. Lines gather in
memory, and the pieces of a call gather until they are one line. The closing line of a call takes all lines, with the
pieces of that call, to the kernel with one write(2) before it returns, which a `kill -9` cannot undo. A thread writes
and syncs what is left every 45 ms, and rotates segments.

Nothing here raises to the caller: a journal that cannot be written must not cost anybody an answer.
"""

import contextlib
import fcntl
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from addon.ids import uuid7
from addon.storage.counts import Counts
from addon.storage.folders import make_folder, sync_folder
from addon.storage.journal_lines import CallEnd, CallStart, Side, end_line, event_line, piece_line, start_line
from addon.storage.record import EventRow

BUFFER_BYTES: Final = 64 * 1024  # a write(2) of this size costs little more than one of 4 KB
# Making the Parquet files of a segment takes some 15 ms of CPU, whatever is in it: of 4 MiB, a tenth of a stream's cost.
SEGMENT_BYTES: Final = 16 * 2**20
SEGMENT_AGE_S: Final = 5.0  # rows are to be in Parquet within 10 s
# A power cut may lose the last 50 ms: this, and the time that a write and its sync take.
TICK_S: Final = 0.045
RETRY_AFTER_S: Final = 1.0
KEPT_BYTES: Final = 4 * 2**20  # kept in memory while the disk refuses to write
TROUBLE_EVERY_S: Final = 60.0

_fdatasync: Final = getattr(os, "fdatasync", os.fsync)  # macOS has only fsync


@dataclass(slots=True, eq=False)
class _Call:
    """A call under way. `cut`: some of it was lost, so its end cannot be promised. `pieces`: of one side, not a line yet."""

    id: str
    ended: bool = False
    cut: bool = False
    side: Side = "request"
    pieces: list[bytes] = field(default_factory=list)


def _say(message: str) -> None:
    with contextlib.suppress(OSError):  # a closed stderr must not cost a caller its answer
        print(f"heliograph: {message}", file=sys.stderr, flush=True)


_FAMILY_HEX: Final = 8


def new_run_name() -> str:
    return run_of_family(new_family(), secrets.randbits(32))


def new_family() -> str:
    """The beginning that the names of several runs share: those of the workers of one `heliograph up`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(_FAMILY_HEX // 2)}"


def run_of_family(family: str, number: int) -> str:
    """`number` is below 2**32, and given once in a family."""
    return f"{family}{number:08x}"


class Journal:
    """Writes calls to segments in `folder`. All methods may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        *,
        on_trouble: Callable[[str], None] = _say,  # called at most once a minute; must not call back
        segment_bytes: int = SEGMENT_BYTES,
        segment_age_s: float = SEGMENT_AGE_S,
        run: str = "",
        counts: Counts | None = None,
    ) -> None:
        """`run`: a name that no other run has, as `new_run_name` makes one; else it is made here."""
        self.folder = folder
        self.run = run or new_run_name()
        self._counts = counts or Counts()
        self._on_trouble = on_trouble
        self._segment_bytes, self._segment_age_s = segment_bytes, segment_age_s

        self._lock = threading.Lock()
        self._calls: dict[str, _Call] = {}
        self._fresh: list[_Call] = []  # calls whose start is still in the buffer
        self._buffer: list[bytes] = []
        self._gathering: set[_Call] = set()  # calls with pieces that are not in the buffer yet
        self._buffered = 0  # bytes in both

        self._descriptor: int | None = None
        self._sequence = 0
        self._size = 0
        self._first_write_at: float | None = None
        self._torn = False  # the open segment ends in half a line: it takes no more
        self._retry_at: float | None = None  # set while the disk refuses
        self._troubled_at: float | None = None
        self._closed = False

        self._retired: list[int] = []  # full segments, to be synced and closed by the thread
        self._unsynced = False
        self._unsynced_folder = False
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._awake = False
        self._thread = threading.Thread(target=self._keep_up, name="journal", daemon=True)

    def open(self) -> None:
        """Takes the first segment, so that a settler sees this run alive."""
        with self._lock:
            try:
                self._next_segment()
            except OSError as error:
                self._refused(error)
        self._thread.start()

    @property
    def journalled(self) -> int:
        """Calls whose end is in the journal."""
        return int(self._counts.journalled)

    @property
    def unlogged(self) -> int:
        """Calls whose end could not be written when they ended."""
        return int(self._counts.unlogged)

    @property
    def is_refused(self) -> bool:
        """Whether the disk does not take what is written at present."""
        return self._retry_at is not None

    def start(self, call_id: str, call: CallStart) -> None:
        line = start_line(call_id, call)
        with self._lock:
            if self._closed:
                return
            record = self._calls[call_id] = _Call(call_id)
            self._fresh.append(record)
            self._add(record, line)

    def piece(self, call_id: str, side: Side, data: bytes) -> None:
        """A part of a body, as it came. After the call's end it is written at once: the settler is about to read it."""
        with self._lock:
            if record := self._calls.get(call_id):
                self._gather(record, side, data)
                if record.ended:
                    self._write_all()

    def end(self, call_id: str, call: CallEnd, final: bool) -> bool:
        """Closes a call, or amends its end. True: the kernel has all of the call; an amendment follows within a tick."""
        line = end_line(call_id, call, final)
        with self._lock:
            record = self._calls.get(call_id)
            if record is None:  # never started here
                self._counts.unlogged += 1
                return False
            self._join(record)
            self._add(record, line)
            written = (record.ended or self._write()) and not record.cut
            if not record.ended:
                record.ended = True
                self._counts.journalled += written
                self._counts.unlogged += not written
            if final:
                del self._calls[call_id]
            return written

    def tell(self, rows: Iterable[EventRow]) -> bool:
        """Writes feedback, scores, properties and logs, all at once. False: they are not written, now or at all."""
        lines = [event_line(uuid7(), row) for row in rows]
        record = _Call("")  # events have ids of their own
        with self._lock:
            if self._closed:
                return False
            for line in lines:
                self._add(record, line)
            return self._write() and not record.cut

    def flush(self) -> bool:
        """Hands the buffer to the kernel. False: the disk does not take it."""
        with self._lock:
            return self._write_all()

    def rotate(self) -> None:
        """Goes on in a new segment, so that what is written may become Parquet."""
        with self._lock:
            self._write_all()
            self._rotate()

    def close(self) -> None:
        """Writes and syncs what is left, and gives up the lock: this run is over."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._retry_at = None
            self._write_all()
            self._closed = True
            self._calls.clear()
            if self._descriptor is not None:
                self._retired.append(self._descriptor)
                self._descriptor = None
        self._sync_retired()

    # Under the lock

    def _add(self, record: _Call, line: bytes) -> None:
        if self._has_room(record, len(line)):
            self._buffer.append(line)
            self._keep(len(line))

    def _gather(self, record: _Call, side: Side, data: bytes) -> None:
        if not self._has_room(record, len(data)):
            return
        if record.pieces and record.side != side:
            self._join(record)
        if not record.pieces:
            record.side = side
            self._gathering.add(record)
        record.pieces.append(data)
        self._keep(len(data))

    def _join(self, record: _Call) -> None:
        """The pieces that the call has gathered become a line of the buffer."""
        if record.pieces:
            data = b"".join(record.pieces)
            line = piece_line(record.id, record.side, data)
            self._buffer.append(line)
            self._buffered += len(line) - len(data)
            record.pieces.clear()
            self._gathering.discard(record)

    def _has_room(self, record: _Call, size: int) -> bool:
        if self._retry_at is not None and self._buffered + size > KEPT_BYTES:
            record.cut = True
        return not record.cut

    def _keep(self, size: int) -> None:
        """So many bytes are kept until they are written."""
        self._buffered += size
        if not self._awake:
            self._awake = True
            self._wake.set()
        if self._buffered >= BUFFER_BYTES:
            self._write_all()

    def _write_all(self) -> bool:
        """Writes what has gathered, too. True: nothing is left."""
        while self._gathering:
            self._join(self._gathering.pop())
        return self._write()

    def _write(self) -> bool:
        """Writes the buffer. True: nothing is left in it. Pieces that gather stay until they are a line."""
        if not self._buffer:
            return True
        if self._retry_at is not None and time.monotonic() < self._retry_at:
            return False
        data = b"".join(self._buffer)
        view = memoryview(data)
        written = 0
        try:
            descriptor = self._writable_segment()
            while written < len(data):
                written += os.write(descriptor, view[written:])
        except OSError as error:
            # Whole lines that got through stay; a half one stays behind as a torn tail and is written again elsewhere.
            whole = data.rfind(b"\n", 0, written) + 1
            self._torn = self._torn or whole < written
            self._buffer = [data[whole:]]
            self._buffered -= whole
            self._refused(error)
            return False
        self._buffer.clear()
        self._fresh.clear()
        self._buffered -= len(data)
        self._retry_at = None
        self._size += written
        self._unsynced = True
        if self._first_write_at is None:
            self._first_write_at = time.monotonic()
        if self._size >= self._segment_bytes:
            self._rotate()
        return True

    def _writable_segment(self) -> int:
        """The descriptor to write to. Raises OSError."""
        if self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0:  # the file was removed
            for record in self._calls.values():
                record.cut = record.cut or record not in self._fresh
            self._torn = True
        if self._descriptor is None or self._torn:
            self._next_segment()
        assert self._descriptor is not None
        return self._descriptor

    def _rotate(self) -> None:
        try:
            self._next_segment()
        except OSError as error:
            self._refused(error)
            self._retry_at = None  # the open segment still takes lines; the next tick tries again

    def _next_segment(self) -> None:
        """Opens the next segment, then retires the last, so that a live run always holds its newest. Raises OSError."""
        name = f"{self.run}-{self._sequence + 1:06d}.jsonl"
        hidden = self.folder / f".{name}"
        make_folder(self.folder)
        descriptor = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(self.folder / name)
        except OSError:
            os.close(descriptor)
            hidden.unlink(missing_ok=True)
            raise
        if self._descriptor is not None:
            self._retired.append(self._descriptor)
        self._descriptor = descriptor
        self._sequence += 1
        self._size = 0
        self._first_write_at = None
        self._torn = False
        self._unsynced_folder = True

    def _refused(self, error: OSError) -> None:
        self._retry_at = time.monotonic() + RETRY_AFTER_S
        self._trouble(f"{self.folder}: the journal cannot be written ({error.strerror}); calls go on unlogged")

    def _trouble(self, message: str) -> None:
        now = time.monotonic()
        if self._troubled_at is None or now - self._troubled_at >= TROUBLE_EVERY_S:
            self._troubled_at = now
            self._on_trouble(message)

    # The thread

    def _keep_up(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            while not self._stop.wait(TICK_S) and self._tick():
                pass

    def _tick(self) -> bool:
        """Writes, rotates and syncs what is due. False: nothing will be due until the next line."""
        with self._lock:
            self._write_all()
            if self._first_write_at is not None and time.monotonic() - self._first_write_at >= self._segment_age_s:
                self._rotate()
            sync, self._unsynced = self._descriptor if self._unsynced else None, False
        if sync is not None:
            self._sync(sync)  # still open, retired or not: only _sync_retired closes
        self._sync_retired()
        with self._lock:
            self._awake = (
                bool(self._buffer or self._gathering or self._retired)
                or self._unsynced
                or self._first_write_at is not None
            )
            return self._awake

    def _sync_retired(self) -> None:
        with self._lock:
            retired, self._retired = self._retired, []
            folder, self._unsynced_folder = self._unsynced_folder, False
        for descriptor in retired:
            self._sync(descriptor)
            os.close(descriptor)
        if folder:
            self._sync(None)

    def _sync(self, descriptor: int | None) -> None:
        """Makes a segment's bytes durable, or the folder's names."""
        try:
            sync_folder(self.folder) if descriptor is None else _fdatasync(descriptor)
        except OSError as error:
            with self._lock:
                self._trouble(f"{self.folder}: the journal is written but not synced ({error.strerror})")
