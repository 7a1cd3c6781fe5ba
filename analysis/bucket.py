"""A lake in a bucket as DuckDB reads it: the files that manifests name, of which only what a question needs is fetched.

DuckDB asks a file system of ours for bytes: the end of a file, then the columns of its row groups. They are kept on this disk
(bucket_blocks.py), and manifests by their etags, so that a question over the same days asks the store for one listing.
"""

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import cache
from os import PathLike
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any, Final

import orjson

from addon.objects import manifest
from addon.objects.manifest import Manifest, Stored
from addon.objects.stand_in import url_of
from addon.objects.store import NotThere, Store, StoreTrouble
from addon.storage import summary
from addon.storage.folders import parse_day
from addon.storage.lake import Listing
from addon.storage.record import CALL_TABLES, TABLES
from analysis.bucket_blocks import BLOCK_BYTES, BlockCache

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEME: Final = "heliograph-lake"
READERS: Final = 8  # threads of DuckDB, and requests at a time: they wait for the store most of the time
_FRESH_S: Final = 2.0  # a listing is asked for again after it
_AHEAD: Final = timedelta(days=35)  # of the newest days the ends of all files are fetched at once
_WHOLE_BYTES: Final = 4 * BLOCK_BYTES  # a smaller file is fetched with its end
_SUMMARIES: Final = f"summaries-{summary.VERSION}"


class BucketFile(PosixPath):
    """A file of a lake in a bucket. As text it is the name under which DuckDB opens it."""

    def __init__(self, *parts: str | PathLike[str], bucket: "Bucket") -> None:
        super().__init__(*parts)
        self.bucket = bucket

    def with_segments(self, *parts: str | PathLike[str]) -> "BucketFile":
        return BucketFile(*parts, bucket=self.bucket)

    def __str__(self) -> str:
        return f"{SCHEME}://{'/'.join(self.parts)}"

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        return str(self) in self.bucket.files and str(self) not in self.bucket.missing

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        stored = self.bucket.files[str(self)]
        return os.stat_result((0o100600, 0, 0, 1, 0, 0, stored.size, 0, 0, 0))


class Bucket:
    """One lake. Threads may share it. Methods raise StoreTrouble."""

    folder: Final = f"{SCHEME}://lake/"  # with all files of a lake, by the names that DuckDB uses

    def __init__(self, data: Path, url: str) -> None:
        """`data`: the folder that stands for it."""
        self.url = url
        self.trouble: StoreTrouble | None = None  # of the last read that failed; DuckDB only says that one did
        self.missing: set[str] = set()
        self.files: dict[str, Stored] = {}  # by the names that DuckDB uses
        self._store = Store(url)
        self._blocks = BlockCache(data / "blocks")
        self._known = data / "manifests.json"
        self._manifests: dict[str, tuple[str, Manifest]] = self._read_known()  # path -> etag and what is in it
        self._listed_at: float | None = None
        self._lock = threading.Lock()
        self._fetched: set[str] = set()

    def listings(self, days: tuple[date, date] | None) -> tuple[dict[str, Listing], Mapping[Path, Path]]:
        """The files of each table, and of `requests` file -> summary. `days`: of calls only these."""
        self._refresh()
        found: dict[str, dict[str, BucketFile]] = {table: {} for table in (*TABLES, _SUMMARIES)}
        for _, named in self._manifests.values():
            wanted = set(found)
            if days and not days[0] <= named.day <= days[1]:
                wanted -= {*CALL_TABLES, _SUMMARIES}
            for table, name, stored in named.each():
                if table in wanted:
                    file = self._file(manifest.object_path(table, named.day, name), stored)
                    found[table][str(file)] = file
        self._fetch_ends([file for table in found if table != "bodies" for file in found[table].values()])
        listed = {
            table: Listing(parquet=[found[table][name] for name in sorted(found[table])], settled=[], foreign=[])
            for table in TABLES
        }
        there = {(file.parent.name, file.name): file for file in found[_SUMMARIES].values()}
        summaries: dict[Path, Path] = {
            file: whole
            for file in listed["requests"].parquet
            if (whole := there.get((file.parent.name, file.name)))
            and all((part.parent.name, part.name) in there for part in summary.parts(whole))
        }
        return listed, summaries

    def named(self, objects: Mapping[str, Stored], *, fetches_ends: bool) -> list[BucketFile]:
        """These objects as files that DuckDB can open: paths in the lake, and what is stored there. Asks for no manifest."""
        files = [self._file(path, stored) for path, stored in objects.items()]
        if fetches_ends:
            self._fetch_ends(files)
        return files

    def register(self, connection: "DuckDBPyConnection") -> None:
        """From here on the connection can open the files."""
        connection.register_filesystem(_file_system(self))
        connection.execute(f"set threads = {READERS}")

    def read(self, name: str, start: int, length: int) -> bytes:
        """Bytes of a file of a listing. Raises FileNotFoundError."""
        file, path = self.files[name], name.removeprefix(f"{SCHEME}://")
        length = min(length, file.size - start)

        def fetch(first: int, count: int) -> bytes:
            return self._store.get_range(path, first, count)

        try:
            try:
                return self._blocks.read(file.md5, file.size, start, length, fetch)
            except OSError:  # this disk is full, or somebody deleted the folder
                return fetch(start, length) if length > 0 else b""
        except NotThere as error:
            self.missing.add(name)
            raise FileNotFoundError(name) from error
        except StoreTrouble as error:
            self.trouble = error
            raise OSError(str(error)) from error

    def _file(self, path: str, stored: Stored) -> BucketFile:
        file = BucketFile(path, bucket=self)
        if self.files.get(str(file)) != stored:
            self.files[str(file)] = stored
            self.missing.discard(str(file))
        return file

    def _refresh(self) -> None:
        with self._lock:
            if self._listed_at is not None and time.monotonic() - self._listed_at < _FRESH_S:
                return
            if self._listed_at is None:
                self._check_marker()
            listed = {
                found.path: found.etag or ""
                for found in self._store.list(f"{manifest.MANIFESTS}/")
                if manifest.day_of(found.path)
            }
            known = {path: each for path, each in self._manifests.items() if listed.get(path) == each[0]}
            new = [path for path in listed if path not in known]
            if new:
                with ThreadPoolExecutor(READERS) as pool:
                    for path, (data, etag) in zip(new, pool.map(self._get, new), strict=True):
                        if data is not None:
                            known[path] = etag or "", manifest.loaded_at(f"{self.url}/{path}", data)
            if new or len(known) != len(self._manifests):
                self._manifests = known
                self._write_known()
            self._listed_at = time.monotonic()

    def _check_marker(self) -> None:
        try:
            manifest.read_marker(self._store.get(manifest.MARKER)[0])
        except NotThere:
            raise StoreTrouble(
                f"{self.url}: there is no lake; a proxy with this line in its heliograph.toml makes one:"
                f' lake = "{self.url}"'
            ) from None
        except ValueError as error:
            raise StoreTrouble(f"{self.url}/{manifest.MARKER}: {error}") from error

    def _get(self, path: str) -> tuple[bytes | None, str | None]:
        with contextlib.suppress(NotThere):  # deleted by hand since it was listed
            return self._store.get(path)
        return None, None

    def _read_known(self) -> dict[str, tuple[str, Manifest]]:
        try:
            kept = orjson.loads(self._known.read_bytes())
            return {path: (etag, manifest.loaded(text.encode())) for path, (etag, text) in kept.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}  # it saves requests, and nothing else

    def _write_known(self) -> None:
        kept = {path: (etag, named.dumped().decode()) for path, (etag, named) in self._manifests.items()}
        hidden = self._known.with_name(f".{self._known.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        with contextlib.suppress(OSError):  # the same
            with open(hidden, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
                out.write(orjson.dumps(kept))
            hidden.rename(self._known)

    def _fetch_ends(self, files: Iterable[BucketFile]) -> None:
        """The ends of files are read first, one file after the other: fetched together they take a tenth of the time."""
        new = {str(file): parse_day(file.parent.name.removeprefix("date=")) for file in files}
        new = {name: day for name, day in new.items() if self.files[name].md5 not in self._fetched}
        newest = max((day for day in new.values() if day), default=None)
        near = [name for name, day in new.items() if newest and day and day >= newest - _AHEAD]
        self._fetched |= {self.files[name].md5 for name in near}
        if near:
            with ThreadPoolExecutor(2 * READERS) as pool:
                list(pool.map(self._fetch_end, near))

    def _fetch_end(self, name: str) -> None:
        size = self.files[name].size
        start = 0 if size <= _WHOLE_BYTES else size - BLOCK_BYTES
        with contextlib.suppress(OSError):  # the question that opens it says so
            self.read(name, start, size - start)


@cache
def _bucket(data: Path, url: str) -> Bucket:
    return Bucket(data, url)


def bucket_of(data: Path) -> Bucket | None:
    """The lake that a folder stands for; None: it is a data folder. Raises StoreTrouble."""
    url = url_of(data)
    return _bucket(data, url) if url else None


class OpenedFile(io.RawIOBase):
    """An open file, as DuckDB's file systems in Python have it. Threads of DuckDB share one, and each seeks before it reads: so
    each has a place of its own in it. With one for all they now and then got each other's bytes."""

    def __init__(self, name: str, size: int, read: Callable[[str, int, int], bytes]) -> None:
        self._name, self._size, self._read, self._places = name, size, read, threading.local()

    def read(self, size: int = -1) -> bytes:
        at = self.tell()
        found = self._read(self._name, at, self._size - at if size < 0 else size)
        self._places.at = at + len(found)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        self._places.at = offset + (0, self.tell(), self._size)[whence]
        return self.tell()

    def tell(self) -> int:
        at: int = getattr(self._places, "at", 0)
        return at


def _file_system(bucket: Bucket) -> Any:
    """The files of a bucket for DuckDB, which takes file systems of fsspec only."""
    try:
        from fsspec.spec import AbstractFileSystem
    except ImportError as error:
        raise StoreTrouble(
            f"{bucket.url}: reading it needs the extra s3; install it: pip install 'heliograph[s3]'"
        ) from error

    class Files(AbstractFileSystem):  # type: ignore[misc]
        protocol = SCHEME
        cachable = False  # fsspec would keep it for ever

        def open(self, path: str, mode: str = "rb", **options: Any) -> OpenedFile:
            if mode != "rb":
                raise PermissionError(f"{path}: read only")
            return OpenedFile(path, self.size(path), bucket.read)

        def glob(self, path: str, **options: Any) -> list[str]:
            return [path] if path in bucket.files else []

        def exists(self, path: str, **options: Any) -> bool:
            return path in bucket.files

        def isfile(self, path: str) -> bool:
            return path in bucket.files

        def size(self, path: str) -> int:
            if path not in bucket.files:
                raise FileNotFoundError(path)
            return bucket.files[path].size

        def modified(self, path: str) -> datetime:
            return datetime(1970, 1, 1, tzinfo=UTC)  # another content has another name in the cache

    return Files()
