"""One settler's work: takes runs in, writes the rows of their calls, brings finished segments into Parquet, cleans up.

Every step may be the last one before a kill. What the next settler needs to know is on the disk before anything that
depends on it: `docs/reliability.md` goes through the order.
"""

import contextlib
import functools
import os
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from addon.limits.rules import Budget
from addon.limits.store import StoreDown
from addon.limits.upper_bound import RateTable
from addon.settling.batch import Batch
from addon.settling.chains import ParentUnknown
from addon.settling.charging import Charger, Chargers
from addon.settling.journal_reader import Call, OpenCall, Run, Segment
from addon.settling.messages import Messages, say
from addon.settling.outputs import Outputs
from addon.settling.parents import may_wait, parent_may_come
from addon.settling.redacted import redacted, without_bodies
from addon.settling.settled_files import row_fields
from addon.storage.folders import (
    Folders,
    NotOurs,
    entries,
    parse_segment,
    read_lines,
    write_note,
)
from addon.storage.record import EVENT_TABLES, BodyRow, EventRow, RequestRow

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor

RowMaker = Callable[[Call], tuple[RequestRow, BodyRow]]

GRACE_S: Final = 15.0  # how long a reader may take to open the settled files it has listed
RETRY_AFTER_S: Final = 1.0  # after the disk refused
LONGEST_ID: Final = 100
TMP_AGE_S: Final = 60.0


class Settler:
    """Settles all runs in one data folder. Its process holds `settle.lock`."""

    def __init__(
        self,
        folders: Folders,
        make_rows: RowMaker,
        bare_rows: Callable[[Call, str], tuple[RequestRow, BodyRow]],
        *,
        charger: Charger | Chargers | None = None,
        redactor: "Redactor | None" = None,
        clock: Callable[[], float] = time.monotonic,
        grace_s: float = GRACE_S,
    ) -> None:
        self.folders = folders
        self.calls_settled = 0
        self.troubled_since: float | None = None  # since when the disk has refused to write
        self.backlog = False  # a dead run has more to settle
        self._make_rows, self._bare_rows = make_rows, bare_rows
        self._charger, self._redactor = charger, redactor
        self._clock, self._grace_s = clock, grace_s
        self._runs: dict[str, Run] = {}
        self._seen: set[str] = set()  # names in the journal folder that are taken in or were complained about
        self._outputs = Outputs(folders)
        self._batch = Batch()
        self._retry_at = 0.0
        self._say = Messages(clock)

    def use(
        self, make_rows: RowMaker, budgets: Sequence[Budget], rates: RateTable, redactor: "Redactor | None" = None
    ) -> None:
        """Makes, redacts and charges rows by new settings from now on."""
        self._make_rows, self._redactor = make_rows, redactor
        if self._charger:
            self._charger.use(budgets, rates, redactor)

    def step(self) -> bool:
        """Does what can be done now. True: there was something. `backlog` says whether to step again at once."""
        self.backlog = False
        if self._clock() < self._retry_at:
            return False
        trouble: OSError | None = None
        busy = False
        try:
            self._discover()
            for run in self._runs.values():
                run.look()
        except OSError as error:
            trouble = error
        # Live runs first and completely: their rows may be awaited. Dead runs follow, one segment at a time.
        for run in sorted(self._runs.values(), key=lambda run: run.dead):
            if run.broken or (self.backlog and run.dead):
                continue
            try:
                busy |= self._advance(run)
                busy |= self._finish(run)
                self._clean(run)
            except (NotOurs, IsADirectoryError) as error:
                say(f"run {run.name}: {error}; its journal stays until that is gone and heliograph is started again")
                run.broken = True
            except OSError as error:
                trouble = error
            except Exception:
                say(f"run {run.name}: its journal stays until a better version settles it\n{traceback.format_exc()}")
                run.broken = True
            self.backlog |= run.dead and self._is_unsettled(run)
        if trouble is None:
            self.troubled_since = None
        else:
            now = self._clock()
            self.troubled_since = self.troubled_since or now
            self._retry_at = now + RETRY_AFTER_S
            self.backlog = False
            self._say(f"cannot settle: {trouble}; the journal keeps everything, trying again")
        if self._charger:
            self._try_charging(functools.partial(self._charger.catch_up, time.time()))
        return busy

    def recount_budgets(self) -> None:
        """Sets what is spent to what the rows say. Before the first step: no call may be charged without its row."""
        if self._charger:
            self._try_charging(functools.partial(self._charger.recount, time.time()))

    def unsettled(self, run: str = "") -> bool:
        """Whether dead runs (or those whose names begin with `run`, dead or alive) have rows that are not in Parquet, and can still get there."""
        return any(
            self._is_unsettled(known)
            for known in self._runs.values()
            if known.dead or (run and known.name.startswith(run))
        )

    @staticmethod
    def _is_unsettled(run: Run) -> bool:
        return not (run.stuck or run.broken) and any(not segment.done for segment in run.segments.values())

    def clean_up(self) -> None:
        """Before a shutdown: removes what is in Parquet without waiting for readers. A reader that has just listed the settled
        files finds them gone, and lists them again."""
        self._grace_s = 0.0
        for run in list(self._runs.values()):
            with contextlib.suppress(OSError):  # the next start removes it
                self._clean(run)

    def close(self) -> None:
        self._outputs.close()
        if self._charger:
            self._charger.close()

    # Taking in what is in the journal

    def _discover(self) -> None:
        """Takes in new segments, each only with all that came before it.

        Listing a folder takes time: of two files made meanwhile, the listing may have the second without the first. A second
        listing has everything that was made before any file of the first listing.
        """
        newest = {run: max(sequences) for run, sequences in self._fresh().items()}
        fresh = self._fresh() if newest else {}
        outputs = self._outputs.existing() if fresh else {}
        for name, sequences in fresh.items():
            run = self._runs.get(name) or Run(self.folders, name, self._say)
            taken = {number: suffixes for number, suffixes in sequences.items() if number <= newest.get(name, -1)}
            for sequence, suffixes in sorted(taken.items()):
                self._take_in(run, sequence, suffixes, outputs)
            if taken:
                self._runs[name] = run
                self._seen |= {f"{name}-{number:06d}.{suffix}" for number in taken for suffix in taken[number]}

    def _fresh(self) -> dict[str, dict[int, set[str]]]:
        """Files of segments that are not taken in: run -> sequence -> suffixes. Names what is foreign."""
        fresh: dict[str, dict[int, set[str]]] = {}
        names: set[str] = set()
        for entry in entries(self.folders.journal):
            names.add(entry.name)
            if entry.name in self._seen:
                continue
            stem, _, suffix = entry.name.rpartition(".")
            parsed = parse_segment(stem)
            if parsed and suffix in ("jsonl", "done") and entry.is_file(follow_symlinks=False):
                run, sequence = parsed
                fresh.setdefault(run, {}).setdefault(sequence, set()).add(suffix)
            elif entry.name.startswith(".") and parse_segment(stem.removeprefix(".")):
                _remove_abandoned(entry)
            else:
                self._say(f"{entry.path}: not a file of the journal; skipped")
                self._seen.add(entry.name)
        self._seen &= names
        return fresh

    def _take_in(self, run: Run, sequence: int, suffixes: set[str], outputs: dict[str, set[tuple[str, date]]]) -> None:
        name = f"{run.name}-{sequence:06d}"
        if sequence in run.segments:  # our own note
            return
        settled: list[str] = []
        age_s = 0.0
        found = outputs.get(name, set())
        if "done" in suffixes:
            note = _note(self.folders, name)
            lines = _note_ids(note)
            if lines is None:
                self._say(f"{note}: not a note of ours; skipped")
                suffixes = suffixes - {"done"}
                if not suffixes:
                    return
            settled = lines or []
            age_s = max(0.0, time.time() - note.stat().st_mtime)
        if "done" not in suffixes:
            for day in {day for table, day in found if table not in EVENT_TABLES}:
                settled += self._outputs.calls(name, day).recover()
        for table, day in found:
            if (
                table in EVENT_TABLES
            ):  # also of a done segment: an older settler, which had no events, may have written the note
                settled += self._outputs.events(name, day, table).recover()
        run.add_segment(sequence, data="jsonl" in suffixes, settled=dict.fromkeys(settled), done="done" in suffixes)
        run.segments[sequence].done_at = self._clock() - age_s

    # Calls become rows

    def _advance(self, run: Run) -> bool:
        """Reads what is new (of a dead run: one segment) and settles the calls that are ready."""
        busy = False
        while True:
            more = run.read(self._clock())
            busy |= more
            try:
                # Large ones last; else in their order, so that a response has its row before the one that goes on with it.
                for call_id, call in sorted(run.due(self._clock()), key=lambda due: due[1].is_large):
                    busy |= self._settle(run, call_id, call)
            finally:
                self._batch.commit(functools.partial(self._decided, run))
            for event_id, (sequence, row) in list(run.events.items()):
                self._settle_event(run.segments[sequence], event_id, row)
                run.event_settled(event_id)
                busy = True
            if run.dead or not more:
                return busy

    def _settle(self, run: Run, call_id: str, open_call: OpenCall) -> bool:
        """Makes the call's rows. They are written with those of other calls. Raises OSError: then it, and whatever is not
        written, is still to be settled. False: it waits for the row of another call."""
        sequence = run.segment_of(open_call)
        if sequence is None:
            self._say(f"call {call_id} of run {run.name} began, but the end of its journal is gone; skipped")
            run.decided(call_id, None)
            return True
        call = run.load(call_id, open_call)
        try:
            row, *lines = self._rows(replace(call, may_wait=True) if may_wait(open_call, self._clock()) else call)
        except ParentUnknown:
            if parent_may_come(open_call, run, self._runs.values()):
                return False
            row, *lines = self._rows(call)
        if self._charger:
            self._try_charging(
                functools.partial(
                    self._charger.charge,
                    call_id,
                    call.end,
                    row,
                    time.time(),
                    is_renamed=call.start.model_override is not None,
                )
            )
        file = self._outputs.calls(run.segments[sequence].name, call.start.started_at.date())
        if self._batch.add(call_id, sequence, file, *lines):
            self._batch.commit(functools.partial(self._decided, run))
        return True

    def _decided(self, run: Run, call_id: str, sequence: int) -> None:
        run.decided(call_id, sequence)
        self.calls_settled += 1
        if self._charger:
            self._charger.settled(call_id)

    def _settle_event(self, segment: Segment, event_id: str, row: EventRow) -> None:
        """Writes the event's row. Raises OSError: then it is still to be settled."""
        row = redacted(self._redactor, row) if self._redactor else row
        (table,) = (table for table, record in EVENT_TABLES.items() if isinstance(row, record))
        self._outputs.events(segment.name, row.created_at.date(), table).append(event_id, row_fields(row))

    def _try_charging(self, action: Callable[[], None]) -> None:
        """Rows do not wait for limits: a failure is reported, and the charge is made later."""
        try:
            action()
        except StoreDown as error:
            self._say(f"limits and budgets are not charged: {error}; trying again", about="limits")
        except Exception:
            self._say(f"limits and budgets are not charged\n{traceback.format_exc()}", about="limits")

    def _rows(self, call: Call) -> tuple[RequestRow, dict[str, Any], dict[str, Any]]:
        """The call's row, and its lines; where reading it fails, a row that names the error and keeps the raw bodies.
        Raises ParentUnknown."""
        try:
            request, body = self._make_rows(call)
            return request, row_fields(request), row_fields(body)
        except ParentUnknown:
            raise
        except Exception as error:
            kind = getattr(error, "kind", type(error).__name__)
            request, body = self._bare_rows(call, f"heliograph_{kind}")
            told, kept = str(error), "keeps the raw bodies"
            if self._redactor:
                request, body = without_bodies(self._redactor, (request, body))
                told, kept = self._redactor.text(told), "has no bodies, as there may be secrets in them"
            self._say(f"call {call.call_id}: {kind}: {told}; its row {kept}", about=kind)
            return request, row_fields(request), row_fields(body)

    # Segments become Parquet, and go

    def _finish(self, run: Run) -> bool:
        """Brings finished segments into Parquet and leaves a note. Raises OSError; repeating it does no harm."""
        busy = False
        for _, segment in run.finished():
            # The rows of calls that ended here may belong to later segments. After this note they cannot be made again.
            names = {segment.name} | {run.segments[number].name for number in run.row_segments(segment)}
            self._outputs.finish(segment.name, names)
            write_note(_note(self.folders, segment.name), segment.settled)
            segment.done, segment.done_at = True, self._clock()
            segment.ends.clear()
            busy = True
        return busy

    def _clean(self, run: Run) -> None:
        """Removes what is no longer needed: segments at once, settled rows after the grace, then the notes, oldest first.

        A note is removed last, after all earlier notes of its run: until then it says which of the calls that began in
        earlier segments have their rows.
        """
        oldest = True
        for sequence, segment in list(run.segments.items()):
            if segment.data and segment.foreign is None and run.data_is_spent(segment):
                segment.path.unlink(missing_ok=True)
                segment.data = False
            oldest = oldest and segment.done and not segment.data
            if oldest and self._clock() - segment.done_at >= self._grace_s:
                self._outputs.remove(segment.name)
                _note(self.folders, segment.name).unlink(missing_ok=True)
                run.forget(sequence)
        if not run.segments:
            del self._runs[run.name]


def _note_ids(path: Path) -> list[str] | None:
    """The ids in a `.done` note; None: not one of ours. Raises OSError."""
    ids = read_lines(path)
    return ids if ids is not None and all(0 < len(line) <= LONGEST_ID for line in ids) else None


def _note(folders: Folders, segment: str) -> Path:
    return folders.journal / f"{segment}.done"


def _remove_abandoned(entry: os.DirEntry[str]) -> None:
    """A hidden file of ours that a killed process left; young ones are about to be renamed."""
    with contextlib.suppress(FileNotFoundError):
        if time.time() - entry.stat().st_mtime > TMP_AGE_S:
            Path(entry.path).unlink()
