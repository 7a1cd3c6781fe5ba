"""What a lake in a bucket has, and which of its objects count.

    heliograph.json                                  the format of the lake, and its id
    lake/<table>/date=<date>/<name>.parquet          the files of the data folders that write there
    manifests/date=<date>/<owner>.json               which files of one day and one data folder count

A manifest is replaced whole, so a reader sees the files before or after a merge, never both and never neither. It has one writer,
its data folder, and so proxies need not know of each other.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import orjson

from addon.objects.store import StoreTrouble, is_md5
from addon.storage.folders import parse_day

FORMAT: Final = 1  # of the places and of the manifests; readers and writers of an older one refuse a newer one
MARKER: Final = "heliograph.json"
MANIFESTS: Final = "manifests"
_PATH: Final = re.compile(rf"{MANIFESTS}/date=(?P<day>\d{{4}}-\d\d-\d\d)/(?P<owner>[0-9a-f]{{16}})\.json")
_TABLE: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,250}\.[a-z]{1,10}")


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of one object: bytes, and their MD5."""

    size: int
    md5: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of one day that one data folder has stored: table -> name -> file."""

    owner: str
    day: date
    host: str
    version: str  # of heliograph
    files: Mapping[str, Mapping[str, Stored]]

    def each(self) -> Iterator[tuple[str, str, Stored]]:
        """(table, name, file) of each."""
        return ((table, name, file) for table, named in self.files.items() for name, file in named.items())

    def dumped(self) -> bytes:
        """The same bytes for the same content."""
        files = {
            table: {name: [file.size, file.md5] for name, file in sorted(named.items())}
            for table, named in sorted(self.files.items())
        }
        return orjson.dumps(
            {
                "format": FORMAT,
                "owner": self.owner,
                "host": self.host,
                "version": self.version,
                "date": self.day.isoformat(),
                "files": files,
            }
        )


def loaded(data: bytes) -> Manifest:
    """Raises ValueError for what is not a manifest of a format that is known here."""
    value = _object(data)
    check_format(value)
    day = parse_day(str(value.get("date")))
    if day is None:
        raise ValueError("not a manifest of ours")
    files = {
        str(table): {str(name): Stored(*map(_plain, file)) for name, file in named.items()}
        for table, named in value["files"].items()
    }
    for table, named in files.items():
        if not _TABLE.fullmatch(table) or not all(_NAME.fullmatch(name) for name in named):
            raise ValueError("names in it are not ours")
        if not all(isinstance(file.size, int) and is_md5(file.md5) for file in named.values()):
            raise ValueError("sizes in it are not ours")
    return Manifest(str(value.get("owner")), day, str(value.get("host")), str(value.get("version")), files)


def loaded_at(place: str, data: bytes) -> Manifest:
    """The same of an object. `place`: its URL. Raises StoreTrouble that names it."""
    try:
        return loaded(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreTrouble(f"{place}: {error}") from error


def _plain(value: Any) -> Any:
    return value


def check_format(value: Mapping[str, Any]) -> None:
    """Raises ValueError for a format that a newer version has written."""
    found = value.get("format")
    if not isinstance(found, int):
        raise ValueError("not written by heliograph")
    if found > FORMAT:
        raise ValueError(f"written by a newer heliograph (format {found}, this one knows {FORMAT}); update this one")


def marker(lake_id: str) -> bytes:
    return orjson.dumps({"format": FORMAT, "id": lake_id})


def read_marker(data: bytes) -> str:
    """The id of the lake. Raises ValueError."""
    value = _object(data)
    check_format(value)
    return str(value.get("id"))


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError("not JSON") from error
    if not isinstance(value, dict):
        raise ValueError("not written by heliograph")
    return value


def object_path(table: str, day: date, name: str) -> str:
    return f"lake/{table}/date={day.isoformat()}/{name}"


def manifest_path(day: date, owner: str) -> str:
    return f"{MANIFESTS}/date={day.isoformat()}/{owner}.json"


def day_of(path: str) -> date | None:
    """The day of a manifest's path; None: something else."""
    found = _PATH.fullmatch(path)
    return parse_day(found["day"]) if found else None


def owner_of(path: str) -> str | None:
    """The owner of a manifest's path; None: something else."""
    found = _PATH.fullmatch(path)
    return found["owner"] if found else None


def digest(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
