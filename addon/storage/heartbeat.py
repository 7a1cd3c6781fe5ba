"""What each data folder of a fleet tells of itself once a minute: the one format, for those that write and those that read.

It is an object `fleet/<owner>.json` in the bucket of `lake`, and a field of Redis for `[shared]`. It names no key, no call and no
caller. The store's own time beside it tells how old it is, and whether the machine's clock is right.
"""

import hashlib
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import orjson

FORMAT: Final = 1
EVERY_S: Final = 60.0
SILENT_S: Final = 240.0  # three that did not come, and a slow one
FORGOTTEN_S: Final = 7 * 86400.0
FOLDER: Final = "fleet"  # in the bucket


class OtherFormat(ValueError):
    """Not a heartbeat that this version can read. The message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Times are epoch seconds by the clock of the machine; None: never."""

    owner: str  # id of the data folder
    host: str
    version: str  # of heliograph
    lake_format: int
    at: float
    listen: str = ""  # addresses of its proxies; "": none runs
    workers: int = 0
    shipped_at: float | None = None  # all that was there then is in the lake
    ships: bool = False  # to a lake
    waiting_calls: int = 0  # not shipped, as shipping fails
    waiting_bytes: int = 0
    trouble: str = ""  # why shipping fails
    settings: str = ""  # hash of the settings' text
    settings_problem: str = ""  # why newer settings are not in force
    secret: str = ""  # hash of the file `secret`

    @property
    def name(self) -> str:
        return f"{self.host} ({self.listen})" if self.listen else self.host


def dumped(beat: Heartbeat) -> bytes:
    return orjson.dumps({"format": FORMAT, **asdict(beat)})


def loaded(data: bytes) -> Heartbeat:
    """Raises OtherFormat."""
    try:
        value: dict[str, Any] = orjson.loads(data)
        found = value.pop("format")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise OtherFormat("not written by heliograph") from error
    if not isinstance(found, int) or found > FORMAT:
        raise OtherFormat(f"written by a newer heliograph (format {found}, this one knows {FORMAT}); update this one")
    try:
        return Heartbeat(**{field.name: value[field.name] for field in fields(Heartbeat) if field.name in value})
    except TypeError as error:
        raise OtherFormat("not written by heliograph") from error


def fingerprint(secret: bytes) -> str:
    """Tells whether two machines have the same `secret`, and nothing else of it."""
    return hashlib.sha256(b"heliograph fleet\0" + secret).hexdigest()[:16]


def object_path(owner: str) -> str:
    return f"{FOLDER}/{owner}.json"
