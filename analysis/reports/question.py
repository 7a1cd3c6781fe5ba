"""A report with all that was asked of it."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analysis.reports import dimensions
from analysis.reports.grouping import grouped_by, limit_keeps_newest
from analysis.reports.report import DEFAULT_LIMIT, Report
from analysis.reports.window import Window, before

if TYPE_CHECKING:
    from analysis.reports.scope import Scope

_COMMENT: Final = re.compile(r"--.*")
_CALLED: Final = re.compile(r"\bas \w+")  # what a column of the answer is called: not what is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The options of `heliograph report`, read."""

    report: Report
    window: Window
    by: tuple[str, ...] = ()  # none: as the report says
    every: str | None = None  # hour, day, week or month: the first column
    where: str | None = None  # SQL over the columns of `calls`
    is_compared: bool = False  # each row beside that of the period before
    limit: int = DEFAULT_LIMIT  # rows; 0: all

    @property
    def scope(self) -> "Scope":
        from analysis.reports.scope import Scope, words_of

        words = None if self.report.file else words_of(_CALLED.sub("", _COMMENT.sub("", self.sql)))
        return Scope(self.window, self.where, dimensions.properties(self.by), self._groups, words)

    @property
    def _groups(self) -> tuple[str, ...] | None:
        """The columns that its rows are of, as far as the file does not fix them; None: a person's file, which may ask for any."""
        if self.report.file:
            return None
        every = (self.every,) if self.every else ()
        own = ("properties",) if "properties" in self.report.sql else ()
        return (*(self.by or self.report.by or ()), *every, *own)

    @property
    def views(self) -> frozenset[str]:
        """The views of its scope that it and the lines under it ask; a person's file may name any in any way."""
        from analysis.reports.prepared import views_of_tables
        from analysis.reports.scope import VIEWS, asked_by

        if self.report.file:
            return frozenset(VIEWS)
        return asked_by(self.report.sql) | views_of_tables(self.report.name) | {"calls_in_brief"}

    @property
    def is_checked(self) -> bool:
        """Whether it can have no mistake that only DuckDB finds."""
        return self.where is None and self.report.file is None

    @property
    def sql(self) -> str:
        # A person's file may order by what is not among its columns.
        return grouped_by(self.report.sql, self.by, self.every, keeps_newest=self.report.file is None)

    @property
    def kept(self) -> str:
        """The rows that its limit leaves, in a word: of rows in order of time the newest."""
        names = (self.every, *(self.by or (() if self.every else self.report.by or ())))
        has_time = not set(dimensions.TIMES).isdisjoint(names)
        return "newest" if has_time and not self.report.file and limit_keeps_newest(self.report.sql) else "first"

    def __str__(self) -> str:
        """Which calls it is about: `since 2026-11-01, UTC, where model = 'gpt-5', against 2026-10-01 to 2026-11-01`."""
        parts = [str(self.window), self.window.zone.name]
        if self.where is not None:
            parts.append(f"where {' '.join(self.where.split())}")
        if self.is_compared:
            earlier = before(self.window)
            parts.append(f"against {earlier.short(earlier.since)} to {earlier.short(earlier.end)}")
        return ", ".join(parts)
