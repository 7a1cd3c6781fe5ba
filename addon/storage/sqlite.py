"""One SQLite file in WAL mode that several processes share: opened, made (0600), opened again, replaced where it is broken.

Each of our SQLite files may be deleted at any time, also while it is in use. SQLite keeps two files beside its own, finds
them by name, and relies on nobody removing any of the three: where they do not belong together it mixes pages, or dies of
a memory map that was cut. Therefore:
- before each use the three files are compared with those that were opened; if they differ, the file is opened again;
- opening, making and removing happen under a lock on the folder, so that no process opens files that are not a pair;
- one connection for each file and process: SQLite's locks do not work between two connections of one process whose files
  have the same name but are not the same.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Literal

_PATIENT_BUSY_S: Final = 10.0  # a person's command can wait
_SIDE_FILES: Final = ("-wal", "-shm")
_LARGEST_WAL_BYTES: Final = 16 * 2**20

type _Identity = tuple[int, int] | None  # device and inode; None: no such file


class Broken(Exception):
    """The file does not contain what was written. For code that uses a connection and notices it."""


class SqliteFile:
    """One connection, used by one thread at a time."""

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        version: int = 0,
        busy_s: float,
        synchronous: Literal["off", "normal", "full"],
        replace_broken: bool = False,
    ) -> None:
        """`schema`: statements that can be repeated (`create table if not exists`). They are run whenever the file is
        opened, so that a file of an earlier version gets new tables. `version`: a file with another `user_version` is
        broken. `busy_s`: how long a statement waits for the lock of another process. `synchronous`: `off` where a power
        cut may cost the whole file, `normal` where it may cost the last transactions, `full` where it may cost nothing.
        `replace_broken`: whether a broken file is removed, and made again the next time; else it stays."""
        self.path = path
        self._schema, self._version = schema, version
        self._busy_s, self._synchronous, self._replace_broken = busy_s, synchronous, replace_broken
        self._side_files = [path.with_name(path.name + suffix) for suffix in _SIDE_FILES]
        self._names = [str(file) for file in (path, *self._side_files)]
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: _Identity = None
        self._opened: tuple[_Identity, ...] = ()  # the file and its side files

    @contextmanager
    def connection(self, *, create: bool = False, patient: bool = False) -> Iterator[sqlite3.Connection]:
        """`create`: make the file if it is missing. `patient`: wait long for other processes. Raises FileNotFoundError
        where there is no such file (or no folder for it), sqlite3.Error, OSError. After most errors the file is opened
        again the next time."""
        with self._lock:
            try:
                connection = self._open(create)
                if patient:
                    connection.execute(f"pragma busy_timeout = {_PATIENT_BUSY_S * 1000:.0f}")
                yield connection
                if patient:
                    connection.execute(f"pragma busy_timeout = {self._busy_s * 1000:.0f}")
            except Broken:
                self._discard()
                raise
            except sqlite3.Error as error:
                if is_broken(error):
                    self._discard()
                elif patient or not self._opened or _kind(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
                    self._close()
                raise

    def close(self) -> None:
        """The file is opened again at the next use."""
        with self._lock:
            self._close()

    def _open(self, create: bool) -> sqlite3.Connection:
        if self._connection is not None:
            if self._identities() == self._opened:
                return self._connection
            self._discard()  # a file that is still there has lost its side files
        if not create and _identity(self._names[0]) is None:
            raise FileNotFoundError(self.path)
        with self._folder_locked():
            if create and _identity(self._names[0]) is None:
                self._make()
            self._file = _identity(self._names[0])
            self._connection = connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=rw",  # SQLite itself would make it with other permissions
                uri=True,
                timeout=self._busy_s,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute(f"pragma synchronous = {self._synchronous}")
            connection.execute(f"pragma journal_size_limit = {_LARGEST_WAL_BYTES}")
            version = connection.execute("pragma user_version").fetchone()[0]
            if version == self._version:
                connection.executescript(f"pragma journal_mode = wal; {self._schema}")
            self._opened = self._identities()
        if self._opened[0] != self._file or None in self._opened or version != self._version:
            self._discard()
            raise OSError("it is not ours or was deleted while it was opened")
        return connection

    def _make(self) -> None:
        """An empty one, 0600, without side files of an earlier one. It gets its name when it is complete."""
        fresh = self.path.with_name(f".{self.path.name}-{os.getpid()}-{threading.get_ident()}")
        fresh.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        try:
            with closing(sqlite3.connect(fresh)) as connection:
                connection.executescript(
                    # auto_vacuum can only be chosen before the first table is made.
                    f"pragma auto_vacuum = incremental; pragma journal_mode = wal; {self._schema}"
                )
                connection.execute(f"pragma user_version = {self._version}")
            for leftover in self._side_files:
                leftover.unlink(missing_ok=True)
            fresh.rename(self.path)
        finally:
            fresh.unlink(missing_ok=True)

    def _discard(self) -> None:
        """Closes the file. Removes it where broken files are replaced, and its name still belongs to it."""
        file = self._file
        self._close()
        if not self._replace_broken or file is None or _identity(self._names[0]) != file:
            return
        with self._folder_locked():
            if _identity(self._names[0]) == file:
                self.path.unlink()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._file, self._opened = None, None, ()

    def _identities(self) -> tuple[_Identity, ...]:
        return tuple(map(_identity, self._names))

    @contextmanager
    def _folder_locked(self) -> Iterator[None]:
        """A lock on the file itself would vanish with the file."""
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. The lock is taken at once, so that two processes never decide on the same state."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def erase_deleted(connection: sqlite3.Connection) -> None:
    """Writes the file again without the bytes of rows that were deleted, now or earlier, and empties its log. Takes seconds
    for a file of a gigabyte. Raises sqlite3.Error, also where another process reads it all the time."""
    connection.execute("vacuum")
    (is_busy, _, _) = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    if is_busy:
        raise sqlite3.OperationalError("another process is reading it; try again")


def is_broken(error: BaseException) -> bool:
    """Whether SQLite says that the file is not a database, or a damaged one."""
    short_read = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_SHORT_READ
    return short_read or _kind(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _kind(error: BaseException) -> int:
    """SQLite's primary result code; the upper bits only refine it."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)) & 0xFF


def _identity(name: str) -> _Identity:
    try:
        found = os.stat(name)  # noqa: PTH116 -- before every use: a third of what Path.stat takes
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
