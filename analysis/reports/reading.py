"""A question as a person types it, with all mistakes in it told. Needs no DuckDB, which takes longer to import than this runs."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from addon.config.mistakes import did_you_mean
from analysis.reports import dimensions
from analysis.reports.question import Question
from analysis.reports.report import REPORTS, Report, load
from analysis.reports.shelf import OURS, Shelf
from analysis.reports.window import parse_window
from analysis.reports.zone import Zone

EVERY: Final = ("hour", "day", "week", "month")
PREVIOUS: Final = "previous"


def read_question(
    name: str,
    *,
    shelf: Shelf = OURS,
    now: datetime,
    zone: Zone,
    since: str | None = None,
    until: str | None = None,
    by: str | None = None,
    every: str | None = None,
    where: str | None = None,
    compare: str | None = None,
    limit: int | None = None,
) -> Question:
    """The question that these words ask. Raises ValueError that says what is allowed."""
    report = shelf.find(name)
    window = parse_window(since or report.since, until or (report.until if since is None else None), now, zone)
    if where is not None:
        from analysis.reports.scope import check_condition

        check_condition(where)
    return Question(
        report=report,
        window=window,
        by=_read_by(report, by),
        every=_read_every(report, every),
        where=where,
        is_compared=_read_compare(report, compare),
        limit=limit if limit is not None else report.limit,
    )


def _read_by(report: Report, text: str | None) -> tuple[str, ...]:
    """The dimensions of `model, user,property:feature`."""
    names = tuple(name for item in (text or "").split(",") if (name := item.strip()))
    if not names:
        return ()
    if report.by is None:
        raise ValueError(
            f"report {report.name} has fixed columns; --by is for {_those(lambda one: one.by is not None)}"
        )
    if len(set(names)) < len(names):
        raise ValueError(f"--by {text!r} names a dimension twice")
    try:
        dimensions.check(names)
    except ValueError as error:
        raise ValueError(f"--by: {error}") from error
    if report.reads_before and (times := [name for name in names if name in dimensions.TIMES]):
        raise ValueError(f"--by: report {report.name} is about the whole period; {times[0]} is for {_timed()}")
    if taken := set(names) & set(report.keys):
        raise ValueError(f"--by: report {report.name} has the column {min(taken)} already")
    return names


def _read_every(report: Report, period: str | None) -> str | None:
    if period is None:
        return None
    if period not in EVERY:
        near = did_you_mean(period, EVERY)
        raise ValueError(f"--every: {period!r} is not a period{near}; write {', '.join(EVERY[:-1])} or {EVERY[-1]}")
    if not report.takes_times:
        why = "has fixed columns" if report.by is None else "is about the whole period"
        raise ValueError(f"report {report.name} {why}; --every is for {_timed()}")
    return period


def _read_compare(report: Report, with_what: str | None) -> bool:
    if with_what is None:
        return False
    if with_what != PREVIOUS:
        raise ValueError(f"--compare: {with_what!r} is not a period to compare with; write {PREVIOUS}")
    if not report.can_compare:
        why = "compares each day with the days before already" if report.reads_before else "has no groups to compare"
        raise ValueError(f"report {report.name} {why}; --compare is for {_those(lambda one: one.can_compare)}")
    return True


def _timed() -> str:
    return _those(lambda report: report.takes_times)


def _those(are: Callable[[Report], bool]) -> str:
    """`costs, models and users`: our reports that are so."""
    *most, last = (name for name in REPORTS if are(load(name)))
    return f"{', '.join(most)} and {last}"
