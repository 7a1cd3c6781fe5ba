"""Which files hold the rows of a table at this moment, and which columns they have.

Needs neither pyarrow nor the settler. Readers build their queries from `visible_files`, never from a glob: between two
renames a row is in two files, and the rules here say which one counts.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import cache, lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, Final, NamedTuple, get_args, get_type_hints

from addon.storage.folders import Folders, entries, open_file, parse_day, parse_settled, read_lines, refuse_unsafe
from addon.storage.record import TABLES

_DUCKDB: Final[dict[Any, str]] = {
    str: "VARCHAR",
    int: "BIGINT",
    float: "DOUBLE",
    bool: "BOOLEAN",
    datetime: "TIMESTAMPTZ",
    tuple[str, ...]: "VARCHAR[]",
    dict[str, str]: "MAP(VARCHAR, VARCHAR)",
}


# Two changes within a tick of the file system's clock have the same time, and those of far disks tick once a second.
_SETTLED_NS: Final = 3_000_000_000


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one table, each row in exactly one of `parquet` and `settled`."""

    parquet: list[Path]
    settled: list[Path]
    foreign: list[Path]  # not ours, or torn: to be named and left alone

    @property
    def has_rows(self) -> bool:
        return bool(self.parquet or self.settled)


@cache  # a tenth of a millisecond each time, and a segment that becomes Parquet asks six times
def column_types(table: str) -> Mapping[str, Any]:
    """Name and Python type of each column in the record's order; `X | None` is X, as every column may be NULL."""
    record = TABLES[table]
    hints = get_type_hints(record)
    return {item.name: _without_none(hints[item.name]) for item in fields(record)}


def time_column(table: str) -> str:
    """The one column with a time: its date is the partition, and rows lie in its order."""
    (name,) = (name for name, kind in column_types(table).items() if kind is datetime)
    return name


def duckdb_columns(table: str) -> dict[str, str]:
    """Name and DuckDB type of each column, as `read_ndjson(columns = ...)` wants them."""
    return {name: _DUCKDB[kind] for name, kind in column_types(table).items()}


def visible_files(data: Path, table: str, days: tuple[date, date] | None = None) -> Listing:
    """The files that make up a table at this moment; of `days`, first and last, only those with rows of these days.

    Settled files are listed first: one that becomes Parquet in between is then seen in both places, and left out of
    `settled`. A file that a merged one replaces is left out; notes are read by name, as a listing may have missed them.
    Files stay for a grace after they are replaced, so a query has that long to open what is listed here.
    """
    folders = Folders(data)
    foreign: list[Path] = []
    settled: list[tuple[Path, str, str]] = []  # path, its Parquet's folder, its Parquet's name
    for place in (folders.settled(table), folders.lake(table)):
        if place.exists() and not place.is_dir():
            foreign.append(place)
    for entry in sorted(entries(folders.settled(table)), key=lambda entry: entry.name):
        parsed = parse_settled(entry.name)
        if parsed and entry.is_file(follow_symlinks=False):
            segment, day = parsed
            parquet = folders.parquet(table, segment, day)
            settled.append((Path(entry.path), str(parquet.parent), parquet.name))
        elif not entry.name.startswith("."):
            foreign.append(Path(entry.path))

    parquet_files: list[Path] = []
    published: set[tuple[str, str]] = set()  # (folder, name) of what is in Parquet, replaced or not
    for folder in sorted(entries(folders.lake(table)), key=lambda entry: entry.name):
        of_day = parse_day(folder.name.removeprefix("date=")) if folder.name.startswith("date=") else None
        if of_day is None or not folder.is_dir():
            foreign.append(Path(folder.path))
            continue
        if days and not days[0] <= of_day <= days[1]:
            continue
        found = _day(folder.path)
        parquet_files += found.visible
        published |= found.published
        foreign += found.foreign
    return Listing(
        parquet=parquet_files,
        settled=[path for path, folder, name in settled if (folder, name) not in published],
        foreign=foreign,
    )


class _Day(NamedTuple):
    """One day's folder. `published`: (folder, name) of what is in Parquet, replaced or not."""

    visible: tuple[Path, ...]
    published: frozenset[tuple[str, str]]
    foreign: tuple[Path, ...]


def _day(folder: str) -> _Day:
    """What is in it, as it was read before where nothing has come or gone since: of a month's folders few change, and reading
    them all takes 20 ms each time."""
    look = _look(folder)
    if look is None or time.time_ns() - look[1] <= _SETTLED_NS:  # also where the clock went back
        return _read_day(folder)
    day = _remembered_day(folder, look)
    return _read_day(folder) if day.foreign else day  # somebody may mend the bytes of such a file in its place


@lru_cache(maxsize=4096)  # 800 days of five tables
def _remembered_day(folder: str, look: object) -> _Day:
    return _read_day(folder)


def _read_day(folder: str) -> _Day:
    names, foreign = list_day(Path(folder))
    hidden = replaced_names(Path(folder), names, foreign)
    visible: list[Path] = []
    for name in sorted(names - hidden):
        path = Path(folder, name)
        (visible if is_whole(path) else foreign).append(path)  # rows of a torn one may still be among the settled ones
    published = frozenset((folder, name) for name in (*hidden, *(path.name for path in visible)))
    return _Day(tuple(visible), published, tuple(foreign))


def has_files(data: Path, table: str) -> bool:
    """Whether a table may have rows: there is a file in its folders, whatever it is. Raises NotOurs for a folder that others can
    write to."""
    refuse_unsafe(data)
    folders = Folders(data)
    days = (Path(entry.path) for entry in entries(folders.lake(table)))
    places = (folders.settled(table), folders.lake(table))
    return any(place.exists() and not place.is_dir() for place in places) or any(
        any(not entry.is_dir() for entry in entries(place)) for place in (*places, *days)
    )


def visible_day(folder: Path) -> list[Path]:
    """The Parquet files that count in one day's folder."""
    names, _ = list_day(folder)
    return [path for name in sorted(names - replaced_names(folder, names)) if is_whole(path := folder / name)]


def list_day(folder: Path) -> tuple[set[str], list[Path]]:
    """(names of Parquet files, paths of what does not belong) in one day's folder. Hidden files are being written."""
    names: set[str] = set()
    foreign: list[Path] = []
    for entry in entries(folder):
        if entry.name.endswith(".parquet") and not entry.name.startswith("."):
            names.add(entry.name)
        elif not entry.name.startswith(".") and not entry.name.endswith(".replaces"):
            foreign.append(Path(entry.path))
    return names, foreign


def replaced_names(folder: Path, names: set[str], foreign: list[Path] | None = None) -> set[str]:
    """The files that the notes of `names` hide. Notes that are not ours hide nothing, and are added to `foreign`. Nor
    does the note of a merged file that is torn: its inputs may still be there."""
    hidden: set[str] = set()
    place = str(folder)
    for name in names:
        if not name.startswith(MERGED_PREFIX):
            continue
        note, merged = f"{place}/{name.removesuffix('.parquet')}.replaces", f"{place}/{name}"
        look = _look(note)
        if look is None:  # most notes have gone, so few files are opened
            continue
        try:
            hidden |= _hidden_by(note, merged, (look, _look(merged))) - {name}
        except _Torn:
            continue
        except ValueError:
            if foreign is not None:
                foreign.append(Path(note))
    return hidden


class _Torn(Exception):
    """A merged file that cannot be read, now at least."""


def _look(path: str) -> tuple[int, int, int] | None:
    """Changes with the bytes of a file: notes and Parquet files are written under another name and renamed. None: it is gone."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=512)  # shipping asks seven times in each round for all notes of a day: a third of its CPU
def _hidden_by(note: str, merged: str, looks: object) -> frozenset[str]:
    """The names in a note. Raises _Torn, and ValueError for what is not a note of ours: neither is remembered."""
    if not is_whole(Path(merged)):
        raise _Torn
    replaced = read_note(Path(note))
    if replaced is None:
        raise ValueError(note)
    return frozenset(replaced)


MERGED_PREFIX: Final = "c-"  # only merged files have notes, so only their notes are looked for


def read_note(path: Path) -> list[str] | None:
    """The file names in a `.replaces` note; none if the note has done its work and is gone. None: not a note of ours,
    which has lines, each the plain name of a Parquet file."""
    try:
        names = read_lines(path)
    except FileNotFoundError:
        return []
    except OSError:
        return None
    return names if names and all(map(_is_parquet_name, names)) else None


def _is_parquet_name(name: str) -> bool:
    return name.endswith(".parquet") and not name.startswith(".") and name == Path(name).name and len(name) <= 255


def is_whole(path: Path) -> bool:
    """Whether a Parquet file has its head and its foot. One that vanishes meanwhile counts as whole: the query says so."""
    try:
        with os.fdopen(open_file(path), "rb") as file:
            if file.read(4) != b"PAR1":
                return False
            file.seek(-4, 2)
            return file.read(4) == b"PAR1"
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _without_none(hint: Any) -> Any:
    if isinstance(hint, UnionType):
        (kind,) = [part for part in get_args(hint) if part is not type(None)]
        return kind
    return hint
