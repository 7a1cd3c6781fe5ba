"""Small files of one JSON object: the fields of a dataclass."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from addon.storage.folders import write_note

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def read_fields[T](kind: type[T], path: Path) -> T | None:
    """None: there is no such file, or it has other fields."""
    try:
        return kind(**orjson.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def write_fields(path: Path, value: "DataclassInstance") -> None:
    """Durably. Raises OSError."""
    write_note(path, [orjson.dumps(asdict(value)).decode()])
