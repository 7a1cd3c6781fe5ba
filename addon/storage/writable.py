"""Whether a data folder takes what is written to it: asked by `/healthz`, `GET /` and the doctor, never by a call."""

import os
import time
from pathlib import Path
from typing import Final

from addon.storage.folders import open_file, write_all

_PROBE_BYTES: Final = 4096  # a full disk may still have room in the last block of an empty file
_ASKED_AGAIN_AFTER_S: Final = 1.0


def why_unwritable(data: Path) -> str | None:
    """Why nothing can be recorded in `data`, in words without a path; None where it can. Makes no folder."""
    if not data.is_dir():
        return "the data folder does not exist" if not data.exists() else "the data folder is not a folder"
    journal = data / "journal"
    probe = (journal if journal.is_dir() else data) / f".probe-{os.getpid()}"
    try:
        descriptor = open_file(probe, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        try:
            write_all(descriptor, bytes(_PROBE_BYTES))
        finally:
            os.close(descriptor)
            probe.unlink(missing_ok=True)
    except OSError as error:
        return f"the data folder cannot be written: {error.strerror or 'something else has the name of a file of ours'}"
    return None


class WritableCheck:
    """The same, remembered for a second: anyone may ask a proxy for its health as often as they like."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._asked_at: float | None = None
        self._found: str | None = None

    def why_unwritable(self) -> str | None:
        now = time.monotonic()
        if self._asked_at is None or now - self._asked_at > _ASKED_AGAIN_AFTER_S:
            self._found, self._asked_at = why_unwritable(self._data), now
        return self._found
