"""The views over summaries: the calls of a scope, those put together that are alike.

`calls_summed` and `calls_summed_before`: a row stands for `call_count` calls, of which `error_count` failed and `unpriced_count` have no price; its numbers are their sums.
A question that only counts and sums asks these views, and gets what it would get of `calls`: over the summaries of merged files
(addon/storage/summary.py) where its condition and its groups are columns of theirs, else over the calls, each a row for itself.
Files without a summary are read as they are, and so are the calls of a quarter of an hour that the window cuts through.

`calls_in_brief`: the same with the columns of the brief summary alone, for the lines under a report; it is asked whatever the
report groups by. `calls_timed`: for percentiles and speeds. Over calls, its rows are calls with their exact times; over summaries
a row stands for the calls of a group (its times are NULL), or for a time of theirs (its `call_count` is 0): rounded by less than 1 %, with its
rank among the times of its group, or by the hour the exact time of a call. The macro `timed_percentiles` is the percentiles of any.
"""

import json
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb

from addon.storage.summary import (
    BRIEF_COLUMNS,
    BRIEF_GROUPS,
    COLUMNS,
    GROUPS,
    HOUR,
    OTHERS,
    SPEEDS,
    STEP,
    TIMES_GROUPS,
    brief_of_calls,
    exact_times,
    of_calls,
    timed_calls,
    times_of_calls,
)
from analysis.lake import Connection
from analysis.quoting import quoted
from analysis.reports.dimensions import EXPRESSIONS, PROPERTY, TIMES, selected
from analysis.reports.window import Window

_BEGIN: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)
PERCENTILES: Final = (0.5, 0.95, 0.99)
_QUANTILES: Final = (
    f"create or replace temp macro timed_percentiles(ms, place, total) as quantile_cont(ms, {list(PERCENTILES)})"
)
_COUNTS: Final = """if(error_type is null, 0, call_count) as error_count,
    if(cost_nanousd is null, call_count, 0) as unpriced_count"""


@dataclass(frozen=True, slots=True)
class _Source:
    """One kind of summary. `names`: what conditions and groups can be about, beside times and the date."""

    view: str
    of_calls: Callable[[str], str]  # SQL of a table like `requests` with the same columns
    step: timedelta
    names: frozenset[str]


_FULL: Final = _Source("lake_summaries", of_calls, STEP, frozenset({*GROUPS, *EXPRESSIONS}))
_OF_BRIEF: Final = frozenset({"provider", "model", "operation"})
_BRIEF: Final = _Source("lake_brief", brief_of_calls, HOUR, _OF_BRIEF | {"error", *BRIEF_GROUPS})
_TIMES: Final = _Source("lake_times", times_of_calls, HOUR, _OF_BRIEF | set(TIMES_GROUPS))


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
    lacks = ", ".join(sorted(set(COLUMNS) - has))
    rows = _rows(_FULL, window, selected(window, properties), where, f"* exclude ({lacks})" if lacks else "*")
    return f"create or replace temp view {name} as\nselect * exclude (started_at), {_COUNTS} from ({rows})"


def brief_view(connection: Connection, window: Window, where: str | None, has: frozenset[str]) -> str:
    """SQL of the view `calls_in_brief`, after `calls_summed` was made."""
    if has and _can_answer(connection, _BRIEF, window, (), where):
        return f"create or replace temp view calls_in_brief as\nselect *, {_COUNTS} from ({_brief_rows(window, where)})"
    return brief_view_of_summed()


def brief_view_of_summed() -> str:
    """The same out of `calls_summed`, whatever that is made of."""
    names = ", ".join(("model", *(name for name in BRIEF_COLUMNS if name in COLUMNS and name != "started_at")))
    return (
        f"create or replace temp view calls_in_brief as select {names}, error_count, unpriced_count from calls_summed"
    )


def timed_view(
    connection: Connection, window: Window, groups: Sequence[str], where: str | None, has: frozenset[str]
) -> str:
    """SQL of the view `calls_timed` and of its macro. `groups`: what its rows will be grouped by, no more and no less."""
    if not (has and _can_answer(connection, _TIMES, window, groups, where)):
        return timed_view_of_calls()
    columns = "".join(f"{quoted(name)}, " for name in dict.fromkeys(groups))
    # By the hour there are nearly as many times as calls, and ranking them takes longer than reading the calls.
    macro, times = _exact_times(columns) if "hour" in groups else _ranked_times(columns, window, where)
    return f"""{macro};
create or replace temp view calls_timed as
select
    {columns}call_count, error_count, output_tokens, cost_nanousd, {", ".join(name for name, _ in SPEEDS)},
    null as timed_ms, null as timed_first_token_ms, null as timed_place, null as timed_total
from (select *, {_COUNTS} from ({_brief_rows(window, where)}))
union all by name
{times}"""


def _ranked_times(columns: str, window: Window, where: str | None) -> tuple[str, str]:
    """The macro, and SQL of the times out of the summaries."""
    percentiles = ", ".join(f"min(ms) filter (where place > floor({share} * (total - 1)))" for share in PERCENTILES)
    rows = _rows(_TIMES, window, _selected_names(window), where)
    return (
        f"create or replace temp macro timed_percentiles(ms, place, total) as [{percentiles}]",
        f"""select
    {columns}0 as call_count, 0 as error_count, timed_ms, timed_first_token_ms,
    sum(timed_count) over (partition by {columns}timed_ms is null order by timed_ms, timed_first_token_ms) as timed_place,
    sum(timed_count) over (partition by {columns}timed_ms is null) as timed_total
from (
    select {columns}timed_ms, timed_first_token_ms, sum(timed_count) as timed_count from ({rows}) group by all
)""",
    )


def _exact_times(columns: str) -> tuple[str, str]:
    """The macro, and SQL of the times of the calls themselves."""
    return _QUANTILES, (
        f"select {columns}0 as call_count, 0 as error_count, timed_ms, timed_first_token_ms from ({exact_times('calls')})"
    )


def timed_view_of_calls() -> str:
    """The same over the calls themselves: exact."""
    return f"""{_QUANTILES};
create or replace temp view calls_timed as
select *, null as timed_place, null as timed_total from ({timed_calls("calls")})"""


def _brief_rows(window: Window, where: str | None) -> str:
    return _rows(_BRIEF, window, f"{_selected_names(window)}, error_type as error", where)


def _selected_names(window: Window) -> str:
    """The names of --by that the smaller summaries know."""
    return selected(window, (), frozenset({*TIMES, *_OF_BRIEF}))


def _rows(source: _Source, window: Window, names: str, where: str | None, columns: str = "*") -> str:
    """SQL of the rows of a kind of summary that fit, with `names`."""
    condition = f" where (\n{where}\n)" if where is not None else ""
    parts = "\n    union all by name\n    ".join(_parts(source, window, columns))
    return f"select * from (select *, {names} from ({parts})){condition}"


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
    lacks = set(GROUPS) - has
    return _can_answer(connection, _FULL, window, groups, where, lacks)


def _can_answer(
    connection: Connection,
    source: _Source,
    window: Window,
    groups: Sequence[str],
    where: str | None,
    lacks: Set[str] = frozenset(),
) -> bool:
    names = set(groups)
    if where is not None:
        asked = _columns_of(connection, where)
        if asked is None:
            return False
        names |= asked
    if not names.isdisjoint(TIMES) and any(
        offset % source.step for _, offset in window.zone.offsets(window.since, window.end)
    ):
        return False
    plain = {"properties" if name.startswith(PROPERTY) else name for name in names}
    step = source.step
    return plain <= source.names - lacks | set(TIMES) and _floor(window.since, step) + step < _floor(window.end, step)


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


def _parts(source: _Source, window: Window, columns: str) -> Iterator[str]:
    """SQL of the summaries of whole steps, of the calls of files without one, and of the steps at the ends."""
    since, until = window.since, window.until or _END
    first = since if _floor(since, source.step) == since else _floor(since, source.step) + source.step
    last = until if until == _END else _floor(until, source.step)
    yield f"select {columns} from {source.view} where {_within(first, last)}"
    yield f"select {columns} from ({source.of_calls('lake_not_summarised')}) where {_within(since, until)}"
    for begin, end in ((since, first), (last, until)):
        if begin < end:
            yield f"select {columns} from ({source.of_calls('lake_summarised')}) where {_within(begin, end)}"


def _within(begin: datetime, end: datetime) -> str:
    """The days are compared, too: then the files of other days are not opened."""
    last_day = (max(end, _BEGIN + timedelta(days=1)) - timedelta(microseconds=1)).date()
    return (
        f"date between date '{begin.date():%Y-%m-%d}' and date '{last_day:%Y-%m-%d}'"
        f" and started_at >= timestamptz '{begin.isoformat(sep=' ')}' and started_at < timestamptz '{end.isoformat(sep=' ')}'"
    )


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - datetime(1970, 1, 1, tzinfo=UTC)) % step
