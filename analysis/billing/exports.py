"""The exports that a person gives: each recognised by its columns, read to its end, and never counted twice."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from analysis.billing import anthropic, aws, google, openai, openrouter
from analysis.billing.files import Records, WrongFile, read_records
from analysis.billing.line import BillLine, Format, Record, WrongCell

FORMATS: Final = (*openai.FORMATS, *anthropic.FORMATS, *google.FORMATS, *aws.FORMATS, *openrouter.FORMATS)


@dataclass(frozen=True, slots=True)
class Export:
    """The lines of one file. `goes_on`: it says that there are more pages."""

    path: Path
    format: Format
    lines: list[BillLine]
    goes_on: bool
    seen: frozenset[bytes] = field(repr=False, default=frozenset())  # of the records behind the lines


def read_exports(paths: Sequence[Path]) -> list[Export]:
    """All of the files. Raises WrongFile or OSError for the first one that cannot be read whole; nothing is then taken."""
    exports: list[Export] = []
    for path in paths:
        export = _read(path)
        for earlier in exports:
            if earlier.format is export.format and earlier.seen & export.seen:
                raise WrongFile(
                    f"{path} has lines that {earlier.path} has, too; they would count twice. Give each line once"
                )
        exports.append(export)
    return exports


def recognise(path: Path, columns: frozenset[str]) -> Format:
    """The format with these columns. Raises WrongFile that says what was expected."""
    for each in FORMATS:
        if each.columns <= columns:
            return each
    nearest = max(FORMATS, key=lambda each: len(each.columns & columns) / len(each.columns))
    if 2 * len(nearest.columns & columns) >= len(nearest.columns):
        lacking = ", ".join(sorted(nearest.columns - columns))
        raise WrongFile(f"{path}: like {nearest.name}, but without {lacking}; {nearest.source} has its columns")
    known = "; ".join(each.name for each in FORMATS)
    raise WrongFile(f"{path}: not an export that is known here. Expected one of: {known}")


def _read(path: Path) -> Export:
    records = read_records(path)
    found = recognise(path, records.columns)
    lines: list[BillLine] = []
    seen: set[bytes] = set()
    for record, line in _lines(path, records, found):
        lines.append(line)
        seen.add(
            hashlib.blake2b(repr(sorted(record.items(), key=lambda item: item[0])).encode(), digest_size=16).digest()
        )
    if not lines:
        raise WrongFile(f"{path}: {found.name} without a line of usage or cost; nothing to compare")
    return Export(path, found, lines, records.goes_on, frozenset(seen))


def _lines(path: Path, records: Records, found: Format) -> Iterator[tuple[Record, BillLine]]:
    for where, record in records.rows:
        try:
            if line := found.read(record):
                yield record, line
        except WrongCell as error:
            raise WrongFile(f"{path}: {where}: {error} ({found.name})") from error
