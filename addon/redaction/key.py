"""The key of the pseudonyms: from the environment, else `DATA/redact.key`, made at first use.

With the key a guess can be tested: "is alice@example.org in here?". Without it, as when the file is deleted, a pseudonym says
nothing any more; texts found later get other pseudonyms than before.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from addon.storage.folders import Folders
from addon.storage.secret_file import secret_in

VARIABLE: Final = "HELIOGRAPH_REDACT_KEY"
SHORTEST: Final = 16  # characters: what is shorter can be guessed


def redaction_key(data: Path, environ: Mapping[str, str]) -> bytes:
    """Raises OSError where the file cannot be read or made, ValueError where the variable is too short for a key."""
    given = environ.get(VARIABLE, "")
    if given and len(given) < SHORTEST:
        raise ValueError(f"{VARIABLE} has {len(given)} characters; a key has at least {SHORTEST}")
    return given.encode() if given else secret_in(Folders(data).redaction_key)


def has_key(data: Path, environ: Mapping[str, str]) -> bool:
    """Whether something was redacted in this folder, or is to be."""
    return bool(environ.get(VARIABLE)) or Folders(data).redaction_key.exists()
