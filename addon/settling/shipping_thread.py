"""Ships in a thread beside the settler's loop. The store may be slow, away or full: rows do not wait for it.

What is left to ship, and since when it does not work, is in `shipping/status.json`, for `/metrics` and the doctor.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from addon.config import settings
from addon.config.shipping import Shipping
from addon.objects.store import Store, StoreTrouble
from addon.settling.ship_status import Status, status_file, write_status
from addon.settling.shipped import Forgotten
from addon.settling.shipping import Foreign, Round, Shipper
from addon.storage.folders import Folders, make_folder, tried_lock

EVERY_S: Final = 20.0  # the lake is so much behind; each round costs a request for each table, and two for each day
RELEASE_EVERY_S: Final = 600.0
LONGEST_PAUSE_S: Final = 300.0  # between tries while the store does not work
LAST_S: Final = 10.0  # for what is left when the proxy ends


class ShippingThread:
    """Starts a round when one is due, and a last one at the end."""

    def __init__(self, folders: Folders, config: Path | None, say: Callable[[str], None]) -> None:
        self._folders, self._config, self._say = folders, config, say
        self._shipper: Shipper | None = None
        self._status: Status | None = None
        self._failures = 0
        self._release_at = 0.0
        self._next_at = time.monotonic() + EVERY_S
        self._thread: threading.Thread | None = None

    def start_if_due(self) -> None:
        if time.monotonic() >= self._next_at and not self._is_running():
            self._start()

    def finish(self) -> None:
        """Ships what is left, and waits for it a bounded time."""
        deadline = time.monotonic() + LAST_S
        if self._thread:
            self._thread.join(LAST_S)
        if not self._is_running() and (self._status is None or self._status.trouble is None):
            self._start()
        if self._thread:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._is_running():
            self._say("not all calls are shipped yet; the next start goes on, or `heliograph ship`")

    def _is_running(self) -> bool:
        return bool(self._thread and self._thread.is_alive())

    def _start(self) -> None:
        # A daemon: a request that hangs does not keep the process, and the next one goes on wherever this one ends.
        self._thread = threading.Thread(target=self._pass, name="ship", daemon=True)
        self._thread.start()

    def _pass(self) -> None:
        loaded, problems = settings.load_what_can_be_read(
            self._folders.data, self._config if self._config and self._config.exists() else None
        )
        pause_s = EVERY_S
        if loaded.lake and not settings.problems_of(problems, ("lake", "shipping")):
            self._ship(loaded.lake, loaded.shipping)
            pause_s = min(EVERY_S * 2 ** min(self._failures, 10), LONGEST_PAUSE_S)
        elif not loaded.lake:
            self._shipper = self._status = None
            status_file(self._folders).unlink(missing_ok=True)
        self._next_at = time.monotonic() + pause_s * random.uniform(0.9, 1.1)

    def _ship(self, url: str, how: Shipping) -> None:
        if self._status is None or self._status.lake != url:
            self._status, self._shipper = Status(url), None
        try:
            make_folder(self._folders.shipping)
            with tried_lock(self._folders.ship_lock) as ours:
                if ours:
                    self._shipper = self._shipper or Shipper(self._folders, Store(url))
                    self._note(ship_once(self._shipper, how if time.monotonic() >= self._release_at else None), how)
        except (StoreTrouble, Foreign, Forgotten, OSError) as error:
            self._failed(str(error))
        except Exception as error:  # a damaged file makes pyarrow raise nearly anything
            self._failed(f"{error!r:.300}")
        self._tell()

    def _note(self, done: "Done", how: Shipping) -> None:
        assert self._status
        status, self._failures = self._status, 0
        if status.trouble:
            self._say(f"{status.lake} takes files again")
        status.shipped_at, status.trouble, status.troubled_since = _now(), None, None
        status.waiting_files = status.waiting_bytes = status.waiting_calls = 0
        status.shipped_files += done.round.files
        status.shipped_bytes += done.round.size
        status.max_local_bytes = how.max_local_bytes
        if done.local_bytes is not None:
            status.local_bytes, self._release_at = done.local_bytes, time.monotonic() + RELEASE_EVERY_S
            if done.local_bytes > how.max_local_bytes:
                self._say(
                    f"{done.local_bytes:,} bytes of calls are here, above max_local_bytes = {how.max_local_bytes:,}:"
                    " what is left is of today, or rows without bodies; make room or raise it"
                )

    def _failed(self, trouble: str) -> None:
        assert self._status
        status = self._status
        self._failures += 1
        if status.trouble != trouble or self._failures & (self._failures - 1) == 0:
            self._say(f"cannot ship: {trouble}; the calls stay on this disk, trying again")
        status.trouble, status.troubled_since = trouble, status.troubled_since or _now()
        if self._shipper:
            left = self._shipper.waiting()
            status.waiting_files, status.waiting_bytes, status.waiting_calls = left.files, left.size, left.calls

    def _tell(self) -> None:
        if self._status:
            try:
                write_status(self._folders, self._status)
            except OSError as error:
                self._say(f"{status_file(self._folders)}: {error}")


@dataclass(frozen=True, slots=True)
class Done:
    """`local_bytes`: of the lake's files that are still here; None: nobody looked."""

    round: Round
    local_bytes: int | None


def ship_once(shipper: Shipper, how: Shipping | None) -> Done:
    """A round, and with `how` what follows from it here. Raises as Shipper does."""
    done = shipper.round(gathers=True)
    return Done(done, shipper.release(how) if how else None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
