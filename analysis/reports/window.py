"""The window of time that a report looks at, out of what a person types."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from addon.config.mistakes import did_you_mean
from analysis.reports.zone import UTC_ZONE, Zone

DEFAULT_SINCE: Final = "30d"  # a month: the span that bills have

_SPAN: Final = re.compile(r"(\d{1,6})([mhdw])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_MONTH: Final = re.compile(r"\d{4}-\d\d")
# The first day of what each word names, from today's date.
WORDS: Final[Mapping[str, Callable[[date], date]]] = {
    "today": lambda today: today,
    "yesterday": lambda today: today - timedelta(days=1),
    "this-week": lambda today: _monday(today),
    "last-week": lambda today: _monday(today) - timedelta(weeks=1),
    "this-month": lambda today: today.replace(day=1),
    "last-month": lambda today: _month_before(today),
}
ALLOWED: Final = (
    f"write 30m, 24h, 7d, 4w, {', '.join(WORDS)}, a month (2026-11), a date (2026-11-01)"
    " or a time (2026-11-01T12:00:00Z); without a zone it is that of --tz"
)


@dataclass(frozen=True, slots=True)
class Window:
    """From `since`, inclusive, up to `until`, exclusive; both aware and UTC. No `until`: to the newest call.

    `zone`: whose days, weeks and months it is told in. `asked_at`: where a window without `until` ends for comparisons.
    """

    since: datetime
    until: datetime | None = None
    zone: Zone = UTC_ZONE
    asked_at: datetime | None = field(default=None, compare=False)

    @property
    def end(self) -> datetime:
        """Its last moment as far as anything is known. A window without one ends at the end of the calendar."""
        return self.until or self.asked_at or datetime.max.replace(tzinfo=UTC)

    def parameters(self) -> dict[str, object]:
        """What queries bind as $since and $until."""
        return {"since": self.since, "until": self.until or datetime.max.replace(tzinfo=UTC)}

    def __str__(self) -> str:
        return f"since {self.short(self.since)}" + (f" until {self.short(self.until)}" if self.until else "")

    def short(self, moment: datetime) -> str:
        """`2026-11-21 12:30`, or the date alone for the beginning of a day, in the window's zone."""
        return self.zone.local(moment).strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")


EVER: Final = Window(datetime(1970, 1, 1, tzinfo=UTC))


def parse_window(since: str | None, until: str | None, now: datetime, zone: Zone = UTC_ZONE) -> Window:
    """The window that two options mean; spans count back from `now`. Raises ValueError that says what is allowed."""
    begin = parse_time(since or DEFAULT_SINCE, now, zone)
    window = Window(begin, parse_time(until, now, zone) if until else None, zone, now)
    if begin > now:
        raise ValueError(f"since {window.short(begin)} is in the future; it is {window.short(now)}")
    if window.until and window.until <= begin:
        raise ValueError(f"until {window.short(window.until)} is not after since {window.short(begin)}")
    return window


def parse_time(text: str, now: datetime, zone: Zone = UTC_ZONE) -> datetime:
    """A moment in UTC out of `7d` (before `now`), `yesterday`, `2026-11`, `2026-11-01` or an ISO 8601 time, the beginning
    of what is named. Raises ValueError."""
    if _SPAN.fullmatch(text):
        try:
            return now - span_of(text)
        except OverflowError as error:
            raise ValueError(f"{text!r} is before the calendar begins") from error
    if first_day := WORDS.get(text.lower()):
        return zone.midnight(first_day(zone.local(now).date()))
    try:
        moment = datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
        return zone.utc(moment) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time{did_you_mean(text, WORDS)}; {ALLOWED}") from error


def span_of(text: str) -> timedelta:
    """`7d` as a length of time; zero for what is not a span. Raises OverflowError."""
    span = _SPAN.fullmatch(text)
    return int(span[1]) * _UNITS[span[2]] if span else timedelta()


def before(window: Window) -> Window:
    """The period before, to compare with: of whole months as many months; of the first days of a month the same days of
    the month before; of whole days as many days, of however many hours they are; else the same length of time."""
    if window.until is None and window.asked_at is None:  # it has no length
        return Window(EVER.since, window.since, window.zone)
    try:
        return _before(window)
    except (OverflowError, ValueError):  # it would begin before the calendar does
        return Window(datetime.min.replace(tzinfo=UTC), window.since, window.zone)


def _before(window: Window) -> Window:
    begin, end = (_by_the_clock(window.zone, moment) for moment in (window.since, window.end))
    length = end - begin
    if _begins_a_month(begin):
        months = (end.year - begin.year) * 12 + end.month - begin.month
        if _begins_a_month(end) and months > 0:
            return _window(window, _months_earlier(begin, months), begin)
        if months == 0:
            first = _months_earlier(begin, 1)
            return _window(window, first, min(first + length, begin))
    if begin.time() == end.time() == time():
        return _window(window, begin - length, begin)
    return replace(window, since=window.since - (window.end - window.since), until=window.since)


def _by_the_clock(zone: Zone, moment: datetime) -> datetime:
    """Without a zone. The beginning of a day is midnight, also where clocks leave midnight out."""
    local = zone.local(moment).replace(tzinfo=None)
    return datetime.combine(local, time()) if zone.midnight(local.date()) == moment else local


def _window(like: Window, begin: datetime, end: datetime) -> Window:
    return Window(like.zone.utc(begin), like.zone.utc(end), like.zone, like.asked_at)


def _begins_a_month(local: datetime) -> bool:
    return local.day == 1 and local.time() == time()


def _months_earlier(first_day: datetime, months: int) -> datetime:
    year, month = divmod(first_day.year * 12 + first_day.month - 1 - months, 12)
    return first_day.replace(year=year, month=month + 1)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)
