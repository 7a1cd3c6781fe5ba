"""Time zones of reports: where a day, a week or a month begins.

A zone is its offsets from UTC and the moments when they change, worked out by Python. DuckDB could do the same with its
ICU, but takes three times as long over many rows.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from addon.config.mistakes import did_you_mean

# Offsets are looked up in these years; every call is in them.
_FIRST, _LAST = datetime(2015, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
_DATABASE: Final = "zoneinfo/"  # in the path that /etc/localtime leads to


@dataclass(frozen=True, slots=True)
class Zone:
    """`rules`: None for those that the C library has for this machine ($TZ, /etc/localtime)."""

    name: str
    rules: ZoneInfo | None

    def local(self, moment: datetime) -> datetime:
        """The same moment with this zone's date and time."""
        return moment.astimezone(self.rules)

    def local_row(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """A row with its times, which are UTC without saying so, as this zone has them."""
        return tuple(self._shown(value) if isinstance(value, datetime) else value for value in row)

    def _shown(self, moment: datetime) -> datetime:
        return self.local(moment.replace(tzinfo=UTC)).replace(tzinfo=None)

    def utc(self, local: datetime) -> datetime:
        """The moment, in UTC, of a date and time without a zone. Of a time that occurs twice it is the first."""
        aware = local.replace(tzinfo=self.rules) if self.rules else local
        return aware.astimezone(UTC)

    def midnight(self, day: date) -> datetime:
        """When a day begins, in UTC."""
        return self.utc(datetime.combine(day, time()))

    def offset(self, moment: datetime) -> timedelta:
        return self.local(moment).utcoffset() or timedelta()

    @lru_cache(64)  # noqa: B019 -- a handful of zones; each view of a scope asks for the same ones
    def offsets(self, start: datetime, end: datetime) -> list[tuple[datetime, timedelta]]:
        """Each offset from UTC between two moments, with the moment from which on it holds; the first holds before, too."""
        moment, end = max(start, _FIRST), min(end, _LAST)
        found = [(moment, self.offset(moment))]
        while moment < end:
            following = min(moment + timedelta(days=1), end)
            if self.offset(following) != found[-1][1]:
                changed = self._change(moment, following)
                found.append((changed, self.offset(changed)))
            moment = following
        return found

    def _change(self, before: datetime, after: datetime) -> datetime:
        """The second at which the offset of `before` ends. It differs at `after`."""
        first, seconds = self.offset(before), int((after - before).total_seconds())
        same, other = 0, seconds
        while other - same > 1:
            middle = (same + other) // 2
            if self.offset(before + timedelta(seconds=middle)) == first:
                same = middle
            else:
                other = middle
        return (before + timedelta(seconds=other)).replace(microsecond=0)


UTC_ZONE: Final = Zone("UTC", ZoneInfo("UTC"))


def zone_of(name: str | None) -> Zone:
    """The zone of that name (IANA, e.g. Europe/Berlin); None: this machine's. Raises ValueError."""
    if name is None:
        return Zone(_machine_zone(os.environ.get("TZ"), Path("/etc/localtime")), None)
    if name.upper() == "UTC":
        return UTC_ZONE
    known = available_timezones()
    if not known:
        raise ValueError(f"--tz {name}: this machine has no time zone database; install tzdata")
    if name not in known:
        raise ValueError(
            f"--tz {name!r} is not a time zone{_nearest(name, sorted(known))}; write e.g. Europe/Berlin or UTC"
        )
    return Zone(name, ZoneInfo(name))


def _nearest(name: str, known: Sequence[str]) -> str:
    """A zone that is spelled alike, whatever the case: `berlin` means Europe/Berlin."""
    same = [zone for zone in known if zone.lower().rpartition("/")[2] == name.lower().rpartition("/")[2]]
    by_lower = {zone.lower(): zone for zone in known}
    near = did_you_mean(name, by_lower)
    for lower, zone in by_lower.items():
        near = near.replace(repr(lower), repr(zone))
    return f"; did you mean {same[0]!r}" if same else near


def _machine_zone(variable: str | None, link: Path) -> str:
    """What this machine calls its zone, for the lines above a table."""
    if variable:
        return variable.removeprefix(":")
    target = str(link.resolve())
    if _DATABASE in target:
        return target.rpartition(_DATABASE)[2].removeprefix("Etc/")
    return datetime.now().astimezone().tzname() or "local time"
