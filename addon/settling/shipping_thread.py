"""Ships in a thread beside the settler's loop (beside.py).

What is left to ship, and since when it does not work, is in `shipping/status.json`, for `/metrics` and the doctor.
"""

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from addon.config import settings
from addon.config.mistakes import problems_of
from addon.config.shipping import Shipping
from addon.config.stores import answer_shelves
from addon.objects.store import Store, StoreTrouble
from addon.settling.beside import Beside
from addon.settling.ship_status import Status, status_file, write_status
from addon.settling.shipped import Forgotten
from addon.settling.shipping import Foreign, Round, Shipper
from addon.storage.folders import Folders, make_folder, tried_lock

EVERY_S: Final = 20.0  # the lake is so much behind; each round costs a request for each table, and two for each day
RELEASE_EVERY_S: Final = 600.0
EXPIRE_EVERY_S: Final = 60.0  # while days are left that [retention] is to be applied to
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
        self._beside = Beside("ship", self._pass, EVERY_S)

    def start_if_due(self) -> None:
        self._beside.start_if_due()

    def finish(self) -> None:
        """Ships what is left, and waits for it a bounded time."""
        if not self._beside.finish(LAST_S, lambda: self._status is None or self._status.trouble is None):
            self._say("not all calls are shipped yet; the next start goes on, or `heliograph ship`")

    def _pass(self, _is_last: bool) -> float:
        loaded, problems = settings.load_beside_proxy(self._folders.data, self._config)
        pause_s = EVERY_S
        if loaded.lake and not problems_of(problems, ("lake", "shipping")):
            if self._ship(loaded.lake, loaded.shipping) and not problems_of(problems, ("retention",)):
                self._expire(loaded)
            pause_s = min(EVERY_S * 2 ** min(self._failures, 10), LONGEST_PAUSE_S)
        elif not loaded.lake:
            self._shipper = self._status = None
            status_file(self._folders).unlink(missing_ok=True)
        return pause_s * random.uniform(0.9, 1.1)

    def _expire(self, loaded: settings.Settings) -> None:
        """Applies `[retention]` to what is in the lake only: some days, the next ones a minute later."""
        from addon.settling.retention_there import expire_there

        assert self._shipper
        try:
            with tried_lock(self._folders.ship_lock) as ours:
                if ours:
                    shelves = answer_shelves(loaded, os.environ)
                    gone = expire_there(self._folders, self._shipper, loaded.retention, datetime.now(UTC), shelves)
        except Exception as error:  # as in _ship; a damaged file makes pyarrow raise nearly anything
            self._say(f"[retention] cannot be applied to what is in the bucket only: {error!s:.300}; trying again")
            return
        if gone:
            self._release_at = time.monotonic() + EXPIRE_EVERY_S
            if gone.rows:
                self._say(f"[retention] deleted {gone}, which were in the bucket only")

    def _ship(self, url: str, how: Shipping) -> bool:
        """Whether there was a round that has also made room here, and there is room."""
        if self._status is None or self._status.lake != url:
            self._status, self._shipper = Status(url), None
        has_room = False
        try:
            make_folder(self._folders.shipping)
            with tried_lock(self._folders.ship_lock) as ours:
                if ours:
                    self._shipper = self._shipper or Shipper(self._folders, Store(url))
                    done = ship_once(self._shipper, how if time.monotonic() >= self._release_at else None)
                    self._note(done, how)
                    has_room = done.local_bytes is not None and done.local_bytes <= how.max_local_bytes
        except (StoreTrouble, Foreign, Forgotten, OSError) as error:
            self._failed(str(error))
        except Exception as error:  # a damaged file makes pyarrow raise nearly anything
            self._failed(f"{error!r:.300}")
        self._tell()
        return has_room

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
