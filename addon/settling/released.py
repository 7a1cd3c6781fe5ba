"""Files that are in the lake in a bucket only, for what changes stored rows: they are brought back a few days at a time, changed
here, and shipped anew before the next days come.

Whatever step is killed, each row counts once: until the bucket has the new manifest of a day, it counts there as it was.
"""

import math
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from itertools import batched
from typing import Final

from addon.config.shipping import Shipping
from addon.settling.compact import remove_replaced
from addon.settling.day_files import SHIPPED
from addon.settling.shipped import days_released_to
from addon.settling.shipping import Shipper
from addon.settling.summarise import summarise_all
from addon.storage.folders import Folders
from addon.storage.record import EVENT_TABLES

MOST_DAYS: Final = 5  # at once: their files take room here until the bucket has the new ones


class Released:
    """Of one data folder and lake. The caller holds the locks of shipping and of all merges. Raises as Shipper does."""

    def __init__(self, folders: Folders, shipper: Shipper, how: Shipping) -> None:
        """`shipper`: with `is_only_merger`."""
        self._folders, self.shipper, self._how = folders, shipper, how

    def each(self, days: Iterable[date], tables: Collection[str] = SHIPPED) -> Iterator[list[date]]:
        """These days in parts: first those whose files are all here, then a few at a time of the others, whose files of
        `tables` are here until the next part is asked for."""
        there = set(days_released_to(self.shipper.lake))
        chosen = list(days)
        if here := [day for day in chosen if day not in there]:
            yield here
        for part in batched((day for day in chosen if day in there), MOST_DAYS, strict=False):
            self.shipper.recall(part, tables)
            yield list(part)
            self.send()

    def recall_events(self) -> None:
        """What was said of calls may be of any day."""
        self.shipper.recall(tables=EVENT_TABLES)

    def send(self) -> None:
        """Ships what was changed, and makes room here as a proxy does."""
        summarise_all(self._folders)
        for _ in range(2):  # once the manifests have the new files, the notes of what they replace can go
            self.shipper.round()
            remove_replaced(self._folders, math.inf)
        self.shipper.round()
        self.shipper.release(self._how)


def each_part(
    released: Released | None, days: Iterable[date], tables: Collection[str] = SHIPPED
) -> Iterator[list[date]]:
    """As `Released.each`; None: all files are here."""
    yield from released.each(days, tables) if released else [list(days)]
