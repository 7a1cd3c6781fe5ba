"""What a data folder remembers of the files that Iceberg tables name.

    iceberg/lock                      held by the process that commits to the tables
    iceberg/known.json                the tables' ids when they were last met
    iceberg/<date>.json               files of that day that a table names, may name, or has named until a moment ago
    iceberg/status.json               how it goes: iceberg_status.py
    iceberg/tables/                   the tables' own metadata, where no bucket has the lake

A file is noted before it is committed, so whatever the table names of this folder is in the notes, and is not deleted while it
is named. What the table really names is always asked of the table.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

import orjson

from addon.settling.shipped import Forgotten
from addon.storage.folders import Folders, entries, parse_day, write_note

GONE_S: Final = 600.0  # a query may take that long to open what a snapshot named
# A catalog that is away for longer than that keeps no file from being deleted.
LONGEST_HOLD_S: Final = 86_400.0


@dataclass(slots=True)
class Names:
    """Of one table and day. A location is the file's URI."""

    named: set[str] = field(default_factory=set)  # the table names it
    perhaps: set[str] = field(default_factory=set)  # it is about to be committed, or was and we do not know it
    gone: dict[str, float] = field(default_factory=dict)  # the table does not name it any more, since (epoch seconds)

    def all(self) -> set[str]:
        return self.named | self.perhaps | self.gone.keys()


DayNames = dict[str, Names]  # table -> its names


def read_names(folders: Folders, day: date) -> DayNames:
    """Raises OSError, Forgotten."""
    path = _file(folders, day)
    try:
        value = orjson.loads(path.read_bytes())
        return {
            str(table): Names(set(each["named"]), set(each["perhaps"]), dict(each["gone"]))
            for table, each in value.items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Forgotten(f"{path}: not a note of ours; put it back from a backup") from error


def names_look(folders: Folders, day: date) -> int:
    """Changes with the notes of a day. Raises OSError."""
    path = _file(folders, day)
    return path.stat().st_mtime_ns if path.exists() else 0


def write_names(folders: Folders, day: date, names: DayNames) -> None:
    """Durably. Raises OSError."""
    value = {
        table: {"named": sorted(each.named), "perhaps": sorted(each.perhaps), "gone": each.gone}
        for table, each in sorted(names.items())
        if each.all()
    }
    if value:
        write_note(_file(folders, day), [orjson.dumps(value).decode()])
    else:
        _file(folders, day).unlink(missing_ok=True)


def noted_days(folders: Folders) -> Iterator[date]:
    """Raises OSError."""
    for entry in entries(folders.iceberg):
        if entry.name.endswith(".json") and (day := parse_day(entry.name.removesuffix(".json"))):
            yield day


def known_tables(folders: Folders) -> dict[str, str]:
    """Table -> its id. A table with another id is a new one: what was noted of the old one says nothing of it."""
    try:
        value = orjson.loads((folders.iceberg / "known.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def note_tables(folders: Folders, known: Mapping[str, str]) -> None:
    """Raises OSError."""
    write_note(folders.iceberg / "known.json", [orjson.dumps(dict(known)).decode()])


def forget_names(folders: Folders) -> None:
    """No table is written any more: nothing is kept for one. Raises OSError."""
    for day in list(noted_days(folders)):
        _file(folders, day).unlink(missing_ok=True)


def held(folders: Folders, day: date, now: float) -> set[str]:
    """`<table>/<name>` of the files that must not be deleted yet, as a table names them or a query may still read them.
    `now`: epoch seconds. Raises OSError, Forgotten."""
    return {
        f"{table}/{file.rpartition('/')[2]}"
        for table, names in read_names(folders, day).items()
        for file in names.all()
        if now - names.gone.get(file, now) < GONE_S
    }


def about_to_name(names: Names, wanted: Collection[str]) -> bool:
    """Notes the files that are to be committed. Returns whether some were not noted."""
    new = set(wanted) - names.named - names.perhaps
    names.perhaps |= new
    for file in new:
        names.gone.pop(file, None)
    return bool(new)


def named_now(names: Names, named: Collection[str], now: float) -> Names:
    """After a commit: of the noted files the table names these. What it named until now is gone since `now`, and is noted
    for as long as a query may read it."""
    gone = {file: since for file, since in names.gone.items() if file not in named and now - since < GONE_S}
    return Names(set(named), set(), gone | dict.fromkeys((names.named | names.perhaps).difference(named), now))


def _file(folders: Folders, day: date) -> Path:
    return folders.iceberg / f"{day.isoformat()}.json"
