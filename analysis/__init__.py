"""What the calls come to, for scripts and notebooks: `from analysis import connect, report`.

Nothing is imported before it is called, so that `import analysis` costs nothing.
"""

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.lake import Connection
    from analysis.reports.scripting import Answer

__all__ = ["connect", "report"]


def connect(data: str | PathLike[str] | None = None) -> "Connection":
    """A DuckDB connection with all views over a data folder, read-only; `calls` are those of the last 30 days.

    `data`: None: $HELIOGRAPH_DATA, else the user data folder. The views are of this moment: connect again for newer calls.
    """
    from analysis.reports import scripting

    return scripting.connect(data)


def report(
    name: str,
    *,
    by: str | Sequence[str] | None = None,
    every: str | None = None,
    since: str | None = None,
    until: str | None = None,
    where: str | None = None,
    compare: str | None = None,
    tz: str | None = None,
    limit: int = 0,
    data: str | PathLike[str] | None = None,
    sql_dir: str | PathLike[str] | None = None,
) -> "Answer":
    """The answer to a report, with the options of `heliograph report`; all rows, unless `limit` says how many.

    Raises ValueError that says what is allowed.
    """
    from analysis.reports import scripting

    return scripting.report(
        name,
        by=by if by is None or isinstance(by, str) else ",".join(by),
        every=every,
        since=since,
        until=until,
        where=where,
        compare=compare,
        tz=tz,
        limit=limit,
        data=data,
        sql_dir=sql_dir,
    )
