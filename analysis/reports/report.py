"""The named reports: one file in `sql/` each, asked of the calls of a scope, grouped by dimensions of the caller's choice.

A file begins with its question. A line of it that ends in `-- by` holds the columns that --by replaces; lines that end in
`-- key` hold the other columns that tell its rows apart. `-- since: 7d` and `-- limit: 20` are for when these are not given.
Files of `from_bodies/` ask tables that prepared.py makes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from analysis.reports.grouping import own_groups, own_keys

if TYPE_CHECKING:
    from analysis.lake import Connection

_FOLDER: Final = Path(__file__).parent
_FIRST: Final = (  # in this order; the others follow by name
    "summary",
    "costs",
    "models",
    "users",
    "sessions",
    "properties",
    "latency",
    "feedback",
    "errors",
    "requests",
    "unpriced",
)
_FILES: Final = {file.stem: file for folder in ("sql", "from_bodies") for file in (_FOLDER / folder).glob("*.sql")}
REPORTS: Final = tuple(sorted(_FILES, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)))
# These are of now, and of the limits' store beside the rows: analysis/reports/standing.py.
STANDING: Final[Mapping[str, str]] = {
    "budgets": "What is spent of each budget, what will it be at this rate, and when does it run out?",
    "limits": "What is used of each rate limit, and when does it run out at this rate?",
}
SUMMARY: Final = "summary"  # a page of its own: always beside the period before, with fixed parts

DEFAULT_LIMIT: Final = 100
_BEFORE: Final = re.compile(r"\bcalls(_summed)?_before\b")
_SHOWN_BEFORE: Final = re.compile(r"\bas before_")
_SINCE: Final = re.compile(r"^-- since: (\S+)$", re.MULTILINE)
_UNTIL: Final = re.compile(r"^-- until: (\S+)$", re.MULTILINE)
_LIMIT: Final = re.compile(r"^-- limit: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Report:
    """One question. `by`: the dimensions it has by default; None: its columns are fixed. `keys`: what else tells rows apart.

    `file`: where a person keeps it; None: it is ours.
    """

    name: str
    question: str
    sql: str
    by: tuple[str, ...] | None
    keys: tuple[str, ...] = ()
    file: Path | None = None
    since: str | None = None  # where --since is not given; None: as everywhere
    until: str | None = None  # where neither --since nor --until is given; None: up to now
    limit: int = DEFAULT_LIMIT  # where --limit is not given

    @property
    def reads_before(self) -> bool:
        """Whether it looks at the period before by itself, so that its rows belong to no part of the window."""
        return bool(_BEFORE.search(self.sql))

    @property
    def shows_before(self) -> bool:
        """Whether its rows say what they were in the period before."""
        return self.reads_before and bool(_SHOWN_BEFORE.search(self.sql))

    @property
    def takes_times(self) -> bool:
        return self.by is not None and not self.reads_before

    @property
    def can_compare(self) -> bool:
        return self.shows_before or (not self.reads_before and (self.by is not None or bool(self.keys)))


@cache
def load(name: str) -> Report:
    """The report of that name."""
    return parsed(name, _FILES[name].read_text(encoding="utf-8"))


@cache
def load_internal(name: str) -> Report:
    """A question of `internal/`, which the commands ask beside the reports."""
    return parsed(name, (_FOLDER / "internal" / f"{name}.sql").read_text(encoding="utf-8"))


def parsed(name: str, sql: str, file: Path | None = None) -> Report:
    """A report out of its SQL."""
    first_line = sql.partition("\n")[0]
    question = first_line.removeprefix("--").strip() if first_line.startswith("--") else ""
    since, until, limit = _SINCE.search(sql), _UNTIL.search(sql), _LIMIT.search(sql)
    return Report(
        name,
        question,
        sql,
        own_groups(sql),
        own_keys(sql),
        file,
        since[1] if since else None,
        until[1] if until else None,
        int(limit[1]) if limit else DEFAULT_LIMIT,
    )


@dataclass(frozen=True, slots=True)
class Totals:
    """All calls of a scope, whatever the report shows of them."""

    calls: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None  # of the calls that have a price; None: none has
    unpriced: int
    estimated: int  # calls whose cost rests on tokens that we counted
    unread: int  # of the unpriced: calls without an error whose tokens are not known


def totals(connection: "Connection", calls: str = "calls_summed") -> Totals:
    """One row over the open scope. `calls`: a table like that view."""
    from analysis.table import fetch

    (row,) = fetch(connection, load_internal("totals").sql.replace("calls_summed", calls)).rows
    return Totals(*row)
