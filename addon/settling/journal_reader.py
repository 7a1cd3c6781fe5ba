"""One run of a proxy as its journal tells it: which calls began, which ended, which bytes they carried.

Reads segments in order as they grow, whole lines only. Keeps where the pieces of an undecided call lie, and some megabytes
of the pieces themselves: most calls end soon after they began. Decides nothing about rows: `due` names the calls that are ready, `decided` is told where their rows went.
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Final

from addon.storage.folders import Folders, entries, open_file, parse_segment
from addon.storage.journal_lines import CallEnd, CallStart, bodies_of, parse_line, piece_of
from addon.storage.known_lines import KnownLines
from addon.storage.record import EventRow

# After the terminal event of a stream its last bytes and the connection's end may still come; rows do not wait longer.
AMEND_S: Final = 1.0
# A segment has about 16 MiB. A line with a piece of a body is longer than the piece, up to sixfold; a file of somebody
# else's may be anything.
READ_BYTES: Final = 8 * 2**20
LARGE_BYTES: Final = 256 * 2**10  # of a call's lines
LONGEST_LINE_BYTES: Final = 256 * 2**20
HELD_BYTES: Final = 16 * 2**20  # of pieces in memory; beyond it they are fetched from the segments when they are needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as the journal has it: all that a row is made of. `end` is None where the run died first."""

    call_id: str
    start: CallStart
    end: CallEnd | None
    request: bytes  # as sent, compressed if it was
    response: bytes
    may_wait: bool = False  # for the row of the response that it continues, if that has none yet


@dataclass(slots=True)
class OpenCall:
    """A call that has no row yet. `pieces`: (segment, offset, length) of each line with a part of a body."""

    start: CallStart
    end: CallEnd | None = None
    end_in: int | None = None  # the segment of the deciding end
    final: bool = False  # nothing will amend the end
    ready_at: float = 0.0  # monotonic; until then an end that is not final may be amended
    pieces: list[tuple[int, int, int]] = field(default_factory=list)
    # The same lines, as long as they are held in memory; None: they have to be fetched.
    held: list[bytes] | None = field(default_factory=list)

    @property
    def is_large(self) -> bool:
        """Whether its row may take seconds to make."""
        return sum(length for _, _, length in self.pieces) > LARGE_BYTES


@dataclass(slots=True)
class Segment:
    """One file of the run, and what is known of it."""

    name: str
    path: Path
    data: bool = True  # the file is there (a `.done` note may outlive it)
    read_to: int = 0
    sealed: bool = False  # it gets no more lines
    complete: bool = False  # sealed and read to its end
    foreign: str | None = None  # why we cannot read all of it; such a file is never deleted
    done: bool = False  # its rows are in Parquet and the note says so
    done_at: float = 0.0  # monotonic
    calls: set[str] = field(default_factory=set)  # with any line in here
    ends: set[str] = field(default_factory=set)  # with an end in here
    settled: list[str] = field(default_factory=list)  # calls and events whose rows belong to this segment


class Run:
    """All segments of one run, and its undecided calls."""

    def __init__(self, folders: Folders, name: str, say: Callable[[str], None]) -> None:
        self.folders, self.name = folders, name
        self.dead = False
        self.segments: dict[int, Segment] = {}
        self.calls: dict[str, OpenCall] = {}
        self.events: dict[str, tuple[int, EventRow]] = {}  # not settled: id -> (segment, row)
        self.settled: dict[str, int] = {}  # call or event -> segment of its row
        self.read_all = False  # nothing was left to read when we last looked
        self.stuck = False  # a segment cannot be read
        self.broken = False  # a bug of ours stops it; what it holds stays for a better version
        self._held_bytes = 0
        self._known_lines = KnownLines()
        self._say = say

    def add_segment(self, sequence: int, *, data: bool, settled: Iterable[str] = (), done: bool = False) -> None:
        """Takes a segment into the run; `settled` are the calls and events whose rows a former settler wrote for it."""
        self.dead = False
        name = f"{self.name}-{sequence:06d}"
        segment = Segment(name, self.folders.journal / f"{name}.jsonl", data=data, done=done, settled=list(settled))
        segment.complete = segment.sealed = not data
        self.settled |= dict.fromkeys(segment.settled, sequence)
        self.segments[sequence] = segment
        if len(self.segments) > 1:
            self.segments = dict(sorted(self.segments.items()))

    def newest(self) -> Segment | None:
        return next((segment for segment in reversed(self.segments.values()) if segment.data), None)

    def look(self) -> None:
        """Seals what a newer segment or the run's death has sealed. Call it after `add_segment` and before reading.

        A live run always holds the lock of its newest segment, and takes the next before it gives up the last. So a
        lock that can be had means death only if no newer segment has turned up by then.
        """
        newest = self.newest()
        if not self.dead and (newest is None or is_free(newest.path)):
            self.dead = not any(self._is_new(entry.name) for entry in entries(self.folders.journal))
        for segment in self.segments.values():
            segment.sealed = segment.sealed or self.dead or segment is not newest

    def _is_new(self, name: str) -> bool:
        found = parse_segment(name.removesuffix(".jsonl"))
        return found is not None and found[0] == self.name and found[1] > max(self.segments)

    def read(self, now: float) -> bool:
        """Reads on in the first segment that is not read to its end. False: there is nothing more to read for now."""
        self.read_all = False
        for sequence, segment in self.segments.items():
            if not segment.complete:
                try:
                    if self._read_segment(sequence, segment, now):
                        return True
                except OSError as error:  # later segments make no sense without this one
                    if not self.stuck:
                        self._say(f"{segment.path}: cannot be read ({error.strerror}); what follows it waits")
                    self.stuck = True
                    return False
        self.stuck = False
        self.read_all = True
        return False

    def due(self, now: float) -> Iterator[tuple[str, OpenCall]]:
        """The calls that are ready to become rows."""
        for call_id, call in list(self.calls.items()):
            if call.final or (self.read_all and (self.dead or (call.end is not None and call.ready_at <= now))):
                yield call_id, call

    def segment_of(self, call: OpenCall) -> int | None:
        """The segment that the row of a due call belongs to: that of its end, else the one that waits for all calls."""
        return self._last_open() if call.end_in is None else call.end_in

    def _last_open(self) -> int | None:
        return next((number for number in reversed(self.segments) if not self.segments[number].done), None)

    def decided(self, call_id: str, sequence: int | None) -> None:
        """The call's row was written for this segment, or (None) it can have no row."""
        self._held_bytes -= sum(map(len, self.calls.pop(call_id).held or ()))
        if sequence is not None:
            self.settled[call_id] = sequence
            self.segments[sequence].settled.append(call_id)

    def event_settled(self, event_id: str) -> None:
        """The event's row was written, for the segment that it stands in."""
        sequence, _ = self.events.pop(event_id)
        self.settled[event_id] = sequence
        self.segments[sequence].settled.append(event_id)

    def load(self, call_id: str, call: OpenCall) -> Call:
        """The call with its bodies. Raises OSError; what is damaged, or was removed by somebody, is left out and named."""
        lines = list(self._fetched(call_id, call)) if call.held is None else call.held
        try:
            request, response = bodies_of(lines)
        except ValueError:
            request, response = bodies_of(self._undamaged(call_id, call, lines))
        return Call(call_id=call_id, start=call.start, end=call.end, request=request, response=response)

    def _fetched(self, call_id: str, call: OpenCall) -> Iterator[bytes]:
        """The lines with the call's pieces. Raises OSError."""
        for sequence, pieces in groupby(call.pieces, key=lambda piece: piece[0]):
            path = self.segments[sequence].path
            try:
                with os.fdopen(open_file(path), "rb") as file:
                    for _, offset, length in pieces:
                        yield os.pread(file.fileno(), length, offset)
            except FileNotFoundError as error:
                self._say(f"{path}: has changed under us ({error}); the row of call {call_id} lacks what was in it")

    def _undamaged(self, call_id: str, call: OpenCall, lines: list[bytes]) -> Iterator[bytes]:
        for (sequence, _, _), raw in zip(call.pieces, lines, strict=False):
            try:
                bodies_of([raw])
            except ValueError as error:
                segment = self.segments[sequence]
                if segment.foreign is None:
                    segment.foreign = str(error)
                    self._say(f"{segment.path}: a piece of call {call_id} is damaged ({error}); its row lacks it")
            else:
                yield raw

    def finished(self) -> Iterator[tuple[int, Segment]]:
        """Segments that get no more rows: read to the end, and every call that ended in them and every event has its row.

        The last segment of a dead run also takes the calls that never ended, so it waits for all.
        """
        last = self._last_open()
        waiting = {sequence for sequence, _ in self.events.values()}
        for sequence, segment in list(self.segments.items()):
            ready = segment.complete and not segment.done and segment.ends.isdisjoint(self.calls)
            if ready and sequence not in waiting and (sequence != last or not self.calls):
                yield sequence, segment

    def row_segments(self, segment: Segment) -> set[int]:
        """The segments that hold the rows of the calls that ended in this one."""
        return {self.settled[call_id] for call_id in segment.ends if call_id in self.settled}

    def data_is_spent(self, segment: Segment) -> bool:
        """Whether nobody will need the lines of this segment: the rows of all its calls are in Parquet."""
        if not (segment.complete and segment.done):
            return False
        segment.calls = {call_id for call_id in segment.calls if not self._is_stored(call_id)}
        return not segment.calls

    def forget(self, sequence: int) -> None:
        """The segment and its note are gone."""
        for call_id in self.segments.pop(sequence).settled:
            self.settled.pop(call_id, None)

    def _is_stored(self, call_id: str) -> bool:
        if call_id in self.calls:
            return False
        segment = self.segments.get(self.settled.get(call_id, -1))
        return segment is None or segment.done

    def _read_segment(self, sequence: int, segment: Segment, now: float) -> bool:
        """Takes in the new lines; what is sealed is complete then. True: there were some. Raises OSError."""
        try:
            with os.fdopen(open_file(segment.path), "rb") as file:
                file.seek(segment.read_to)
                data = _some_lines(file)
                at_end = not file.read(1)
        except FileNotFoundError:
            self._say(f"{segment.path}: is gone before it was settled")
            segment.data = False
            segment.complete = segment.sealed = True
            return False
        *lines, torn = data.split(b"\n")
        if len(torn) > LONGEST_LINE_BYTES:
            segment.foreign = "a line longer than any of ours"
            self._say(f"{segment.path}: has {segment.foreign} at byte {segment.read_to}; what follows is skipped")
            segment.complete, at_end, torn = segment.sealed, True, b""
        for raw in lines:
            try:
                self._take(raw, sequence, segment, now)
            except ValueError as error:
                if segment.foreign is None:
                    segment.foreign = str(error)
                    where = f"{segment.path}: the line at byte {segment.read_to}"
                    self._say(f"{where} is not ours ({error}); it and others like it are skipped")
            segment.read_to += len(raw) + 1
        if not at_end:
            return True
        segment.complete = segment.sealed
        if segment.complete and torn:
            self._say(f"{segment.path}: drops a torn tail of {len(torn)} bytes")
        return bool(lines)

    def _take(self, raw: bytes, sequence: int, segment: Segment, now: float) -> None:
        """Takes in one line. Raises ValueError for one that is not ours."""
        if call_id := piece_of(raw):
            self._take_piece(call_id, raw, sequence, segment)
            return
        line = self._known_lines.read(raw) or parse_line(raw)
        call_id = line.call_id
        if line.row is not None:
            if call_id not in self.settled:
                self.events[call_id] = sequence, line.row
                segment.done = False  # if it was: by an older settler, which does not know events
            return
        if line.call is None:
            self._take_piece(call_id, raw, sequence, segment)
            return
        if isinstance(line.call, CallStart) and call_id not in self.settled:
            self.calls.setdefault(call_id, OpenCall(line.call))
        call = self._open(call_id, segment)
        if isinstance(line.call, CallEnd) and call_id in segment.calls:
            segment.ends.add(call_id)
            if call:
                call.end, call.end_in = line.call, sequence
                call.final, call.ready_at = line.final, now + AMEND_S

    def _take_piece(self, call_id: str, raw: bytes, sequence: int, segment: Segment) -> None:
        if (call := self._open(call_id, segment)) is None:
            return
        call.pieces.append((sequence, segment.read_to, len(raw)))
        if call.held is not None:
            call.held.append(raw)
            self._held_bytes += len(raw)
            if self._held_bytes > HELD_BYTES:
                self._let_go()

    def _let_go(self) -> None:
        for call in self.calls.values():
            call.held = None
        self._held_bytes = 0

    def _open(self, call_id: str, segment: Segment) -> OpenCall | None:
        """The call that a line of this segment belongs to. None: it has its row, and the line came late or was read by a
        settler before us; or its start went with a segment that was settled long ago."""
        call = self.calls.get(call_id)
        if call is not None or call_id in self.settled:
            segment.calls.add(call_id)
        return call


def _some_lines(file: BinaryIO) -> bytes:
    """Some megabytes, more only where a line is longer."""
    data = file.read(READ_BYTES)
    while data and b"\n" not in data and len(data) <= LONGEST_LINE_BYTES and (more := file.read(READ_BYTES)):
        data += more
    return data


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock of a segment."""
    try:
        descriptor = open_file(path)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
