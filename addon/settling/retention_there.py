"""`[retention]` for calls whose files are in the lake in a bucket only (`keep_local_days` is over).

The files of a few days are brought back, what is due is deleted from them as from all that is here, and the next rounds ship
what is left. Of each day it is noted what the rules said of it then, so that it is brought back again only when they say
something else. A pass that was killed is done again: either its files are here, or the note is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from addon.caching.store import AnswerShelf
from addon.config.retention import Retention
from addon.settling import shipped
from addon.settling.released import MOST_DAYS
from addon.settling.retention import Gone, delete_expired
from addon.settling.shipping import Shipper
from addon.storage.folders import Folders, tried_lock
from addon.storage.record import EVENT_TABLES


def due_days(lake: Path, retention: Retention, today: date) -> dict[date, str]:
    """Days with files in this lake only, the oldest first, of which `[retention]` may keep less than it did when it was applied
    last, and what it says of them now. Asks nobody. Raises OSError."""
    found = {}
    for day in shipped.days_released_to(lake):
        verdicts = retention.verdicts((today - day).days)
        if verdicts is not None and verdicts != shipped.retained(lake, day):
            found[day] = verdicts
    return found


def expire_there(
    folders: Folders,
    shipper: Shipper,
    retention: Retention,
    now: datetime,
    shelves: Sequence[AnswerShelf],
    step: Callable[[str], None] = lambda what: None,
) -> Gone | None:
    """Applies it to the oldest days that are due. None: there is nothing to do, or somebody merges just now. The caller holds
    the lock of shipping. `step` is told before each change here; for tests. Raises as Shipper and `delete_expired` do."""
    due = due_days(shipper.lake, retention, now.astimezone(UTC).date())
    due = dict(list(due.items())[:MOST_DAYS])
    if not due:
        return None
    # Properties that were set later decide, and what was said of a call goes with it: on whichever day that was.
    shipper.recall(tables=EVENT_TABLES)
    shipper.recall(due)
    with tried_lock(folders.merge_lock) as ours:
        return expire_days(folders, shipper.lake, retention, now, shelves, due, step) if ours else None


def expire_days(
    folders: Folders,
    lake: Path,
    retention: Retention,
    now: datetime,
    shelves: Sequence[AnswerShelf],
    days: Mapping[date, str],
    step: Callable[[str], None] = lambda what: None,
) -> Gone:
    """Applies it to days whose files were brought back, and notes what it said of them. The caller holds the locks of shipping
    and of all merges. Raises as `delete_expired` does."""
    step("delete")
    gone = delete_expired(folders, retention, now, shelves, only=days.keys())
    for day, verdicts in days.items():
        step(f"note {day}")
        shipped.write_retained(lake, day, verdicts)
    return gone
