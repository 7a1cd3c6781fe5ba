"""When the Iceberg tables are to be committed to: once an hour, after its end; and sooner where files that they name have gone.

Asks nobody: compares the files that count here with the notes of what the tables name. Without pyiceberg.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from addon.settling.counted_files import CountedFiles
from addon.settling.named import Names, names_look, read_names
from addon.storage.folders import Folders

HOUR_S: Final = 3600.0
# A file that was replaced is kept until no table names it; so there is no hurry, and merges that follow each other are one commit.
REPLACED_AFTER_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Difference:
    """Between the files that count and those that the tables name."""

    has_new: bool = False
    has_replaced: bool = False
    has_missing: bool = False  # a file that the tables name was deleted: they cannot be read

    def __bool__(self) -> bool:
        return self.has_new or self.has_replaced

    def and_of(self, others: "Iterable[Difference]") -> "Difference":
        every = [self, *others]
        return Difference(
            any(each.has_new for each in every),
            any(each.has_replaced for each in every),
            any(each.has_missing for each in every),
        )


class Differences:
    """Of a data folder. Days that look as they did are not read again."""

    def __init__(self, folders: Folders, counted: CountedFiles) -> None:
        self._folders, self._counted = folders, counted
        self._known: dict[date, tuple[object, Difference]] = {}

    def all(self) -> Difference:
        """Raises OSError, Forgotten."""
        return Difference().and_of([self._of(day) for day in self._counted.days()])

    def _of(self, day: date) -> Difference:
        look = self._counted.look(day), names_look(self._folders, day)
        known = self._known.get(day)
        if known and known[0] == look:
            return known[1]
        names = read_names(self._folders, day)
        named = {file for each in names.values() for file in each.named}
        counted = self._counted.of(day, named)
        replaced = named.difference(*counted.files.values())
        found = Difference(
            has_new=any(files - names.get(table, Names()).named for table, files in counted.files.items())
            or any(each.perhaps for each in names.values()),
            has_replaced=bool(replaced),
            has_missing=any(map(self._counted.is_missing, replaced)),
        )
        if not counted.are_settling and not found:
            self._known[day] = look, found
        return found


def is_due(found: Difference, now: float, committed_at: float, tried_at: float, spread_s: float) -> bool:
    """`now`, `committed_at` and `tried_at`: epoch seconds, 0.0: never. `spread_s`: how long after the end of an hour this
    proxy commits, so that those of a fleet do not all do at once."""
    if found.has_missing:
        return True
    if found.has_replaced and now - tried_at >= REPLACED_AFTER_S:
        return True
    return found.has_new and (now - spread_s) // HOUR_S > (committed_at - spread_s) // HOUR_S
