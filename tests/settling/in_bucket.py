"""Data folders whose files are in a bucket only, as after `keep_local_days`."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from addon.config.shipping import Shipping
from addon.objects.store import Store
from addon.settling.merge import finish_merges
from addon.settling.shipping import GONE_S, Shipper
from addon.storage.disk_use import tables_and_days
from addon.storage.folders import Folders
from tests.objects.google import BUCKET

LATER: Final = datetime(2028, 1, 1, tzinfo=UTC)
URL: Final = f"gs://{BUCKET}/team"


def shipper_of(
    folders: Folders, step: Callable[[str], None] = lambda what: None, *, is_only_merger: bool = False
) -> Shipper:
    clock = LATER.timestamp() + GONE_S
    return Shipper(folders, Store(URL), is_only_merger=is_only_merger, clock=lambda: clock, step=step)


def release(folders: Folders) -> None:
    """As a proxy does within minutes: what was replaced goes, what is left is shipped and goes from here."""
    for table, day in tables_and_days(folders):
        finish_merges(folders, table, day, math.inf)
    shipper = shipper_of(folders)
    for _ in range(2):
        shipper.round()
        for table, day in tables_and_days(folders):
            finish_merges(folders, table, day, math.inf)
    shipper.release(Shipping(max_local_bytes=2**40))
    assert not files_here(folders)


def files_here(folders: Folders) -> list[Path]:
    return list(folders.data.glob("lake/*/*/*.parquet"))
