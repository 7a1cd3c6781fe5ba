"""All tools whose history can be imported, and which of them wrote a file. Told by the content, never by the name."""

from itertools import islice
from pathlib import Path
from typing import Final

from addon.intake.importing import claude_code, codex, helicone, langfuse, litellm
from addon.intake.importing.files import SUFFIXES, records
from addon.intake.importing.model import HistoryError, Source

SOURCES: Final = (claude_code.SOURCE, codex.SOURCE, helicone.SOURCE, langfuse.SOURCE, litellm.SOURCE)
_LOOKED_AT: Final = 50  # records of a file: a session may begin with lines of other types


def source_of(path: Path) -> Source | None:
    """None: the file is empty, or of none of them. Raises HistoryError where it cannot be read."""
    is_other = False  # it has records, of none of them
    try:
        for record in islice(records(path, is_unfinished=True), _LOOKED_AT):
            is_other = True
            if source := next((source for source in SOURCES if source.fits(record.fields)), None):
                return source
    except HistoryError:
        if not is_other:  # else it does not matter what is wrong with it
            raise
    return None


def expected() -> str:
    """What can be imported, for messages."""
    return "; ".join(source.title for source in SOURCES)


def files_of(path: Path) -> list[Path]:
    """The file, or the files below a folder that may be exports; those of sub-agents last, since they repeat others."""
    if not path.is_dir():
        return [path]
    found = [file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()]
    return sorted(found, key=lambda file: ("subagents" in file.parts, file))
