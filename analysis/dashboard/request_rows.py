"""The rows of the page Requests: which calls come next, then all columns of those alone.

Two questions, because the first reads two or three columns of many calls, and the second many columns of fifty. Measured
over three million calls: 0.3 s instead of 2.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from markupsafe import Markup

from analysis.dashboard.filters import words_of
from analysis.dashboard.formats import marked
from analysis.dashboard.pages import run
from analysis.dashboard.view import View
from analysis.lake import Connection
from analysis.quoting import literal
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import Window

type Row = dict[str, Any]

# The newest calls are looked for in the last day first, then in eight times as much, and so on: files of other days are
# not opened. All steps together read little more than the last one.
_FIRST_STEP: Final = timedelta(days=1)
_LARGER: Final = 8
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class After:
    """The last call of the page before: where this page begins. `value`: of what is sorted by."""

    value: float | None
    at: datetime
    id: str

    def __str__(self) -> str:
        return f"{'' if self.value is None else repr(self.value)}~{self.at.isoformat()}~{self.id}"


def read_after(text: str | None) -> After | None:
    """What `str` of one gave; what makes no sense is the first page."""
    value, _, rest = (text or "").partition("~")
    at, _, request_id = rest.partition("~")
    try:
        moment = datetime.fromisoformat(at)
        return After(float(value) if value else None, moment.replace(tzinfo=moment.tzinfo or UTC), request_id)
    except ValueError:
        return None


def after(row: Row) -> After:
    return After(
        None if row["sorted"] is None else float(row["sorted"]),
        row["started_at"].replace(tzinfo=UTC),
        row["request_id"],
    )


def find(connection: Connection, view: View, most: int, begin: After | None, by: str | None) -> list[Row]:
    """The next `most` calls with all that is known of them. `by`: SQL to sort by, the largest first; None: the newest
    first. Leaves the connection with a scope that has these calls alone."""
    variables: dict[str, object] = {
        "most": most,
        "after_value": begin.value if begin else None,
        "after_at": begin.at.isoformat() if begin else None,
        "after_id": begin.id if begin else None,
    }
    picked: list[Row] = []
    for window in [view.window] if by else _windows(view.window, begin):
        open_scope(connection, replace(view.scope(), window=window), ["calls"])
        table = run(
            connection, "requests_sorted" if by else "requests_page", variables, [f"{by} as sorted"] if by else ()
        )
        picked = list(table.records())
        if len(picked) == most:
            break
    return _whole(connection, view.window, picked)


def _windows(window: Window, begin: After | None) -> Iterator[Window]:
    """Larger and larger windows back from the end, or from where the page begins; the last is the whole one."""
    until = begin.at + _MICROSECOND if begin else window.until
    end, length = until or window.end, _FIRST_STEP
    while end - length > window.since:
        yield replace(window, since=end - length, until=until)
        length *= _LARGER
    yield replace(window, until=until) if until is None or until > window.since else window


def _whole(connection: Connection, window: Window, picked: Sequence[Row]) -> list[Row]:
    """The picked calls with all columns, in their order."""
    if not picked:
        return []
    times = sorted({row["started_at"].replace(tzinfo=UTC) for row in picked})
    ids = ", ".join(sorted({literal(row["request_id"]) for row in picked}))
    moments = ", ".join(f"timestamptz '{moment.isoformat()}'" for moment in times)
    where = f"started_at in ({moments}) and request_id in ({ids})"
    open_scope(connection, Scope(replace(window, since=times[0], until=times[-1] + _MICROSECOND), where), ["calls"])
    found = {(row["request_id"], row["started_at"]): row for row in run(connection, "requests_whole").records()}
    keys = [(row["request_id"], row["started_at"]) for row in picked]
    return [found[key] | {"sorted": row["sorted"]} for key, row in zip(keys, picked, strict=True) if key in found]


def excerpts(connection: Connection, view: View, rows: Sequence[Mapping[str, Any]]) -> dict[str, Markup]:
    """Where the searched words are in the bodies of these calls, by request id, marked. After `find`, on its connection."""
    searched = [each for each in view.filters.filters if each.name == "words" and not each.negated]
    words = [word for each in searched for word in words_of(each.value)]
    if not words or not rows:
        return {}
    found = run(connection, "requests_found", {"ids": [row["request_id"] for row in rows], "word": words[0]}).rows
    return {request_id: marked(" ".join(excerpt.split()), words) for request_id, excerpt in found}
