"""One call by its id, without opening the files of all days.

A UUIDv7 tells when it was made, and ours are made when the call begins. So the files of that day, of the day before and of
the day after are asked first, and all others only where the call is not in them: ids of other versions, and those that a
program made long before its call, are found as well. Of an id that programs gave to calls of several weeks, the calls
around the id's own day are found.
"""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from analysis.lake import Connection, Lake

ALL_DAYS: Final = (date.min, date.max)
_A_DAY: Final = timedelta(days=1)


def days_of(request_id: str) -> tuple[date, date] | None:
    """The first and the last day on which the call with this id is looked for; None: the id tells no day."""
    try:
        number = uuid.UUID(request_id)
        if number.version != 7:
            return None
        made = datetime.fromtimestamp((number.int >> 80) / 1000, UTC).date()
        return made - _A_DAY, made + _A_DAY
    except (ValueError, OverflowError, OSError):  # not a UUID, or of a year that no calendar has
        return None


def lakes_for(lake: Lake, request_id: str) -> Iterator[Lake]:
    """The lakes to ask for a call, one after the other until it is found."""
    if days := days_of(request_id):
        yield lake.of_days(*days)
    yield lake


def ask_by_id[T](lake: Lake, request_id: str, question: Callable[[Connection], T]) -> T:
    """What `question` answers about the call with this id. An empty answer means that the call was not found, and `question`
    is asked again."""
    *narrower, widest = lakes_for(lake, request_id)
    return next(filter(None, (each.ask(question) for each in narrower)), None) or widest.ask(question)
