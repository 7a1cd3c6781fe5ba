"""Ships the Parquet files of a data folder to a lake in a bucket (`lake = "s3://..."`), as often as needed and exactly once.

Of each day the lake has the files that count here, and those that it had before and that no merge here has replaced. So a file
that is deleted here stays there, and a round can be killed at every step:

1. The names of new files are noted, then each is put and read back.
2. What was put and the manifest of the day are noted, then it is put in place of the one that is known, and read back. Only now do the files count.
3. Objects that the manifest names no longer, as their rows were merged, are deleted after a grace for readers.
4. Old days, or bodies above the bound of this disk, are released: noted, then deleted here.

Nothing waits for it: rows are on this disk first, and stay there as long as the store does not take them.
"""

import contextlib
import platform
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from addon.config.shipping import Shipping
from addon.objects import manifest
from addon.objects.manifest import Manifest, Stored
from addon.objects.store import Changed, NotThere, Store, StoreTrouble, Untrue, md5_of
from addon.settling import named, shipped
from addon.settling.day_files import SHIPPED, DayFiles, day_files, mark_of, size_of
from addon.settling.merge import MANY_FILES, finish_merges, gather_files, mergeable
from addon.settling.shipped import DayState
from addon.storage.disk_use import days
from addon.storage.folders import Folders, make_folder, sync_folder, tried_lock, write_note
from addon.storage.record import TABLES

GONE_S: Final = 600.0  # a reader may take that long to open what a manifest named


class Foreign(Exception):
    """The lake is not the one that this folder has shipped to, or another folder writes under its name. Says what to do."""


@dataclass(slots=True)
class Round:
    """What one round did."""

    files: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is here and not in the lake yet."""

    files: int
    size: int
    calls: int


class Shipper:
    """Ships one data folder to one lake. The caller holds `ship.lock`. All methods raise StoreTrouble, Forgotten, Foreign and
    OSError; what was done until then stays done, and the next round goes on."""

    def __init__(
        self,
        folders: Folders,
        store: Store,
        *,
        is_only_merger: bool = False,
        clock: Callable[[], float] = time.time,
        step: Callable[[str], None] = lambda what: None,
    ) -> None:
        """`is_only_merger`: the caller holds the lock of all merges, too. `clock`: epoch seconds. `step` is told before each
        change, there or here; for tests."""
        self._folders, self._store, self._clock, self._step = folders, store, clock, step
        self._is_only_merger = is_only_merger
        self._lake = shipped.lake_folder(folders, store.url)
        self._owner = ""
        self._version = version("heliograph")  # looked up among all packages: 1 ms
        self._unchanged: dict[date, object] = {}  # what the folders of a day looked like when all of it was shipped

    def round(self, *, gathers: bool = False) -> Round:
        """Ships what is new. `gathers`: merges the small files of a day first, so that the lake gets few."""
        self._meet()
        done = Round()
        for day in self._days():
            look = self._look(day)
            if self._unchanged.get(day) == look:
                continue
            if self._ship(day, done, gathers):
                self._unchanged[day] = self._look(day) if gathers else look
        return done

    def waiting(self) -> Waiting:
        """Files that are not in the lake yet. Asks nobody."""
        files = [
            path
            for day in self._days()
            for state in [shipped.read_state(self._lake, day)]
            for key, path in day_files(self._folders, day, state).local.items()
            if key not in state.counted
        ]
        calls = sum(pq.read_metadata(path).num_rows for path in files if path.parent.parent.name == "requests")
        return Waiting(len(files), sum(size_of(path) for path in files), calls)

    def _merge_lock(self) -> contextlib.AbstractContextManager[bool]:
        return contextlib.nullcontext(True) if self._is_only_merger else tried_lock(self._folders.merge_lock)

    # The lake and this folder

    def _meet(self) -> None:
        """Once: the lake is of a format that is known here, and the one that was shipped to before."""
        if self._owner:
            return
        owner = shipped.owner_of(self._folders)
        make_folder(self._lake)
        lake_id = self._lake_id()
        known = self._lake / "lake"
        if not known.exists():
            write_note(known, [lake_id])
        elif known.read_text().strip() != lake_id:
            raise Foreign(
                f"{self._store.url} is another lake than the one that this folder shipped to (was it emptied?); to ship"
                f" all files that are here once more, remove {self._lake}"
            )
        self._owner = owner

    def _lake_id(self) -> str:
        for _ in range(2):
            try:
                data, _ = self._store.get(manifest.MARKER)
            except NotThere:
                with contextlib.suppress(Changed):  # another proxy was first
                    self._step("put marker")
                    self._store.put(manifest.MARKER, manifest.marker(secrets.token_hex(8)), None)
                continue
            try:
                lake_id = manifest.read_marker(data)
            except ValueError as error:
                raise Foreign(f"{self._store.url}/{manifest.MARKER}: {error}") from error
            self._store.learn_conditions(manifest.MARKER, data)
            return lake_id
        raise StoreTrouble(f"{self._store.url}: the store took {manifest.MARKER} and does not have it")

    def _days(self) -> list[date]:
        """All days that are here or were shipped."""
        found = {day for table in SHIPPED for day in days(self._folders, table)}
        noted = (entry.stem for entry in self._lake.glob("*.json")) if self._lake.exists() else ()
        return sorted(found | {date.fromisoformat(name) for name in noted})

    def _look(self, day: date) -> object:
        """Changes when files of a day come or go, here or in what is known of the lake."""
        places = [self._folders.lake_day(table, day) for table in SHIPPED]
        places += [self._lake / f"{day}.json", self._lake / f"{day}.released"]
        return tuple(place.stat().st_mtime_ns if place.exists() else 0 for place in places)

    # One day

    def _ship(self, day: date, done: Round, gathers: bool) -> bool:
        """Whether all of the day is shipped, and nothing waits: to be deleted, or for settled lines to go."""
        state = shipped.read_state(self._lake, day)
        self._resolve(day, state)
        with self._merge_lock() as ours:
            if not ours:
                return False
            if gathers:
                self._gather(day, state)
            # Noted before the next merge, whose note then stays until the manifest has its file.
            files = day_files(self._folders, day, state)
            new = self._note_files(day, state, files)
        self._put_files(day, state, {key: files.local[key] for key in new}, done)
        wanted = {key: file for key in files.wanted if (file := state.objects[key])}
        self._put_manifest(day, state, wanted, has_put=bool(new))
        self._delete_gone(day, state)
        return not state.gone and not files.are_settling

    def _note_files(self, day: date, state: DayState, files: DayFiles) -> list[str]:
        """The keys of files that are to be put."""
        new = [
            key
            for key, path in files.local.items()
            if key not in files.unchanged and (state.objects.get(key) is None or state.marks.get(key) != mark_of(path))
        ]
        if new:
            for key in new:
                state.objects[key] = None
                state.gone.pop(key, None)
            self._step(f"note files {day}")
            shipped.write_state(self._lake, day, state)
        return new

    def _put_files(self, day: date, state: DayState, new: dict[str, Path], done: Round) -> None:
        for key, path in new.items():
            table, _, name = key.partition("/")
            mark, md5 = mark_of(path), md5_of(path)
            self._step(f"put {key} {day}")
            self._store.put_file(manifest.object_path(table, day, name), path, md5)
            if mark_of(path) != mark:
                raise OSError(f"{path}: changed while it was shipped; trying again")
            state.objects[key], state.marks[key] = Stored(mark[0], md5), mark
            done.files += 1
            done.size += mark[0]

    def _put_manifest(self, day: date, state: DayState, files: dict[str, Stored], *, has_put: bool) -> None:
        tables: dict[str, dict[str, Stored]] = {}
        for key, file in files.items():
            table, _, name = key.partition("/")
            tables.setdefault(table, {})[name] = file
        data = Manifest(self._owner, day, platform.node(), self._version, tables).dumped()
        state.intended = manifest.digest(data)
        if state.intended == state.manifest or (state.manifest is None and not files):
            state.intended = None
            if has_put:
                self._step(f"note what was put {day}")
                shipped.write_state(self._lake, day, state)
            return
        self._step(f"note manifest {day}")  # and what was put
        shipped.write_state(self._lake, day, state)
        self._step(f"put manifest {day}")
        try:
            state.etag = self._store.put(manifest.manifest_path(day, self._owner), data, state.etag)
        except Changed as error:
            raise self._not_alone(day) from error
        state.manifest, state.intended = state.intended, None
        self._count(state, files)
        self._step(f"note that manifest was put {day}")
        shipped.write_state(self._lake, day, state)

    def _resolve(self, day: date, state: DayState) -> None:
        """Whether a manifest was put of which only the intention is known: its process was killed, or the store was silent."""
        if state.intended is None:
            return
        try:
            data, etag = self._store.get(manifest.manifest_path(day, self._owner))
        except NotThere:
            if state.etag is not None:
                raise self._not_alone(day) from None
        else:
            found = manifest.digest(data)
            if found == state.intended:
                state.etag, state.manifest = etag, found
                self._count(state, {f"{table}/{name}": file for table, name, file in manifest.loaded(data).each()})
            elif found != state.manifest:
                raise self._not_alone(day)
        state.intended = None
        self._step(f"note which manifest there is {day}")
        shipped.write_state(self._lake, day, state)

    def _count(self, state: DayState, files: Mapping[str, Stored]) -> None:
        """The manifest in the store names these files."""
        state.counted = sorted(files)
        for key in state.objects.keys() - files.keys():
            state.gone.setdefault(key, self._clock())

    def _not_alone(self, day: date) -> Foreign:
        return Foreign(
            f"{self._store.url}/{manifest.manifest_path(day, self._owner)} is not what this folder has put there: is"
            f" {self._folders.data} a copy of a folder that ships too, or was something deleted from {self._folders.shipping}?"
            f" Nothing of this day is shipped. Of a copy remove {self._folders.shipping} and {self._folders.data / 'lake'}:"
            " the original ships its calls"
        )

    def _delete_gone(self, day: date, state: DayState) -> None:
        """Deletes objects that no manifest has named for a while."""
        now = self._clock()
        held = named.held(self._folders, day, now)  # by Iceberg tables
        due = [
            key for key, since in state.gone.items() if now - since >= (named.LONGEST_HOLD_S if key in held else GONE_S)
        ]
        if due:
            self._step(f"delete objects {day}")
            self._store.delete(
                [manifest.object_path(table, day, name) for table, _, name in (key.partition("/") for key in due)]
            )
            for key in due:
                del state.gone[key]
                state.objects.pop(key, None)
                state.marks.pop(key, None)
            self._step(f"note what was deleted {day}")
            shipped.write_state(self._lake, day, state)

    def _gather(self, day: date, state: DayState) -> None:
        """Merges files that are not shipped yet: a file for each round is fewer requests, there and for each reader."""
        for table in TABLES:
            if not self._folders.lake_day(table, day).exists():
                continue
            finish_merges(self._folders, table, day, self._clock())
            known = {name for key in state.objects for of, _, name in [key.partition("/")] if of == table}
            names = list(mergeable(self._folders, table, day, known))
            if 1 < len(names) <= MANY_FILES:
                gather_files(self._folders, table, day, names)

    # What goes here, since the lake has it

    def release(self, how: Shipping) -> int:
        """Deletes files here whose rows are in the lake: days older than `how` keeps, and bodies, the oldest first, above
        its bytes. Returns the bytes that are here then."""
        self._meet()
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        oldest = today - timedelta(days=how.keep_local_days)
        for day in self._days():
            if day < oldest:
                self._release(day, SHIPPED)
        used = self._used()
        for day in self._days():
            if sum(used.values()) <= how.max_local_bytes or day >= today:
                break
            if used.get(day):
                self._release(day, ("bodies",))
                used[day] = self._used_of(day)
        return sum(used.values())

    def _used(self) -> dict[date, int]:
        return {day: self._used_of(day) for day in self._days()}

    def _used_of(self, day: date) -> int:
        return sum(size_of(path) for table in SHIPPED for path in self._folders.lake_day(table, day).glob("[!.]*"))

    def _release(self, day: date, tables: tuple[str, ...]) -> None:
        with self._merge_lock() as ours:
            if not ours:
                return
            state = shipped.read_state(self._lake, day)
            files = day_files(self._folders, day, state)
            here = {key: path for key, path in files.local.items() if key.partition("/")[0] in tables}
            if not here or state.intended or files.are_settling or files.replaced:
                return
            if not all(key in state.counted and state.marks.get(key) == mark_of(path) for key, path in here.items()):
                return  # not all of it is shipped
            for key in here:
                table, _, name = key.partition("/")
                stored = state.objects[key]
                assert stored
                self._store.check(manifest.object_path(table, day, name), stored.size, stored.md5)
            self._step(f"note release {day}")
            shipped.write_released(self._lake, day, shipped.released(self._lake, day) | here.keys())
            for path in here.values():
                self._step(f"delete here {day} {path.name}")
                path.unlink(missing_ok=True)
            for folder in {path.parent for path in here.values()}:
                sync_folder(folder)
                with contextlib.suppress(OSError):  # it has more
                    folder.rmdir()

    @property
    def lake(self) -> Path:
        """What is known here of the lake: the notes of its days."""
        return self._lake

    def recall(self, days: Iterable[date] | None = None, tables: Collection[str] = SHIPPED) -> int:
        """Brings back the files of these days (None: all) that are in the lake only, so that they can be changed here. Returns
        how many. They go again with the next `release`."""
        self._meet()
        return sum(
            self._recall(day, tables) for day in (shipped.days_released_to(self._lake) if days is None else days)
        )

    def _recall(self, day: date, tables: Collection[str]) -> int:
        with self._merge_lock() as ours:
            if not ours:
                raise OSError(f"{self._folders.data}: files are being merged just now")
            state = shipped.read_state(self._lake, day)
            released = shipped.released(self._lake, day)
            chosen = {key for key in released if key.partition("/")[0] in tables}
            back = [key for key in sorted(chosen) if key in state.counted]
            for key in back:
                table, _, name = key.partition("/")
                target = self._folders.lake_day(table, day) / name
                hidden = target.with_name(f".{name}.tmp")
                make_folder(target.parent)
                hidden.unlink(missing_ok=True)
                self._step(f"get {key} {day}")
                self._store.get_file(manifest.object_path(table, day, name), hidden)
                stored = state.objects[key]
                if stored is None or md5_of(hidden) != stored.md5:
                    hidden.unlink()
                    raise Untrue(f"{self._store.url}: {key} of {day} has other bytes in the store than were put there")
                hidden.rename(target)
                state.marks[key] = mark_of(target)
                sync_folder(target.parent)
            self._step(f"note recall {day}")
            shipped.write_state(self._lake, day, state)
            shipped.write_released(self._lake, day, released - chosen)
            return len(back)
