"""Which calls have begun, by the start lines that are still in the journal: a call may be spoken of before it has a row.

Ask the journal first and the lake after it: what has left the journal in between is a row by then.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson

from addon.storage.folders import Folders, NotOurs, entries, open_file, parse_segment
from addon.storage.journal_lines import CallStart, parse_line

_START: Final = b'{"t":"start"'
MOST_BYTES: Final = 256 * 2**20  # the newest segments; only after a crash under load is there more, until it is settled


def calls_begun(folders: Folders, text: str) -> Iterator[CallStart]:
    """Calls whose start lines name `text` (a request id, a session id, ...) in whole, the newest segments first."""
    wanted = orjson.dumps(text)
    left = MOST_BYTES
    for path, size in _segments(folders):
        left -= size
        if left < 0:
            return
        try:
            with os.fdopen(open_file(path), "rb") as lines:
                yield from _starts(lines, wanted)
        except (FileNotFoundError, NotOurs):
            continue  # settled meanwhile, or not a segment


def count_begun(folders: Folders, run: str) -> int:
    """How many calls of a run have start lines in segments that are not settled."""
    found = 0
    for path, _ in _segments(folders):
        if path.name.startswith(run) and not path.with_suffix(".done").exists():
            try:
                with os.fdopen(open_file(path), "rb") as lines:
                    found += sum(line.startswith(_START) for line in lines)
            except (FileNotFoundError, NotOurs):
                continue
    return found


def _segments(folders: Folders) -> list[tuple[Path, int]]:
    found: list[tuple[float, Path, int]] = []
    for entry in entries(folders.journal):
        if entry.name.endswith(".jsonl") and parse_segment(entry.name.removesuffix(".jsonl")):
            try:
                stat = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            found.append((stat.st_mtime, Path(entry.path), stat.st_size))
    return [(path, size) for _, path, size in sorted(found, reverse=True)]


def _starts(lines: Iterator[bytes], wanted: bytes) -> Iterator[CallStart]:
    for raw in lines:
        if raw.startswith(_START) and wanted in raw:
            try:
                call = parse_line(raw).call
            except ValueError:
                continue  # torn or foreign: the settler tells of it
            if isinstance(call, CallStart):
                yield call
