"""A SQLite file that may be deleted at any moment by anyone, and goes by itself when it turns out to be broken.

SQLite in WAL mode keeps two files beside its own, finds them by name, and believes that nobody removes any of the
three. Where they no longer belong together it mixes pages, or dies of a memory map that somebody cut. So:
- before each use we look whether all three are those that we opened; if not, we close, and begin anew;
- opening, making and removing happen under a lock on the folder, so that nobody opens two files that are not a pair;
- one connection for a store and process: SQLite's locks do not hold between two of one process on different files.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from addon.storage.folders import make_folder

# A hit and a store take well under a millisecond. Who waits longer for another process is better off without.
_BUSY_S: Final = 0.05
_PATIENT_BUSY_S: Final = 10.0  # a person's command can wait
_SIDE_FILES: Final = ("-wal", "-shm")

type _Identity = tuple[int, int] | None  # device and inode


class Broken(Exception):
    """What is in the file is not what was written. To be raised while it is in use, by whoever sees it."""


class Database:
    """One connection, for one thread at a time."""

    def __init__(self, path: Path, schema: str, version: int) -> None:
        """`version` of the schema, 1 or more: a file with another one is broken."""
        self._path, self._schema, self._version = path, schema, version
        self._side_files = [path.with_name(path.name + suffix) for suffix in _SIDE_FILES]
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: _Identity = None
        self._opened: tuple[_Identity, ...] = ()  # the file and its side files

    @contextmanager
    def connection(self, *, create: bool = False, patient: bool = False) -> Iterator[sqlite3.Connection]:
        """Raises FileNotFoundError where there is no such file, sqlite3.Error, OSError. After an error of the file it is
        opened anew the next time, or made anew if it is broken."""
        with self._lock:
            try:
                connection = self._open(create)
                if patient:
                    connection.execute(f"pragma busy_timeout = {_PATIENT_BUSY_S * 1000:.0f}")
                yield connection
                if patient:
                    connection.execute(f"pragma busy_timeout = {_BUSY_S * 1000:.0f}")
            except Broken:
                self._discard()
                raise
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
                kind = code & 0xFF  # the rest of it says more of the same kind
                if kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or code == sqlite3.SQLITE_IOERR_SHORT_READ:
                    self._discard()
                elif patient or not self._opened or kind not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
                    self._close()
                raise

    def close(self) -> None:
        with self._lock:
            self._close()

    def _open(self, create: bool) -> sqlite3.Connection:
        if self._connection is not None:
            if self._identities() == self._opened:
                return self._connection
            self._discard()  # only if it is still there: then it has lost its side files
        if not create and _identity(self._path) is None:
            raise FileNotFoundError(self._path)
        if create:
            make_folder(self._path.parent)
        with self._folder_locked():
            if create and _identity(self._path) is None:
                self._make()
            self._file = _identity(self._path)
            self._connection = connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw",  # SQLite itself must not make it: it knows nothing of 0600
                uri=True,
                timeout=_BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
            # A cache may be lost with the power.
            connection.execute("pragma synchronous = off")
            connection.execute(f"pragma journal_size_limit = {16 * 2**20}")
            version = connection.execute("pragma user_version").fetchone()[0]  # opens the side files, too
            self._opened = self._identities()
        if self._opened[0] != self._file or None in self._opened or version != self._version:
            self._discard()
            raise OSError("it is not ours or was deleted while it was opened")
        return connection

    def _make(self) -> None:
        """An empty one, 0600, with no side files but its own."""
        fresh = self._path.with_name(f".{self._path.name}-{os.getpid()}-{threading.get_ident()}")
        fresh.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        try:
            with closing(sqlite3.connect(fresh)) as connection:
                connection.executescript(self._schema)
                connection.execute(f"pragma user_version = {self._version}")
            for leftover in self._side_files:
                leftover.unlink(missing_ok=True)
            fresh.rename(self._path)
        finally:
            fresh.unlink(missing_ok=True)

    def _discard(self) -> None:
        """Closes it, and removes it if its name is still its own."""
        file = self._file
        self._close()
        if file is None or _identity(self._path) != file:
            return
        with self._folder_locked():
            if _identity(self._path) == file:
                self._path.unlink()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._file, self._opened = None, None, ()

    def _identities(self) -> tuple[_Identity, ...]:
        return (_identity(self._path), *map(_identity, self._side_files))

    @contextmanager
    def _folder_locked(self) -> Iterator[None]:
        """A lock on the file itself would go with it."""
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; the lock is taken at once, so that two processes never decide on the same state."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _identity(path: Path) -> _Identity:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
