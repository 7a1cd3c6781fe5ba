"""The key of the pseudonyms: from the environment, else `DATA/redact.key`, made at first use.

With the key a guess can be tested: "is alice@example.org in here?". Without it, as when the file is deleted, a pseudonym says
nothing any more; texts found later get other pseudonyms than before.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from addon.redaction.rules import Rules
from addon.storage.folders import Folders
from addon.storage.secret_file import secret_in

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor

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


def redactor_of(rules: Rules | None, data: Path, environ: Mapping[str, str] = os.environ) -> "Redactor | None":
    """What redacts by these rules; None without rules. Raises OSError and ValueError as `redaction_key` does."""
    if rules is None:
        return None
    from addon.redaction.redactor import Redactor  # RE2: only where something is redacted

    return Redactor(rules, redaction_key(data, environ))
