"""What a data folder remembers of the files that it has shipped to a lake in a bucket.

    shipping/owner                     the id of this folder, in the names of its manifests
    shipping/<lake>/lake               the id of that lake, when it was first met
    shipping/<lake>/<date>.json        the objects of a day that were put or may have been, and its manifest
    shipping/<lake>/<date>.released    files of that day that are in the lake only: they count there, and were deleted here
    shipping/status.json               what is left to ship, and since when it does not work

`<lake>` is a hash of its URL. What may happen is on the disk before it happens: see shipping.py.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any, Final

import orjson

from addon.objects.manifest import Stored
from addon.storage.folders import Folders, entries, make_folder, read_lines, write_note

_OWNER_BYTES: Final = 8


class Forgotten(Exception):
    """The notes of what was shipped, or of what tables name, cannot be read. The message says what to do."""


@dataclass(slots=True)
class DayState:
    """Of one day. Keys are `<table>/<name>`."""

    objects: dict[str, Stored | None] = field(default_factory=dict)  # None: put, perhaps
    marks: dict[str, tuple[int, int]] = field(default_factory=dict)  # size and time of the local file when it was put
    counted: list[str] = field(default_factory=list)  # in the manifest
    gone: dict[str, float] = field(default_factory=dict)  # no longer in the manifest, since (epoch seconds)
    etag: str | None = None  # of the manifest in the store
    manifest: str | None = None  # MD5 of its bytes
    intended: str | None = None  # of a manifest that was put, perhaps


def lake_folder(folders: Folders, url: str) -> Path:
    return folders.shipping / hashlib.sha256(url.encode()).hexdigest()[:12]


def owner_of(folders: Folders) -> str:
    """The id of a data folder in all lakes; made once. Raises OSError, Forgotten."""
    if (known := known_owner(folders)) is not None:
        return known
    made = secrets.token_hex(_OWNER_BYTES)
    note_owner(folders, made)
    return made


def known_owner(folders: Folders) -> str | None:
    """The same; None: it has none yet. Raises OSError, Forgotten."""
    path = folders.shipping / "owner"
    if not os.path.lexists(path):
        return None
    lines = read_lines(path)
    if not lines or len(lines) != 1 or len(lines[0]) != 2 * _OWNER_BYTES:
        raise Forgotten(f"{path}: not a note of ours; put it back from a backup")
    return lines[0]


def note_owner(folders: Folders, owner: str) -> None:
    """Durably. Raises OSError."""
    make_folder(folders.shipping)
    write_note(folders.shipping / "owner", [owner])


def read_state(lake: Path, day: date) -> DayState:
    """Raises OSError, Forgotten."""
    path = lake / f"{day.isoformat()}.json"
    try:
        value: dict[str, Any] = orjson.loads(path.read_bytes())
        value["objects"] = {key: Stored(*file) if file else None for key, file in value["objects"].items()}
        value["marks"] = {key: (mark[0], mark[1]) for key, mark in value["marks"].items()}
        return DayState(**value)
    except FileNotFoundError:
        return DayState()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Forgotten(f"{path}: not a note of ours; put it back from a backup") from error


def write_state(lake: Path, day: date, state: DayState) -> None:
    """Durably. Raises OSError."""
    value = {item.name: getattr(state, item.name) for item in fields(state)}
    value["objects"] = {key: [file.size, file.md5] if file else None for key, file in state.objects.items()}
    write_note(lake / f"{day.isoformat()}.json", [orjson.dumps(value).decode()])


def released(lake: Path, day: date) -> set[str]:
    """Keys of the files that are in the lake only. Raises OSError, Forgotten."""
    path = lake / f"{day.isoformat()}.released"
    try:
        lines = read_lines(path)
    except FileNotFoundError:
        return set()
    if lines is None:
        raise Forgotten(f"{path}: not a note of ours; put it back from a backup")
    return set(lines)


def write_released(lake: Path, day: date, keys: Iterable[str]) -> None:
    """Durably. Raises OSError."""
    path = lake / f"{day.isoformat()}.released"
    if lines := sorted(keys):
        write_note(path, lines)
    else:
        path.unlink(missing_ok=True)


def retained(lake: Path, day: date) -> str | None:
    """What `write_retained` has noted of a day. Raises OSError."""
    try:
        lines = read_lines(lake / f"{day.isoformat()}.retained")
    except FileNotFoundError:
        return None
    return lines[0] if lines else None


def write_retained(lake: Path, day: date, verdicts: str) -> None:
    """Durably: `[retention]` was applied to the files of a day that were in the lake only. Raises OSError."""
    write_note(lake / f"{day.isoformat()}.retained", [verdicts])


def may_count(folders: Folders, table: str, day: date, names: Iterable[str]) -> bool:
    """Whether some of these files count in a lake, or may soon. Raises OSError, Forgotten."""
    keys = {f"{table}/{name}" for name in names}
    return any(
        not keys.isdisjoint(state.objects.keys() - state.gone.keys())
        for lake in _lakes(folders)
        for state in [read_state(lake, day)]
    )


def _lakes(folders: Folders) -> list[Path]:
    return [Path(entry.path) for entry in entries(folders.shipping) if entry.is_dir(follow_symlinks=False)]


def released_days(folders: Folders) -> list[date]:
    """Days of which some file is in a lake only. Raises OSError."""
    return sorted({day for lake in _lakes(folders) for day in days_released_to(lake)})


def days_released_to(lake: Path) -> list[date]:
    """The same of one lake."""
    names = (entry.name for entry in entries(lake) if entry.name.endswith(".released"))
    return sorted(date.fromisoformat(name.removesuffix(".released")) for name in names)


def released_objects(lake: Path) -> dict[tuple[str, date, str], Stored]:
    """(table, day, name) of each file that counts in this lake and is not here. Raises OSError, Forgotten."""
    found = {}
    for day in days_released_to(lake):
        state = read_state(lake, day)
        for key in released(lake, day).intersection(state.counted):
            table, _, name = key.partition("/")
            if stored := state.objects[key]:
                found[table, day, name] = stored
    return found


def released_names(folders: Folders, table: str, day: date) -> set[str]:
    """Names of files of a table and day that no merge may read: they count in a lake in a bucket. Raises OSError, Forgotten."""
    found: set[str] = set()
    for lake in _lakes(folders):
        found |= {key.partition("/")[2] for key in released(lake, day) if key.startswith(f"{table}/")}
    return found
