"""Brings the Iceberg tables of a data folder up to date: for each table the files that count now, in one commit.

A round compares three things: the files that count here (counted_files.py), the notes of what the tables name of them
(named.py), and, where these two differ, what the table itself names. It can be killed at every step, and is repeated:

1. New files are noted. From now on they are not deleted, whatever replaces them.
2. The table is read, and what must go and come is one commit. After a conflict with another proxy the table is read again.
3. What the table names now is noted. What it named before is kept for a while, for queries that read it.

Rows that are late, forgotten, priced again, merged or too old all come this way: their file goes, and another one comes.
"""

import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final

from addon.config.iceberg import Iceberg
from addon.settling.counted_files import CountedFiles, counted_files
from addon.settling.iceberg_catalog import CatalogTrouble, checked_lake, in_words, location_of, open_catalog
from addon.settling.iceberg_plan import NotAlone, changes
from addon.settling.named import (
    DayNames,
    Names,
    about_to_name,
    known_tables,
    named_now,
    note_tables,
    read_names,
    write_names,
)
from addon.storage.folders import Folders, make_folder
from addon.storage.record import TABLES

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

_TRIES: Final = 8  # of one commit, while other proxies commit to the same table
_FIRST_PAUSE_S: Final = 0.1


@dataclass(slots=True)
class Round:
    """What one round did."""

    added: int = 0
    removed: int = 0
    commits: int = 0
    refused: list[str] = field(default_factory=list)  # what was left as it is, and why


@dataclass(frozen=True, slots=True)
class _Day:
    wanted: Mapping[str, set[str]]  # table -> the files that count
    names: DayNames

    def differs(self, table: str) -> bool:
        """Whether the table is not known to name just the files that count."""
        names = self.names.get(table, Names())
        return bool(names.perhaps) or names.named != self.wanted.get(table, set())

    def concerns(self, table: str) -> bool:
        return table in self.wanted or table in self.names


class Committer:
    """Commits one data folder's files. The caller holds `iceberg/lock`."""

    def __init__(
        self,
        folders: Folders,
        chosen: Iceberg,
        lake: str | None,
        environ: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
        step: Callable[[str], None] = lambda what: None,
    ) -> None:
        """`lake`: URL of the bucket that the folder ships to, None: the files are in the folder. `clock`: epoch seconds.
        `step` is told before each change, here or there; for tests."""
        self._folders, self._chosen, self._lake, self._environ = folders, chosen, lake, environ
        self._clock, self._pause, self._step = clock, pause, step
        self._counted: CountedFiles = counted_files(folders, lake)
        self._catalog: Catalog | None = None

    def round(self, *, checks_all: bool = False, gathers: bool = False) -> Round:
        """`checks_all`: reads what the tables name of every day, to mend what was changed there. `gathers`: merges small
        files first. Raises CatalogTrouble, Forgotten and OSError; what was done until then stays done."""
        checked_lake(self._counted.lake)
        make_folder(self._folders.iceberg)
        days = {day: self._noted(day, gathers) for day in sorted(self._counted.days())}
        done = Round()
        for table in TABLES:
            of_table = {day: each for day, each in days.items() if each.concerns(table)}
            if of_table and (checks_all or any(each.differs(table) for each in of_table.values())):
                try:
                    self._bring_up_to_date(table, of_table, checks_all, done)
                except NotAlone as error:
                    done.refused.append(str(error))
                except Exception as error:  # each catalog and each store has errors of its own
                    raise in_words(error, self._chosen, self._environ) from error
        return done

    def waiting(self) -> int:
        """Files that count here and that no table is known to name yet. Asks nobody. Raises OSError, Forgotten."""
        total = 0
        for day in self._counted.days():
            named = {file for names in read_names(self._folders, day).values() for file in names.named}
            total += sum(len(files - named) for files in self._counted.of(day, named).files.values())
        return total

    def _noted(self, day: date, gathers: bool) -> _Day:
        """The day, with its new files noted."""
        names = read_names(self._folders, day)
        known = {file for each in names.values() for file in each.named}
        wanted = self._counted.of(day, known).files
        if gathers and any(len(files - known) > 1 for files in wanted.values()):
            self._step(f"merge small files {day}")
            self._counted.gather(day, self._clock())
            wanted = self._counted.of(day, known).files
        if any([about_to_name(names.setdefault(table, Names()), files) for table, files in wanted.items()]):
            self._step(f"note files {day}")
            write_names(self._folders, day, names)
        return _Day(wanted, names)

    def _bring_up_to_date(self, table: str, days: Mapping[date, _Day], checks_all: bool, done: Round) -> None:
        from addon.settling.iceberg_commit import Conflict

        for attempt in range(_TRIES):
            try:
                return self._try(table, days, checks_all, done)
            except Conflict:
                self._pause(_FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.5))
        raise CatalogTrouble(f"the table {table}: others committed {_TRIES} times meanwhile; trying again later")

    def _try(self, table: str, days: Mapping[date, _Day], checks_all: bool, done: Round) -> None:
        from addon.settling import iceberg_commit

        self._step(f"open {table}")
        self._catalog = self._catalog or open_catalog(self._chosen, self._environ)
        location = location_of(self._chosen, self._folders, self._lake, table)
        found = iceberg_commit.open_table(self._catalog, self._chosen.namespace, table, location)
        tables = known_tables(self._folders)
        is_known = tables.get(table) == str(found.metadata.table_uuid)
        chosen = {day: each for day, each in days.items() if checks_all or not is_known or each.differs(table)}
        there = iceberg_commit.files_of(found, table, chosen.keys())
        wanted = {day: each.wanted.get(table, set()) for day, each in chosen.items()}
        noted = {day: each.names.get(table, Names()).all() for day, each in chosen.items()}
        planned, refused = changes(table, wanted, noted, there)
        add = [file for change in planned.values() for file in sorted(change.add)]
        remove = [there[day][file] for day, change in planned.items() for file in sorted(change.remove)]
        if add or remove:
            described = iceberg_commit.described(found, add)
            self._step(f"commit {table}")
            iceberg_commit.commit(found, described, remove)
        for day, change in planned.items():
            self._note(table, day, (noted[day] & set(there.get(day, ()))) - change.remove | change.add)
        if not is_known:
            self._step(f"note table {table}")
            note_tables(self._folders, tables | {table: str(found.metadata.table_uuid)})
        done.added += len(add)
        done.removed += len(remove)
        done.commits += bool(add or remove)
        done.refused += map(str, refused)

    def _note(self, table: str, day: date, named: Collection[str]) -> None:
        """What the table names of ours now."""
        names = read_names(self._folders, day)
        before = names.get(table, Names())
        names[table] = named_now(before, named, self._clock())
        if names[table] != before:
            self._step(f"note commit {table} {day}")
            write_names(self._folders, day, names)
