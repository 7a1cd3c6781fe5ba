"""The doctor on the Iceberg tables: whether their catalog answers, and whether they are up to date. Changes nothing."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from addon.config.iceberg import Iceberg
from addon.config.settings import load_what_can_be_read
from analysis.health.finding import BAD, GOOD, NOTE, Finding

_PATIENCE_S: Final = 15.0  # pyiceberg waits for a REST catalog without end


def iceberg_tables(data: Path, config: Path | None) -> Iterator[Finding]:
    from addon.settling.iceberg_catalog import shown
    from addon.settling.iceberg_status import read_status
    from addon.storage.folders import Folders

    settings, _ = load_what_can_be_read(data, config)
    if settings.iceberg is None:
        return
    tables = shown(settings.iceberg, os.environ)
    trouble = _asked(settings.iceberg)
    yield Finding(BAD, "catalog", trouble) if trouble else Finding(GOOD, "catalog", f"{tables} answers")
    status = read_status(Folders(data))
    if status is None or status.tables != tables:
        yield Finding(NOTE, "tables", "not begun; a running proxy commits each hour, `heliograph ship` at once")
    elif status.trouble:
        left = f"{status.waiting_files:,} files are left"
        yield Finding(BAD, "tables", f"not up to date since {status.troubled_since}, {left}: {status.trouble}")
    else:
        yield Finding(GOOD, "tables", f"they have all that was there at {status.committed_at}")


def _asked(chosen: Iceberg) -> str | None:
    """Why the catalog does not answer; None: it does."""
    from addon.settling.iceberg_catalog import CatalogTrouble, checked_catalog

    answers: list[str | None] = []

    def ask() -> None:
        try:
            checked_catalog(chosen, os.environ)
            answers.append(None)
        except CatalogTrouble as error:
            answers.append(str(error))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_PATIENCE_S)
    return answers[0] if answers else f"the catalog has not answered for {_PATIENCE_S:.0f} s; is its address right?"
