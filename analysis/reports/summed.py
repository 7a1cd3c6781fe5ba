"""The views `calls_summed` and `calls_summed_before`: the calls of a scope, those put together that are alike.

A row stands for `call_count` calls, of which `error_count` failed and `unpriced_count` have no price; its numbers are their sums.
A question that only counts and sums asks these views, and gets what it would get of `calls`: over the summaries of merged files
(addon/storage/summary.py) where its condition and its groups are columns of theirs, else over the calls, each a row for itself.
Files without a summary are read as they are, and so are the calls of a quarter of an hour that the window cuts through.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb

from addon.storage.summary import COLUMNS, GROUPS, OTHERS, STEP, of_calls
from analysis.lake import Connection
from analysis.reports.dimensions import EXPRESSIONS, PROPERTY, TIMES, selected
from analysis.reports.window import Window

_BEGIN: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)
_COUNTS: Final = """if(error_type is null, 0, call_count) as error_count,
    if(cost_nanousd is null, call_count, 0) as unpriced_count"""


def view_of_calls(name: str, calls: str) -> str:
    """SQL of the view over the calls themselves."""
    others = ", ".join(f"{of_one} as {column}" for column, of_one, _ in OTHERS if column != "call_count")
    return f"""create or replace temp view {name} as
select *, 1 as call_count, {others}, if(error_type is null, 0, 1) as error_count, if(cost_nanousd is null, 1, 0) as unpriced_count
from {calls}"""


def view_of_summaries(
    name: str, window: Window, properties: tuple[str, ...], where: str | None, has: frozenset[str]
) -> str:
    """SQL of the view over the summaries; `has`: the columns that they can be asked for."""
    condition = f" where (\n{where}\n)" if where is not None else ""
    parts = "\n    union all by name\n    ".join(_parts(window, has))
    return f"""create or replace temp view {name} as
select * exclude (started_at), {_COUNTS} from (
    select *, {selected(window, properties)}
    from ({parts})
){condition}"""


def columns(connection: Connection) -> frozenset[str]:
    """The columns that the summaries of this connection's lake can be asked for; none where there are no summaries."""
    try:
        ((found,),) = connection.execute("select lake_summary_columns()").fetchall()
    except duckdb.CatalogException:
        return frozenset()
    return frozenset(found)


def can_answer(
    connection: Connection, window: Window, groups: tuple[str, ...], where: str | None, has: frozenset[str]
) -> bool:
    """Whether the summaries know the columns of the groups (names of --by) and of the condition."""
    names = set(groups)
    if where is not None:
        asked = _columns_of(connection, where)
        if asked is None:
            return False
        names |= asked
    if not names.isdisjoint(TIMES) and any(
        offset % STEP for _, offset in window.zone.offsets(window.since, window.end)
    ):
        return False
    plain = {"properties" if name.startswith(PROPERTY) else name for name in names}
    return plain <= (has & set(GROUPS) | EXPRESSIONS.keys() | {"date"}) and _floor(window.since) + STEP < _floor(
        window.end
    )


def _columns_of(connection: Connection, where: str) -> set[str] | None:
    """The columns that a condition names; None: more than that is in it."""
    ((text,),) = connection.execute(
        "select json_serialize_sql($sql)", {"sql": f"select 1 from calls where (\n{where}\n)"}
    ).fetchall()
    found: set[str] = set()
    for node in _nodes(json.loads(text)["statements"][0]["node"].get("where_clause")):
        if node.get("class") == "COLUMN_REF":
            if len(node["column_names"]) != 1:
                return None
            found.add(node["column_names"][0].lower())
        elif node.get("class") in ("SUBQUERY", "STAR", "LAMBDA", "WINDOW"):
            return None
    return found


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _parts(window: Window, has: frozenset[str]) -> Iterator[str]:
    """SQL of the summaries of whole quarters of an hour, of the calls of files without one, and of the quarters at the ends."""
    since, until = window.since, window.until or _END
    first = since if _floor(since) == since else _floor(since) + STEP
    last = until if until == _END else _floor(until)
    lacks = ", ".join(sorted(set(COLUMNS) - has))
    without = f"* exclude ({lacks})" if lacks else "*"
    yield f"select {without} from lake_summaries where {_within(first, last)}"
    yield f"select {without} from ({of_calls('lake_not_summarised')}) where {_within(since, until)}"
    for begin, end in ((since, first), (last, until)):
        if begin < end:
            yield f"select {without} from ({of_calls('lake_summarised')}) where {_within(begin, end)}"


def _within(begin: datetime, end: datetime) -> str:
    """The days are compared, too: then the files of other days are not opened."""
    last_day = (max(end, _BEGIN + timedelta(days=1)) - timedelta(microseconds=1)).date()
    return (
        f"date between date '{begin.date():%Y-%m-%d}' and date '{last_day:%Y-%m-%d}'"
        f" and started_at >= timestamptz '{begin.isoformat(sep=' ')}' and started_at < timestamptz '{end.isoformat(sep=' ')}'"
    )


def _floor(moment: datetime) -> datetime:
    return moment - (moment - datetime(1970, 1, 1, tzinfo=UTC)) % STEP
