"""The places under DATA: every name of a folder or file that storage uses is spelled here.

journal/<run>-<seq>.jsonl            a segment: what the proxy writes, flock-held by its process
journal/<run>-<seq>.done             all rows of that segment are in Parquet; holds the ids of its calls and events
settled/<table>/<segment>.<date>.jsonl   rows that have no Parquet file yet
lake/<table>/date=<date>/<name>.parquet
lake/<table>/date=<date>/<name>.replaces   names the files that <name>.parquet stands for
settle.lock                          held by the one settler of this data folder
cache.sqlite                         answers that may be given again; may be deleted at any time
webhooks.sqlite                      what is to be told to whom, and was
webhooks-dead.jsonl                  what nobody took
limits.sqlite                        what is left of limits, what is spent of budgets (recounted from the lake at a start)
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

SEGMENT: Final = re.compile(r"(?P<run>\d{8}T\d{6}-[0-9a-f]{16})-(?P<seq>\d{6,})")
_SETTLED: Final = re.compile(rf"(?P<segment>{SEGMENT.pattern})\.(?P<date>\d{{4}}-\d\d-\d\d)\.jsonl")


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things are in one data folder."""

    data: Path

    @property
    def journal(self) -> Path:
        return self.data / "journal"

    @property
    def lock(self) -> Path:
        return self.data / "settle.lock"

    @property
    def cache(self) -> Path:
        return self.data / "cache.sqlite"

    @property
    def limits(self) -> Path:
        return self.data / "limits.sqlite"

    @property
    def webhooks(self) -> Path:
        return self.data / "webhooks.sqlite"

    @property
    def dead_letters(self) -> Path:
        return self.data / "webhooks-dead.jsonl"

    def make(self) -> None:
        """Makes what a proxy needs to start. Raises OSError."""
        make_folder(self.journal)

    def settled(self, table: str) -> Path:
        return self.data / "settled" / table

    def settled_file(self, table: str, segment: str, day: date) -> Path:
        return self.settled(table) / f"{segment}.{day.isoformat()}.jsonl"

    def lake(self, table: str) -> Path:
        return self.data / "lake" / table

    def lake_day(self, table: str, day: date) -> Path:
        return self.lake(table) / f"date={day.isoformat()}"

    def parquet(self, table: str, segment: str, day: date) -> Path:
        return self.lake_day(table, day) / f"{segment}.parquet"


def parse_segment(name: str) -> tuple[str, int] | None:
    """(run, sequence number) of a segment's name, suffix left off; None: not one of ours."""
    found = SEGMENT.fullmatch(name)
    return (found["run"], int(found["seq"])) if found else None


def parse_settled(name: str) -> tuple[str, date] | None:
    """(segment, date) of a settled file's name; None: not one of ours."""
    found = _SETTLED.fullmatch(name)
    day = parse_day(found["date"]) if found else None
    return (found["segment"], day) if found and day else None


def parse_day(text: str) -> date | None:
    """The date of `2026-11-21`, or None. Not of `20261121`: DuckDB reads no such partition."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


def make_folder(folder: Path) -> None:
    """Makes a folder and its missing parents, all of them 0700: bodies are nobody else's business."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder; nothing if there is no such folder."""
    try:
        with os.scandir(folder) as found:
            yield from found
    except FileNotFoundError:
        return


def sync_folder(folder: Path) -> None:
    """Makes new and removed names durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """write(2) until all is written. Raises OSError; a part may be written then."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_note(path: Path, lines: Iterable[str]) -> None:
    """A file of lines that is there whole and durably, or not at all."""
    hidden = path.parent / f".{path.name}.tmp"
    descriptor = os.open(hidden, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, "".join(f"{line}\n" for line in lines).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    hidden.rename(path)
    sync_folder(path.parent)
