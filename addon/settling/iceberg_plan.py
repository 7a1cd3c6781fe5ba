"""What one commit changes in an Iceberg table: the table's files of this data folder become those that count now. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

_OURS: Final = re.compile(r"/lake/(?P<table>[a-z_]+)/date=(?P<day>\d{4}-\d\d-\d\d)/(?P<name>[^/]+\.parquet)")


class NotAlone(Exception):
    """Something else has changed the table, or a second copy of this folder does. Says what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """Locations of files of one day."""

    add: frozenset[str]
    remove: frozenset[str]


def change_of(table: str, day: date, wanted: Iterable[str], noted: Collection[str], there: Collection[str]) -> Change:
    """`wanted`: the files that count now. `noted`: all of ours that the table may name. `there`: what it names of that day.

    Raises NotAlone where rows could come to be there twice: if the table has files that no heliograph has written, for
    they may have our rows, or a file of ours under another place.
    """
    wanted = frozenset(wanted)
    add = wanted.difference(there)
    if add:
        _refuse_strangers(table, day, there)
        _refuse_copies(table, day, add, [file for file in there if file not in noted and file not in wanted])
    return Change(add, frozenset(file for file in there if file in noted and file not in wanted))


def _refuse_strangers(table: str, day: date, there: Iterable[str]) -> None:
    for file in there:
        found = _OURS.search(file)
        if found is None or found["table"] != table or found["day"] != day.isoformat() or found.end() != len(file):
            raise NotAlone(
                f"the table {table} has a file of {day} that heliograph has not written: {file}. Was it compacted or"
                " changed by another program? So that no row is there twice, nothing of this day is added. Drop the table in"
                " the catalog without its files (no purge); it is made anew from the files that count"
            )


def _refuse_copies(table: str, day: date, add: Iterable[str], others: Iterable[str]) -> None:
    names = {_name(file): file for file in others}
    for file in add:
        if other := names.get(_name(file)):
            raise NotAlone(
                f"the table {table} has {other}, a copy of {file}: two copies of one data folder commit to it, or a folder"
                f" was moved without its notes. So that no row is there twice, nothing of {day} is added. Let one of the"
                " copies have a namespace of its own, or drop the table in the catalog without its files (no purge)"
            )


def _name(file: str) -> str:
    return file.rpartition("/")[2]


def changes(
    table: str,
    wanted: Mapping[date, Collection[str]],
    noted: Mapping[date, Collection[str]],
    there: Mapping[date, Collection[str]],
) -> tuple[dict[date, Change], list[NotAlone]]:
    """The changes of the days that can be changed, and what keeps the others from it."""
    found: dict[date, Change] = {}
    refused: list[NotAlone] = []
    for day in sorted(wanted.keys() | noted.keys()):
        try:
            found[day] = change_of(table, day, wanted.get(day, ()), noted.get(day, ()), there.get(day, ()))
        except NotAlone as error:
            refused.append(error)
    return found, refused
