"""Readers while rows arrive, segments settle into Parquet and files merge: every answer is right."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from addon.settling.merge import finish_merges, merge_day
from addon.settling.parquet import settled_to_parquet
from addon.settling.settled_files import SettledFile, row_fields
from addon.storage.folders import Folders
from addon.storage.record import BodyRow, RequestRow
from analysis.lake import Connection, Lake

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SEGMENTS, CALLS = 40, 25
GRACE_S = 2.0  # for a reader to open what it has listed; 15 and 60 s in a proxy


class Writer:
    """Does what a settler does, quickly: rows as lines, then as Parquet, then the lines go."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.written = 0  # calls whose row is on the disk
        self.begun = 0  # calls whose row may be
        self.parquet_since: dict[SettledFile, float] = {}

    def run(self) -> None:
        for number in range(SEGMENTS):
            file = SettledFile(self.folders, f"20261121T120000-0123456789abcdef-{number:06d}", NOON.date())
            for call in range(CALLS):
                self._append(file, f"{number}-{call}")
            file.close()
            for table, source in file.paths().items():
                settled_to_parquet(source, self.folders.parquet(table, file.segment, file.day), table)
            self.parquet_since[file] = time.monotonic()
            self.remove_lines(GRACE_S)
        time.sleep(GRACE_S)
        self.remove_lines(GRACE_S)

    def _append(self, file: SettledFile, request_id: str) -> None:
        at = NOON + timedelta(seconds=self.begun)
        row = RequestRow(
            request_id=request_id, started_at=at, provider_name="openai", operation_name="chat", session_id="s"
        )
        self.begun += 1
        file.append(request_id, row_fields(row), row_fields(BodyRow(request_id=request_id, started_at=at)))
        self.written += 1

    def remove_lines(self, older_than_s: float) -> None:
        for file, since in list(self.parquet_since.items()):
            if time.monotonic() - since >= older_than_s:
                for source in file.paths().values():
                    source.unlink(missing_ok=True)
                del self.parquet_since[file]


def merge_in_a_loop(folders: Folders, has_merged: threading.Event, over: threading.Event) -> int:
    """Merges whatever can be; returns how often."""
    merged = 0
    while not over.is_set():
        for table in ("requests", "bodies"):
            if merge_day(folders, table, NOON.date()) is not None:
                merged += 1
                has_merged.set()
            # As after the grace that is set for proxies.
            finish_merges(folders, table, NOON.date(), time.time() + 60 - GRACE_S)
        time.sleep(0.1)
    return merged


def count(connection: Connection) -> tuple[int, int, int]:
    (found,) = connection.sql("""
        select count(*), count(distinct request_id), (select count(*) from bodies) from requests
    """).fetchall()
    return found


def read_in_a_loop(writer: Writer, over: threading.Event) -> list[str]:
    """What was wrong; the number of answers last."""
    wrong: list[str] = []
    answers = 0
    lake = Lake(writer.folders.data, wrong.append)
    while not over.is_set():
        least = writer.written
        calls, different, bodies = lake.ask(count)
        most = writer.begun
        answers += 1
        if not (least <= calls <= most and calls == different and least <= bodies <= most):
            wrong.append(f"{calls} calls, {different} different, {bodies} bodies; {least} to {most} were written")
    return [*wrong, f"{answers} answers"]


def test_no_reader_ever_sees_a_call_twice_or_not_at_all(tmp_path: Path) -> None:
    folders, has_merged, over = Folders(tmp_path), threading.Event(), threading.Event()
    writer = Writer(folders)
    results: dict[str, object] = {}

    def keep(name: str, work: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                results[name] = work()
            except Exception as error:
                results[name] = [repr(error), "failed"]

        thread = threading.Thread(target=run, name=name)
        thread.start()
        return thread

    others = [keep("merger", lambda: merge_in_a_loop(folders, has_merged, over))]
    others += [keep(f"reader {n}", lambda: read_in_a_loop(writer, over)) for n in range(2)]
    try:
        writer.run()
        has_merged.wait(60)  # on a busy machine the writer may be done first
    finally:
        over.set()
        for thread in others:
            thread.join()
    merged = results.pop("merger")
    assert isinstance(merged, int) and merged >= 1, merged
    for said in results.values():
        assert isinstance(said, list) and len(said) == 1, said
        assert int(said[0].split()[0]) > 5, said
    assert Lake(tmp_path).ask(count) == (SEGMENTS * CALLS,) * 3
