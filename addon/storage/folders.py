"""The places under DATA: every name of a folder or file that storage uses is spelled here.

journal/<run>-<seq>.jsonl            a segment: what the proxy writes, flock-held by its process
journal/<run>-<seq>.done             all rows of that segment are in Parquet; holds the ids of its calls and events
settled/<table>/<segment>.<date>.jsonl   rows that have no Parquet file yet
lake/<table>/date=<date>/<name>.parquet
lake/<table>/date=<date>/<name>.replaces   names the files that <name>.parquet stands for
running/<pid>.json                   a proxy at work, flock-held; what it last said of its settings
settle.lock                          held by the one settler of this data folder
merge.lock                           held by the process that merges Parquet files
ship.lock                            held by the process that ships Parquet files to a lake in a bucket
shipping/                            what was shipped: settling/shipped.py
iceberg/                             what Iceberg tables name: settling/named.py; tables/: their metadata
cache.sqlite                         cached answers; may be deleted at any time
webhooks.sqlite                      deliveries to webhooks: due, and done
otlp.sqlite                          calls whose spans are sent, and to be sent
webhooks-dead.jsonl                  deliveries that were given up
alerts.sqlite                        which alerts fire, and the messages that are not delivered yet
redact.key                           the key of the pseudonyms in redacted text
receipts/<what>-<time>.json          what `heliograph forget` and retention deleted
limits.sqlite                        buckets of limits, spending of budgets (recounted from the lake at a start)
"""

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

SEGMENT: Final = re.compile(r"(?P<run>\d{8}T\d{6}-[0-9a-f]{16})-(?P<seq>\d{6,})")
LOCK_LOOK_S: Final = 0.1  # between two looks at a lock that another process has
_SETTLED: Final = re.compile(rf"(?P<segment>{SEGMENT.pattern})\.(?P<date>\d{{4}}-\d\d-\d\d)\.jsonl")


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things are in one data folder."""

    data: Path

    @property
    def journal(self) -> Path:
        return self.data / "journal"

    @property
    def running(self) -> Path:
        return self.data / "running"

    @property
    def lock(self) -> Path:
        return self.data / "settle.lock"

    @property
    def merge_lock(self) -> Path:
        return self.data / "merge.lock"

    @property
    def ship_lock(self) -> Path:
        return self.data / "ship.lock"

    @property
    def shipping(self) -> Path:
        return self.data / "shipping"

    @property
    def settings(self) -> Path:
        """Copies of settings that have a URL."""
        return self.data / "settings"

    @property
    def iceberg(self) -> Path:
        return self.data / "iceberg"

    @property
    def cache(self) -> Path:
        return self.data / "cache.sqlite"

    @property
    def limits(self) -> Path:
        return self.data / "limits.sqlite"

    @property
    def charged(self) -> Path:
        return self.data / "charged.sqlite"

    @property
    def chains(self) -> Path:
        return self.data / "chains.sqlite"

    @property
    def redaction_key(self) -> Path:
        return self.data / "redact.key"

    @property
    def prices(self) -> Path:
        """A price list that was fetched, in place of the installed one."""
        return self.data / "prices.json.gz"

    @property
    def webhooks(self) -> Path:
        return self.data / "webhooks.sqlite"

    @property
    def otlp(self) -> Path:
        return self.data / "otlp.sqlite"

    @property
    def alerts(self) -> Path:
        return self.data / "alerts.sqlite"

    @property
    def dead_letters(self) -> Path:
        return self.data / "webhooks-dead.jsonl"

    @property
    def receipts(self) -> Path:
        """What was deleted when, and why."""
        return self.data / "receipts"

    def make(self) -> None:
        """Makes what a proxy needs to start. Raises OSError."""
        make_folder(self.journal)

    def settled(self, table: str) -> Path:
        return self.data / "settled" / table

    def settled_file(self, table: str, segment: str, day: date) -> Path:
        return self.settled(table) / settled_name(segment, day)

    def lake(self, table: str) -> Path:
        return self.data / "lake" / table

    def lake_day(self, table: str, day: date) -> Path:
        return self.lake(table) / f"date={day.isoformat()}"

    def parquet(self, table: str, segment: str, day: date) -> Path:
        return self.lake_day(table, day) / f"{segment}.parquet"


def parse_segment(name: str) -> tuple[str, int] | None:
    """(run, sequence number) of a segment's name, suffix left off; None: not one of ours."""
    found = SEGMENT.fullmatch(name)
    return (found["run"], int(found["seq"])) if found else None


def parse_settled(name: str) -> tuple[str, date] | None:
    """(segment, date) of a settled file's name; None: not one of ours."""
    found = _SETTLED.fullmatch(name)
    day = parse_day(found["date"]) if found else None
    return (found["segment"], day) if found and day else None


def parse_day(text: str) -> date | None:
    """The date of `2026-11-21`, or None. Not of `20261121`: DuckDB reads no such partition."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


def make_folder(folder: Path) -> None:
    """Makes a folder and its missing parents, all of them 0700 whatever the umask: only their owner may read bodies."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


class NotOurs(OSError):
    """Something else has the name of a file or folder of ours. The message says what to do."""


def open_file(path: Path, flags: int = os.O_RDONLY) -> int:
    """Opens a regular file; a symlink, a FIFO or a device is refused and never waited for. Raises OSError, NotOurs."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise NotOurs(f"{path}: not a regular file; move it away") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotOurs(f"{path}: not a regular file; move it away")
    return descriptor


@contextlib.contextmanager
def tried_lock(path: Path, patience_s: float = 0.0, wait: Callable[[float], None] = time.sleep) -> Iterator[bool]:
    """Tries the lock of a file, which is made if it is missing, for as long as `patience_s`; yields whether we have it. `wait`
    gets seconds. Raises OSError."""
    import fcntl  # Windows lacks it, and must be able to say that it is not supported

    descriptor = open_file(path, os.O_CREAT | os.O_RDWR)
    deadline = time.monotonic() + patience_s

    def locked() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        while not (ours := locked()) and time.monotonic() < deadline:
            wait(LOCK_LOOK_S)
        yield ours
    finally:
        os.close(descriptor)


def refuse_unsafe(data: Path) -> None:
    """Looks at a data folder before it is used, to write or to read: others must not be able to plant or change what is in it.

    Raises NotOurs where it, or a folder or file of ours in it, can be written by others, belongs to somebody else, or is
    a symlink, FIFO or device. `lake`, `journal`, `settled` and `running` may be symlinks to folders that pass the same test. A
    folder of our own in the place of the cache or the limits is let pass: no risk comes of it, and calls go on without that store.
    Nothing else in it may be a FIFO or a device, which would hang the program that opens it.
    """
    if not data.exists():
        return
    _refuse(data, data.stat(), stat.S_ISDIR, "folder")
    for entry in entries(data):
        path = Path(entry.path)
        if entry.name in _FOLDERS:
            _refuse_folder(path)
            for inner in entries(path):  # the folders of tables; odd files among them are named and left out
                if inner.is_dir() and not inner.name.startswith("."):
                    _refuse_folder(Path(inner.path))
        elif entry.name == CA_FOLDER:
            _refuse_folder(path)
            for inner in entries(path):
                if inner.is_symlink() or is_odd(Path(inner.path)):
                    raise _not_ours(Path(inner.path), "regular file")
        elif _OUR_FILE.fullmatch(entry.name):
            is_kind = _is_file_or_folder if _OPTIONAL_FILE.match(entry.name) else stat.S_ISREG
            _refuse(path, path.lstat(), is_kind, "regular file")
        elif is_odd(path):
            raise _not_ours(path, "regular file")


def is_odd(path: Path) -> bool:
    """Neither a file nor a folder, nor a link to one: opening it may wait for ever."""
    return path.exists() and not (path.is_file() or path.is_dir())


CA_FOLDER: Final = "ca"  # with the key that signs certificates
_FOLDERS: Final = ("journal", "lake", "settled", "running", "shipping", "settings", "iceberg")
_OUR_FILE: Final = re.compile(
    r"secret|redact\.key|(?:settle|merge|ship)\.lock|webhooks-dead\.jsonl|(?:cache|limits|webhooks|otlp|alerts|charged|chains)\.sqlite(?:-wal|-shm|-journal)?"
)
_OPTIONAL_FILE: Final = re.compile(r"(?:cache|limits)\.sqlite")  # calls go on without it


def _is_file_or_folder(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _refuse_folder(path: Path) -> None:
    if not path.exists():
        raise NotOurs(f"{path}: a link to nothing; remove it")
    _refuse(path, path.stat(), stat.S_ISDIR, "folder")


def _not_ours(path: Path, kind: str) -> NotOurs:
    return NotOurs(f"{path}: not a {kind}; move it away, or use another folder: --data DIR")


def _refuse(path: Path, found: os.stat_result, is_kind: Callable[[int], bool], kind: str) -> None:
    if not is_kind(found.st_mode):
        raise _not_ours(path, kind)
    if found.st_uid != os.geteuid():
        raise NotOurs(
            f"{path}: belongs to another user (id {found.st_uid}); run as that user, take it over with"
            f" chown -R {os.geteuid()} '{path}', or use another folder: --data DIR"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NotOurs(f"{path}: other users can write to it; take that away with chmod -R go-w '{path}'")


def settled_name(segment: str, day: date) -> str:
    """Of a file with the settled lines of a segment and day."""
    return f"{segment}.{day.isoformat()}.jsonl"


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder; none where it does not exist or is not a folder."""
    try:
        with os.scandir(folder) as found:
            yield from found
    except (FileNotFoundError, NotADirectoryError):
        return


def sync_folder(folder: Path) -> None:
    """Makes new and removed names durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """write(2) until all is written. Raises OSError; then a part may be written."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


LONGEST_NOTE_BYTES: Final = 8 * 2**20


def read_lines(path: Path) -> list[str] | None:
    """The lines of a note, or None where something else has its name: not a regular file, not UTF-8, empty or huge.
    Raises FileNotFoundError and other OSErrors."""
    try:
        descriptor = open_file(path)
    except NotOurs:
        return None
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(LONGEST_NOTE_BYTES + 1)
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        return None
    return lines[:-1] if len(data) <= LONGEST_NOTE_BYTES and not lines[-1] else None


def write_note(path: Path, lines: Iterable[str]) -> None:
    """Writes a file of lines as `write_whole` does."""
    write_whole(path, "".join(f"{line}\n" for line in lines).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file durably: complete, or not at all. Raises OSError."""
    hidden = path.parent / f".{path.name}.tmp"
    descriptor = open_file(hidden, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
        hidden.rename(path)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    sync_folder(path.parent)
