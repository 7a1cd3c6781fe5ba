"""Files of a data folder that are in its lake in a bucket only, as `Lake` reads them beside those that are here.

What is read of them is kept in a folder that the caller gives and removes: rows that are to be deleted must not stay in a cache.
"""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from addon.objects import manifest
from addon.objects.manifest import Stored
from addon.settling import shipped
from addon.storage.folders import Folders
from addon.storage.lake import Listing
from addon.storage.record import CALL_TABLES
from analysis.bucket import Bucket


class ReleasedFiles:
    """Of one data folder and one lake. Methods raise OSError, Forgotten."""

    def __init__(self, data: Path, url: str, cache: Path) -> None:
        """Raises StoreTrouble."""
        self.bucket = Bucket(cache, url)
        self._lake = shipped.lake_folder(Folders(data), url)

    def beside(self, list_here: Callable[[], dict[str, Listing]], days: tuple[date, date] | None) -> dict[str, Listing]:
        """What `list_here` finds, and the files that are in the bucket only. `days`: of calls only these.

        Files may go from here or come back meanwhile: that is noted before they go, and after they came. So what is noted
        before or after the listing, and is not in it, is in the bucket."""
        before = shipped.released_objects(self._lake)
        listings = list_here()
        there = before | shipped.released_objects(self._lake)
        return {table: self._with(listing, table, there, days) for table, listing in listings.items()}

    def _with(
        self,
        listing: Listing,
        table: str,
        there: Mapping[tuple[str, date, str], Stored],
        days: tuple[date, date] | None,
    ) -> Listing:
        here = {(path.parent.name, path.name) for path in listing.parquet}
        objects = {
            manifest.object_path(table, day, name): stored
            for (of, day, name), stored in sorted(there.items())
            if of == table
            and (f"date={day.isoformat()}", name) not in here
            and not (days and table in CALL_TABLES and not days[0] <= day <= days[1])
        }
        files = self.bucket.named(objects, fetches_ends=table != "bodies")
        return Listing([*listing.parquet, *files], listing.settled, listing.foreign)
