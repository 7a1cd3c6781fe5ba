"""The steps of a chart's time axis: which length fits the window, and when each step begins. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from analysis.reports.window import Window

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
MOST_STEPS: Final = 400


@dataclass(frozen=True, slots=True)
class Steps:
    """`column`: SQL over `calls` that gives the step of a call, as a time in UTC or a date of the viewer's zone; `begins`:
    UTC moments in order, one a step, and the end of the last."""

    name: str
    column: str
    begins: tuple[datetime, ...]

    @property
    def moments(self) -> tuple[datetime, ...]:
        return self.begins[:-1]

    def place(self, window: Window) -> Callable[[object], int | None]:
        """Which step a value of the column is; None: outside of the window."""
        places = {moment: number for number, moment in enumerate(self.moments)}
        return lambda value: places.get(_moment(value, window))


def _moment(value: object, window: Window) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, str):  # a month
        value = date.fromisoformat(f"{value}-01")
    assert isinstance(value, date)
    return window.zone.midnight(value)


def steps_of(window: Window, first_call: datetime | None = None) -> Steps:
    """`first_call`: the first of the window; a window that begins long before it is drawn from there on."""
    since = (
        max(window.since, first_call)
        if first_call and first_call > window.since + timedelta(days=400)
        else window.since
    )
    length = window.end - since
    for at_most, seconds in ((timedelta(hours=3), 60), (timedelta(hours=30), 600)):
        if length <= at_most:
            us = seconds * 1_000_000
            column = f"make_timestamp(epoch_us(started_at) // {us} * {us})"
            return Steps(f"{seconds // 60} min", column, tuple(_fixed(since, window.end, timedelta(seconds=seconds))))
    if length <= timedelta(days=8):
        return Steps("hour", '"hour"', tuple(_hours(window, since)))
    if length <= timedelta(days=130):
        return Steps("day", '"day"', tuple(_local(window, since, _next_day, lambda day: day)))
    if length <= timedelta(days=800):
        return Steps("week", '"week"', tuple(_local(window, since, _next_week, _monday)))
    return Steps("month", '"month"', tuple(_local(window, since, _next_month, lambda day: day.replace(day=1))))


def _fixed(since: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    moment = since - (since - _EPOCH) % step
    yield moment
    while moment < end:
        moment += step
        yield moment


def _hours(window: Window, since: datetime) -> Iterator[datetime]:
    """As the column `hour` has them: in India they begin half an hour after those of UTC, and none begins before the change of
    clocks that it comes after."""
    offsets = window.zone.offsets(since, window.end)
    changes = [changed for changed, _ in offsets[1:]]
    for number, (begun, offset) in enumerate(offsets):
        moment = begun - (begun + offset - _EPOCH) % _HOUR
        yield moment if number == 0 else max(moment, begun)
        end = (*changes, window.end)[number]
        while (moment := moment + _HOUR) < end:
            yield moment
    yield moment


def _local(
    window: Window, since: datetime, following: Callable[[date], date], first: Callable[[date], date]
) -> Iterator[datetime]:
    day = first(window.zone.local(since).date())
    yield window.zone.midnight(day)
    for _ in range(MOST_STEPS):
        if window.zone.utc(datetime.combine(day, time())) >= window.end:
            return
        day = following(day)
        yield window.zone.midnight(day)


def _next_day(day: date) -> date:
    return day + timedelta(days=1)


def _next_week(day: date) -> date:
    return day + timedelta(weeks=1)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
