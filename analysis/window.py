"""The window of time that a report looks at, out of what a person types."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

DEFAULT_SINCE: Final = "30d"  # a month: the span that bills have

_SPAN: Final = re.compile(r"(\d{1,6})([mhdw])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
ALLOWED: Final = (
    "write 30m, 24h, 7d, 4w, a date (2026-11-01) or a time (2026-11-01T12:00:00Z); without a zone it is UTC"
)


@dataclass(frozen=True, slots=True)
class Window:
    """From `since`, inclusive, up to `until`, exclusive; both aware and UTC. No `until`: to the newest call."""

    since: datetime
    until: datetime | None = None

    def parameters(self) -> dict[str, object]:
        """What the queries bind as $since and $until."""
        return {"since": self.since, "until": self.until or datetime.max.replace(tzinfo=UTC)}

    def __str__(self) -> str:
        return f"since {_short(self.since)}" + (f" until {_short(self.until)}" if self.until else "")


EVER: Final = Window(datetime(1970, 1, 1, tzinfo=UTC))


def parse_window(since: str | None, until: str | None, now: datetime) -> Window:
    """The window that two options mean; spans count back from `now`. Raises ValueError that says what is allowed."""
    window = Window(parse_time(since or DEFAULT_SINCE, now), parse_time(until, now) if until else None)
    if window.until and window.until <= window.since:
        raise ValueError(f"until {_short(window.until)} is not after since {_short(window.since)}")
    return window


def parse_time(text: str, now: datetime) -> datetime:
    """A moment in UTC out of `7d` (before `now`), `2026-11-01` or an ISO 8601 time. Raises ValueError."""
    if span := _SPAN.fullmatch(text):
        try:
            return now - int(span[1]) * _UNITS[span[2]]
        except OverflowError as error:
            raise ValueError(f"{text!r} is before the calendar begins") from error
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time; {ALLOWED}") from error


def _short(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")
