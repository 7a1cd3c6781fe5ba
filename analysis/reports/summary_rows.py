"""Which rows of the summaries a question is asked of: the kinds there are, what each can answer, and the SQL of its rows.

A window takes whole steps of a kind's time: of what it cuts off at both ends the finer kind is asked, if there is one, then the
calls. Files without a summary are read as they are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from addon.storage.summary import (
    BRIEF_COLUMNS,
    BRIEF_GROUPS,
    COLUMNS,
    GROUPS,
    HITS_GROUPS,
    HOUR,
    STEP,
    TIMES_GROUPS,
    brief_of_calls,
    hits_of_calls,
    of_calls,
    retried_of_calls,
    times_of_calls,
)
from addon.storage.summary_by_day import DAY, SESSIONS_COLUMNS, SESSIONS_GROUPS, of_summaries
from analysis.reports.dimensions import DIMENSIONS, EXPRESSIONS, PROPERTY, TIMES, selected
from analysis.reports.window import Window

_BEGIN: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Condition:
    """What calls must fit. `columns`: those that it names; None: more than that is in it."""

    text: str
    columns: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of summary. `names`: what conditions and groups can be about, beside times and the date."""

    view: str
    of_calls: Callable[[str], str]  # SQL of a table like `requests` with the same columns
    step: timedelta
    names: frozenset[str]
    # A kind of shorter steps, and SQL of a table like it with these columns.
    finer: "tuple[Source, Callable[[str], str]] | None" = None


_OF_BRIEF: Final = frozenset({"provider", "model", "operation"})
FULL: Final = Source("lake_summaries", of_calls, STEP, frozenset({*GROUPS, *EXPRESSIONS}))
BRIEF: Final = Source("lake_brief", brief_of_calls, HOUR, _OF_BRIEF | {"error", *BRIEF_GROUPS})
HITS: Final = Source(
    "lake_hits",
    hits_of_calls,
    timedelta.resolution,
    frozenset({"provider", "model", "operation", "user", *HITS_GROUPS}),
)
RETRIED: Final = Source("lake_retried", retried_of_calls, timedelta.resolution, FULL.names)
TIMES_BY_HOUR: Final = Source("lake_times", times_of_calls, HOUR, _OF_BRIEF | set(TIMES_GROUPS))
TIMES_BY_DAY: Final = Source(
    "lake_day_times", times_of_calls, DAY, TIMES_BY_HOUR.names, (TIMES_BY_HOUR, lambda table: f"from {table}")
)
SESSIONS: Final = Source(
    "lake_sessions",
    lambda table: of_summaries(f"({of_calls(table)})"),
    DAY,
    frozenset({"user", "session", *SESSIONS_GROUPS}),
    (FULL, of_summaries),
)


def _missing(source: Source, columns: Iterable[str]) -> frozenset[str]:
    """The words of a question that a kind with these columns knows nothing of."""
    return frozenset({*COLUMNS, *DIMENSIONS}) - {*source.names, *columns, *TIMES}


_NOT_IN_BRIEF: Final = _missing(BRIEF, BRIEF_COLUMNS)
_NOT_IN_SESSIONS: Final = _missing(SESSIONS, SESSIONS_COLUMNS)


def names_of(source: Source, window: Window) -> str:
    """SQL of the names of --by that a smaller kind knows."""
    return selected(window, (), frozenset({*TIMES, *source.names}))


def brief_answers(window: Window, groups: tuple[str, ...], words: frozenset[str], where: Condition | None) -> bool:
    """Whether the brief summaries know all that a question names. `words`: those of its SQL."""
    return words.isdisjoint(_NOT_IN_BRIEF) and can_answer(BRIEF, window, groups, where)


def sessions_answer(window: Window, groups: tuple[str, ...], words: frozenset[str], where: Condition | None) -> bool:
    """The same of the summaries of sessions. The lines under the report must be answered by the brief ones then."""
    return (
        words.isdisjoint(_NOT_IN_SESSIONS)
        and can_answer(SESSIONS, window, groups, where)
        and can_answer(BRIEF, window, (), where)
    )


def can_answer(
    source: Source,
    window: Window,
    groups: Sequence[str],
    where: Condition | None,
    lacks: Set[str] = frozenset(),
) -> bool:
    """Whether a kind of summary knows what a question groups by and what its condition names, and the window has a whole step."""
    names = set(groups)
    if where is not None:
        if where.columns is None:
            return False
        names |= where.columns
    if not names.isdisjoint(TIMES) and any(
        offset % source.step for _, offset in window.zone.offsets(window.since, window.end)
    ):
        return False
    if "hour" in names and source.step > HOUR:
        return False
    plain = {"properties" if name.startswith(PROPERTY) else name for name in names}
    step = source.step
    return plain <= source.names - lacks | set(TIMES) and _floor(window.since, step) + step < _floor(window.end, step)


def rows(source: Source, window: Window, names: str, where: Condition | None, columns: str = "*") -> str:
    """SQL of the rows of a kind of summary that fit, with `names`."""
    return fitting(_parts(source, window, columns), names, where)


def fitting(parts: Iterable[str], names: str, where: Condition | None) -> str:
    condition = f" where (\n{where.text}\n)" if where is not None else ""
    together = "\n    union all by name\n    ".join(parts)
    return f"select * from (select *, {names} from ({together})){condition}"


def _parts(source: Source, window: Window, columns: str) -> Iterator[str]:
    """SQL of the summaries of whole steps, of the finer ones at the ends, of the calls of files without one, and of those of the
    steps at the ends."""
    yield f"select {columns} from {source.view} where {within(*whole_steps(source, window))}"
    if source.finer:
        finer, of_finer = source.finer
        for begin, end in _finer_steps(finer, cut_off(source, window)):
            yield f"select {columns} from ({of_finer(finer.view)}) where {within(begin, end)}"
    for view, begin, end in not_summed(source, window):
        yield f"select {columns} from ({source.of_calls(view)}) where {within(begin, end)}"


def whole_steps(source: Source, window: Window) -> tuple[datetime, datetime]:
    """When the first whole step of a window begins, and when the last one ends."""
    return _whole(source.step, window.since, window.until or _END)


def _whole(step: timedelta, since: datetime, until: datetime) -> tuple[datetime, datetime]:
    first = since if _floor(since, step) == since else _floor(since, step) + step
    return first, until if until == _END else _floor(until, step)


def cut_off(source: Source, window: Window) -> list[tuple[datetime, datetime]]:
    """What is left of the window at its ends, from when until when."""
    since, until = window.since, window.until or _END
    first, last = whole_steps(source, window)
    return [(begin, end) for begin, end in ((since, first), (last, until)) if begin < end]


def _finer_steps(finer: Source, ends: Iterable[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """The whole steps of a finer kind in these."""
    for since, until in ends:
        begin, end = _whole(finer.step, since, until)
        if begin < end:
            yield begin, end


def not_summed(source: Source, window: Window) -> Iterator[tuple[str, datetime, datetime]]:
    """The calls of a window that are in no summary of whole steps: the view with them, from when, until when."""
    since, until = window.since, window.until or _END
    yield "lake_not_summarised", since, until
    for since, until in cut_off(source, window):
        inner = next(_finer_steps(source.finer[0], [(since, until)]), None) if source.finer else None
        for begin, end in ((since, inner[0]), (inner[1], until)) if inner else ((since, until),):
            if begin < end:
                yield "lake_summarised", begin, end


def within(begin: datetime, end: datetime) -> str:
    """The days are compared, too: then the files of other days are not opened."""
    return (
        f"{on_days(begin, end)} and started_at >= timestamptz '{begin.isoformat(sep=' ')}'"
        f" and started_at < timestamptz '{end.isoformat(sep=' ')}'"
    )


def on_days(begin: datetime, end: datetime) -> str:
    last_day = (max(end, _BEGIN + timedelta(days=1)) - timedelta(microseconds=1)).date()
    return f"date between date '{begin.date():%Y-%m-%d}' and date '{last_day:%Y-%m-%d}'"


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - datetime(1970, 1, 1, tzinfo=UTC)) % step
