"""The records of a file, whatever its form: JSON Lines, one JSON document, CSV with a header."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from addon.intake.importing.model import HistoryError

SUFFIXES: Final = (".jsonl", ".json", ".csv", ".ndjson")
_HEAD: Final = 65_536  # bytes that tell the form
_LONGEST_FIELD: Final = 2**31 - 1  # of a CSV: prompts are long
# Where a document keeps its records: an answer of an API, the download of one trace.
_LISTS: Final = ("data", "observations")


class Record(NamedTuple):
    where: str  # for messages: the file and the line
    fields: dict[str, Any]


def records(path: Path, *, is_unfinished: bool = False) -> Iterator[Record]:
    """Each object of the file. `is_unfinished`: a last line that breaks off is left out. Raises HistoryError."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).lstrip(b"\xef\xbb\xbf \t\r\n")
        if not head:
            return
        if head[:1] == b"[" or (head[:1] == b"{" and not _is_lines(head)):
            yield from _of_document(path)
        elif head[:1] == b"{":
            yield from _of_lines(path, is_unfinished)
        else:
            yield from _of_csv(path)
    except OSError as error:
        raise HistoryError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise HistoryError(f"{path}: not text in UTF-8: {error.reason} at byte {error.start}") from error


def _is_lines(head: bytes) -> bool:
    """Whether the first line is a JSON value by itself. One that is longer than the head is taken for one."""
    line, newline, _ = head.partition(b"\n")
    if not newline:
        return len(head) >= _HEAD // 2
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _of_lines(path: Path, is_unfinished: bool) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path}: line {number}"
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                if is_unfinished and not line.endswith(b"\n"):
                    return
                raise HistoryError(f"{where}: not JSON ({error}); is the file whole?") from error
            if isinstance(found, dict):
                yield Record(where, found)
            elif not is_unfinished:
                raise HistoryError(f"{where}: not a JSON object")


def _of_document(path: Path) -> Iterator[Record]:
    try:
        found = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise HistoryError(f"{path}: not JSON ({error}); is the file whole?") from error
    if isinstance(found, dict):
        listed = next((found[name] for name in _LISTS if isinstance(found.get(name), list)), None)
        trace = found.get("trace")
        context = trace if isinstance(trace, dict) else {}
        found = [found] if listed is None else [_within(context, each) for each in listed]
    for number, each in enumerate(found, 1):
        if not isinstance(each, dict):
            raise HistoryError(f"{path}: record {number} is not a JSON object")
        yield Record(f"{path}: record {number}", each)


def _within(trace: Mapping[str, Any], record: Any) -> Any:
    """An observation with what its trace says of all of them."""
    if not isinstance(record, dict):
        return record
    return {name: trace[name] for name in ("userId", "sessionId") if name in trace} | record


def _of_csv(path: Path) -> Iterator[Record]:
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        try:
            for row in rows:
                where = f"{path}: line {rows.line_num}"
                if None in row or None in row.values():
                    raise HistoryError(f"{where}: not as many columns as in the header; is the file whole?")
                yield Record(where, row)
        except csv.Error as error:
            raise HistoryError(f"{path}: line {rows.line_num}: not CSV ({error}); is the file whole?") from error


def as_json(value: Any) -> Any:
    """A column of a CSV that holds JSON; other values as they are."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return None if value == "" else value
