"""Commits to the Iceberg tables once, in a process of its own: what reads their metadata takes memory, and may hang.

    python -m addon.settling.iceberg_process --data DIR [--config FILE]

The settler starts it. How it went is in `iceberg/status.json`. Exit status: 0 the tables are up to date, 1 they are not, and
the status says why, 3 another process is at it.
"""

import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from addon.config import settings
from addon.config.iceberg import Iceberg
from addon.config.mistakes import problems_of
from addon.settling.iceberg_catalog import CatalogTrouble, shown
from addon.settling.iceberg_round import Committer, Round
from addon.settling.iceberg_status import CHECK_EVERY_S, Status, epoch_of, read_status, write_status
from addon.settling.shipped import Forgotten
from addon.storage.folders import Folders, make_folder, tried_lock

LONGEST_S: Final = 900  # a catalog may never answer; the next process goes on where this one ends


class Busy(Exception):
    """Another process commits for this folder."""


def commit_once(folders: Folders, chosen: Iceberg, lake: str | None, environ: Mapping[str, str]) -> Round:
    """One round, with its status. Raises Busy, CatalogTrouble, Forgotten, OSError."""
    make_folder(folders.iceberg)
    with tried_lock(folders.iceberg / "lock") as ours:
        if not ours:
            raise Busy
        now, tables = datetime.now(UTC), shown(chosen, environ)
        status = read_status(folders)
        if status is None or status.tables != tables:
            status = Status(tables)
        checks_all = now.timestamp() - epoch_of(status.checked_at) >= CHECK_EVERY_S
        committer = Committer(folders, chosen, lake, environ)
        try:
            done = committer.round(checks_all=checks_all, gathers=True)
        except (CatalogTrouble, Forgotten, OSError) as error:
            _note_trouble(folders, status, committer, str(error), now)
            raise
        status.committed_at = now.isoformat(timespec="seconds")
        if checks_all:
            status.checked_at = status.committed_at
        if done.refused:
            _note_trouble(folders, status, committer, "; ".join(done.refused), now)
        else:
            status.trouble, status.troubled_since, status.waiting_files = None, None, 0
            write_status(folders, status)
        return done


def _note_trouble(folders: Folders, status: Status, committer: Committer, trouble: str, now: datetime) -> None:
    status.trouble = trouble
    status.troubled_since = status.troubled_since or now.isoformat(timespec="seconds")
    try:
        status.waiting_files = committer.waiting()
    finally:
        write_status(folders, status)


def main() -> int:
    import argparse
    import os

    parser = argparse.ArgumentParser(prog="addon.settling.iceberg_process", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the proxy
    signal.alarm(LONGEST_S)
    os.nice(10)
    loaded, problems = settings.load_beside_proxy(options.data, options.config)
    if loaded.iceberg is None or problems_of(problems, ("lake", "iceberg")):
        return 0
    try:
        done = commit_once(Folders(options.data), loaded.iceberg, loaded.lake, os.environ)
    except Busy:
        return 3
    except (CatalogTrouble, Forgotten, OSError):
        return 1  # the status says why
    return int(bool(done.refused))


if __name__ == "__main__":
    sys.exit(main())
