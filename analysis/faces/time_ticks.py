"""Which moments of a time axis get a label, and which label."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Final

from analysis.faces.chart import Moment

# Which days get a label when not all of them have room, from fine to coarse.
_DAYS: Final[tuple[Callable[[date], bool], ...]] = (
    lambda day: day.toordinal() % 2 == 0,
    lambda day: day.weekday() == 0,
    lambda day: day.weekday() == 0 and day.toordinal() // 7 % 2 == 0,
    lambda day: day.day == 1,
    lambda day: day.day == 1 and day.month in (1, 4, 7, 10),
)
_HOURS: Final = (2, 3, 6, 12)


def time_ticks(moments: Sequence[Moment], most: int) -> list[tuple[int, str]]:
    """At most `most` places (indexes) with their labels: `Nov 3`, `Nov 2026`, `12:00`."""
    words = list(map(_label, moments))
    if len(moments) <= most:
        return list(enumerate(words))
    for is_labelled in _choices(moments):
        places = [i for i, moment in enumerate(moments) if is_labelled(moment)]
        if 2 <= len(places) <= most:
            return [(i, words[i]) for i in places]
    step = -(-len(moments) // most)
    return [(i, words[i]) for i in range(0, len(moments), step)]


def _choices(moments: Sequence[Moment]) -> list[Callable[[Moment], bool]]:
    if isinstance(moments[0], str):
        return [lambda month: str(month)[5:] in ("01", "04", "07", "10"), lambda month: str(month)[5:] == "01"]
    if not isinstance(moments[0], datetime):
        return [_of_date(choice) for choice in _DAYS]
    by_hour = [_of_hour(step) for step in _HOURS]
    return [*by_hour, _of_hour(24), *(_midnight_of(choice) for choice in _DAYS)]


def _of_date(choice: Callable[[date], bool]) -> Callable[[Moment], bool]:
    return lambda moment: isinstance(moment, date) and choice(moment)


def _of_hour(step: int) -> Callable[[Moment], bool]:
    return lambda moment: isinstance(moment, datetime) and moment.hour % step == 0 and moment.minute == 0


def _midnight_of(choice: Callable[[date], bool]) -> Callable[[Moment], bool]:
    return lambda moment: isinstance(moment, datetime) and moment.hour == 0 and choice(moment.date())


def _label(moment: Moment) -> str:
    if isinstance(moment, datetime):
        return moment.strftime("%H:%M") if moment.hour or moment.minute else _day(moment)
    if isinstance(moment, date):
        return _day(moment)
    return date(int(moment[:4]), int(moment[5:7]), 1).strftime("%b %Y")


def _day(day: date) -> str:
    return f"{day:%b} {day.day}"
