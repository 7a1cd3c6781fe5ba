"""The named reports: one file in `sql/` each, asked of the calls of a scope, grouped by dimensions of the caller's choice.

A file begins with its question. A line of it that ends in `-- by` holds the dimensions it has when --by is not given.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from analysis.lake import Connection
from analysis.reports import dimensions
from analysis.reports.dimensions import TIMES, quoted
from analysis.reports.scope import NO_LIMIT, set_variables
from analysis.table import Table, fetch

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
REPORTS: Final = tuple(
    sorted(
        (file.stem for file in (_FOLDER / "sql").glob("*.sql")),
        key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name),
    )
)

_BY: Final = re.compile(r"^(?P<indent>[ \t]*)(?P<names>\S.*?)(?P<comma>,?)[ \t]+-- by[ \t]*$", re.MULTILINE)
_ORDER: Final = re.compile(r"\border\s+by\s+", re.IGNORECASE)

DEFAULT_LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class Report:
    """One question: its SQL, and the dimensions it has by default; None: its columns are fixed."""

    name: str
    question: str
    sql: str
    by: tuple[str, ...] | None


@cache
def load(name: str) -> Report:
    """The report of that name."""
    return _read(_FOLDER / "sql" / f"{name}.sql")


@cache
def load_internal(name: str) -> Report:
    """A question of `internal/`, which the commands ask beside the reports."""
    return _read(_FOLDER / "internal" / f"{name}.sql")


def _read(file: Path) -> Report:
    sql = file.read_text(encoding="utf-8")
    by = _BY.search(sql)
    question = sql.partition("\n")[0].removeprefix("--").strip()
    return Report(file.stem, question, sql, _names(by["names"]) if by else None)


def _names(line: str) -> tuple[str, ...]:
    """The dimensions of `provider_name, model as response_model`."""
    return tuple(name.partition(" as ")[0].strip().strip('"') for name in line.split(","))


def parse_by(name: str, text: str | None) -> tuple[str, ...]:
    """The dimensions of a report out of `model, user,property:feature`. Raises ValueError that says what is allowed."""
    parts = tuple(part for item in (text or "").split(",") if (part := item.strip()))
    if parts and load(name).by is None:
        raise ValueError(f"report {name} has fixed columns; --by is for {_listed(_grouped())}")
    if len(set(parts)) < len(parts):
        raise ValueError(f"--by {text!r} names a dimension twice")
    try:
        dimensions.check(parts)
    except ValueError as error:
        raise ValueError(f"--by: {error}") from error
    return parts


def _grouped() -> list[str]:
    return [name for name in REPORTS if load(name).by is not None]


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}"


def run(connection: Connection, name: str, by: Sequence[str] = (), limit: int = DEFAULT_LIMIT) -> Table:
    """The answer to a report on a connection with an open scope, `limit` rows of it, 0 for all.

    `by` is what `parse_by` gave; the scope has its properties. None: as the report says.
    """
    report = load(name)
    set_variables(connection, {"most": limit or NO_LIMIT})
    return fetch(connection, grouped_by(report, by) if by else report.sql)


def grouped_by(report: Report, by: Sequence[str]) -> str:
    """The SQL with these columns of `calls` in place of the default ones. Times are first in its order, as they were."""
    sql = with_columns(report.sql, [quoted(name) for name in by])
    orders = list(_ORDER.finditer(sql))
    if not orders or report.by is None:
        return sql
    begin = orders[-1].end()
    head, tail = sql[:begin], _without_times(sql[begin:], report.by)
    times = "".join(f"{quoted(name)}, " for name in by if name in TIMES)
    return f"{head}{times}{tail}"


def with_columns(sql: str, columns: Sequence[str]) -> str:
    """The SQL with these expressions in its lines that end in `-- by`."""
    return _BY.sub(lambda line: f"{line['indent']}{', '.join(columns)}{line['comma']}", sql)


def _without_times(order: str, default: Sequence[str]) -> str:
    """What follows `order by`, without the default's times at its start."""
    for name in default:
        if name in TIMES:
            order = re.sub(rf'^"?{name}"?\s*(,\s*|$)', "", order, count=1)
    return order


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


def totals(connection: Connection) -> Totals:
    """One row over the open scope."""
    (row,) = fetch(connection, load_internal("totals").sql).rows
    return Totals(*row)
