"""Keeps the Iceberg tables up to date in a thread beside the settler's loop (beside.py), which starts a process for each commit:
a catalog may hang."""

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from addon.config import settings
from addon.config.mistakes import problems_of
from addon.settling import named
from addon.settling.beside import Beside
from addon.settling.counted_files import counted_files
from addon.settling.iceberg_catalog import shown
from addon.settling.iceberg_due import Differences, is_due
from addon.settling.iceberg_process import LONGEST_S
from addon.settling.iceberg_status import CHECK_EVERY_S, epoch_of, read_status, status_file
from addon.settling.shipped import Forgotten
from addon.start_module import module_command, module_environment
from addon.storage.folders import Folders

EVERY_S: Final = 20.0
SPREAD_S: Final = 600.0
LONGEST_PAUSE_S: Final = 300.0  # between tries while the catalog does not work
LAST_S: Final = 20.0  # for what is left when the proxy ends


class IcebergThread:
    """Looks whether a commit is due, starts it, and a last one at the end."""

    def __init__(self, folders: Folders, config: Path | None, say: Callable[[str], None]) -> None:
        self._folders, self._config, self._say = folders, config, say
        self._differences: Differences | None = None
        self._lake: str | None = None
        self._spread_s = random.uniform(0, SPREAD_S)
        self._failures = 0
        self._trouble: str | None = None
        self._tried_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._beside = Beside("iceberg", self._pass, EVERY_S)

    def start_if_due(self) -> None:
        self._beside.start_if_due()

    def finish(self, wait_s: float = LAST_S) -> None:
        """Commits what is left, in a bounded time: the next start goes on."""
        self._beside.finish(wait_s, lambda: self._trouble is None)
        if self._process and self._process.poll() is None:
            self._process.kill()

    def _pass(self, is_last: bool) -> float:
        loaded, problems = settings.load_beside_proxy(self._folders.data, self._config)
        pause_s = EVERY_S
        if loaded.iceberg is None and not problems_of(problems, ("iceberg",)):
            self._stop_naming()
        elif loaded.iceberg and not problems_of(problems, ("lake", "iceberg")):
            self._commit_if_due(loaded.lake, shown(loaded.iceberg, os.environ), is_last)
            pause_s = min(EVERY_S * 2 ** min(self._failures, 10), LONGEST_PAUSE_S)
        return pause_s * random.uniform(0.9, 1.1)

    def _stop_naming(self) -> None:
        self._differences = None
        if status_file(self._folders).exists():
            named.forget_names(self._folders)
            status_file(self._folders).unlink(missing_ok=True)

    def _commit_if_due(self, lake: str | None, tables: str, is_last: bool) -> None:
        if self._differences is None or self._lake != lake:
            self._differences, self._lake = Differences(self._folders, counted_files(self._folders, lake)), lake
        try:
            found = self._differences.all()
        except (Forgotten, OSError) as error:
            self._failed(str(error))
            return
        now, status = time.time(), read_status(self._folders)
        if status and status.tables != tables:
            status = None
        committed_at = epoch_of(status.committed_at if status else None)
        checked_at = epoch_of(status.checked_at if status else None)
        if (
            (found and is_last)
            or is_due(found, now, committed_at, self._tried_at, self._spread_s)
            or now - checked_at >= CHECK_EVERY_S
        ):
            self._tried_at = now
            self._commit()

    def _commit(self) -> None:
        arguments = ["--data", str(self._folders.data)]
        if self._config:
            arguments += ["--config", str(self._config)]
        self._process = subprocess.Popen(
            module_command("addon.settling.iceberg_process", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=module_environment(),
            start_new_session=True,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):  # it ends itself before
            self._process.wait(LONGEST_S + 60)
        ended = self._process.poll()
        status = read_status(self._folders)
        if ended == 0:
            if self._trouble:
                self._say("the Iceberg tables are up to date again")
            self._failures, self._trouble = 0, None
        elif ended == 1 and status and status.trouble:
            self._failed(status.trouble)
        elif ended != 3:
            self._failed(f"the process that commits ended with {ended}")

    def _failed(self, trouble: str) -> None:
        self._failures += 1
        if self._trouble != trouble or self._failures & (self._failures - 1) == 0:
            self._say(f"the Iceberg tables are not up to date: {trouble}; calls are stored as always, trying again")
        self._trouble = trouble
