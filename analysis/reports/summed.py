"""The views over summaries: the calls of a scope, those put together that are alike.

`calls_summed` and `calls_summed_before`: a row stands for `call_count` calls, of which `error_count` failed and `unpriced_count` have no price; its numbers are their sums.
A question that only counts and sums asks these views, and gets what it would get of `calls`: over the summaries of merged files
(addon/storage/summary.py) where its condition and its groups are columns of theirs, else over the calls, each a row for itself. Where all that
it names is in the brief summaries, over these: they have a hundredth of the rows.
Files without a summary are read as they are, and so are the calls of a quarter of an hour that the window cuts through.

`calls_by_session`: the same with the columns of the summary of sessions alone, a row for each session, user and day or less.
`calls_summed` is made of that, too, where all that a question names is in it.

`calls_in_brief`: the same with the columns of the brief summary alone, for the lines under a report; it is asked whatever the
report groups by. `calls_timed`: for percentiles and speeds. Over calls, its rows are calls with their exact times; over summaries
a row stands for the calls of a group (its times are NULL), or for a time of theirs (its `call_count` is 0): rounded by less than 1 %, with its
rank among the times of its group, or by the hour the exact time of a call. The macro `timed_percentiles` is the percentiles of any.
A question that shows few groups need not read the calls of all days: times of a group are between the least and the greatest
`timed_date` of its calls.

`calls_saved`: hits, or summaries of hits, with the time that they saved, `saved_ms`: what the calls took whose answers were given
again, less what the hits took. Without hits of which that is not known. Looking these calls up reads the id of every call, so
summaries keep what was found when they were made; where one has a hit whose call was not there, all are looked up.

`calls_retried`: the calls that took more than one attempt, each for itself. `calls_first_timed`: as `calls_timed`, its times are those of the
calls that the first attempt answered.

`calls_hit`: hits alone, each for itself. `original_ms` is what the call took whose answer was given again, where a summary says so: of all
others a report looks it up itself, for those that it shows.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from addon.storage.summary import (
    BRIEF_COLUMNS,
    COLUMNS,
    GROUPS,
    IS_HIT,
    IS_RETRIED,
    OTHERS,
    SAVED,
    SPEEDS,
    exact_times,
    timed_calls,
)
from addon.storage.summary_by_day import of_summaries
from analysis.lake import Connection
from analysis.quoting import quoted
from analysis.reports import summary_rows
from analysis.reports.dimensions import selected
from analysis.reports.summary_rows import (
    BRIEF,
    FULL,
    HITS,
    RETRIED,
    SESSIONS,
    TIMES_BY_DAY,
    TIMES_BY_HOUR,
    Condition,
    names_of,
)
from analysis.reports.window import Window
from analysis.shared_views import Made
from analysis.summary_views import make_those_in

PERCENTILES: Final = (0.5, 0.95, 0.99)
_TIMED_PERCENTILES: Final = "timed_percentiles(ms, place, total)"
_QUANTILES: Final = Made("macro", _TIMED_PERCENTILES, f"quantile_cont(ms, {list(PERCENTILES)})")
_ONE_DATE: Final = "date '1970-01-01' as timed_date"  # of rows that stand for calls of several days
_COUNTS: Final = """if(error_type is null, 0, call_count) as error_count,
    if(cost_nanousd is null, call_count, 0) as unpriced_count"""


def view_of_calls(name: str, calls: str) -> Made:
    """The view over the calls themselves."""
    others = ", ".join(f"{of_one} as {column}" for column, of_one, _ in OTHERS if column != "call_count")
    counts = "if(error_type is null, 0, 1) as error_count, if(cost_nanousd is null, 1, 0) as unpriced_count"
    return Made("view", name, f"select *, 1 as call_count, {others}, {counts}\nfrom {calls}")


def view_of_summaries(
    name: str, window: Window, properties: tuple[str, ...], where: Condition | None, has: frozenset[str]
) -> Made:
    """The view over the summaries; `has`: the columns that they can be asked for."""
    lacks = ", ".join(sorted({*COLUMNS} - has | {name for name, _ in SAVED}))
    rows = summary_rows.rows(FULL, window, selected(window, properties), where, f"* exclude ({lacks})")
    return Made("view", name, f"select * exclude (started_at), {_COUNTS} from ({rows})")


def view_of_brief(name: str, window: Window, where: Condition | None) -> Made:
    """The view over the brief summaries, which have few of its columns."""
    return Made("view", name, f"select *, {_COUNTS} from ({_brief_rows(window, where)})")


def view_of_sessions(name: str, window: Window, where: Condition | None) -> Made:
    """The view over the summaries of sessions, which have few of its columns."""
    rows = summary_rows.rows(SESSIONS, window, names_of(SESSIONS, window), where)
    return Made("view", name, f"select * exclude (started_at) from ({rows})")


def by_session_view(window: Window, groups: Sequence[str], where: Condition | None, has: frozenset[str]) -> Made:
    """The view `calls_by_session`, to be made after `calls_summed`."""
    if has and summary_rows.can_answer(SESSIONS, window, groups, where):
        return view_of_sessions("calls_by_session", window, where)
    return by_session_view_of_summed()


def by_session_view_of_summed() -> Made:
    """The same out of `calls_summed`, whatever that is made of."""
    return Made("view", "calls_by_session", of_summaries("calls_summed", "date"))


def brief_view(window: Window, where: Condition | None, has: frozenset[str]) -> Made:
    """The view `calls_in_brief`, to be made after `calls_summed`."""
    if has and summary_rows.can_answer(BRIEF, window, (), where):
        return view_of_brief("calls_in_brief", window, where)
    return brief_view_of_summed()


def brief_view_of_summed() -> Made:
    """The same out of `calls_summed`, whatever that is made of."""
    names = ", ".join(("model", *(name for name in BRIEF_COLUMNS if name in COLUMNS and name != "started_at")))
    return Made("view", "calls_in_brief", f"select {names}, error_count, unpriced_count from calls_summed")


def timed_view(
    window: Window, groups: Sequence[str], where: Condition | None, has: frozenset[str], *, is_first: bool = False
) -> tuple[Made, Made]:
    """The view `calls_timed` and, before it, its macro. `groups`: what its rows will be grouped by, no more and no less.
    `is_first`: of `calls_first_timed`."""
    kinds = (TIMES_BY_DAY, TIMES_BY_HOUR)  # the one with fewer rows first
    source = next((kind for kind in kinds if has and summary_rows.can_answer(kind, window, groups, where)), None)
    if source is None:
        return timed_view_of_calls(is_first=is_first)
    columns = "".join(f"{quoted(name)}, " for name in dict.fromkeys(groups))
    # By the hour there are nearly as many times as calls, and ranking them takes longer than reading the calls.
    is_exact = "hour" in groups
    macro, times = (
        _exact_times(columns, is_first) if is_exact else _ranked_times(columns, source, window, where, is_first)
    )
    timed_date = "date as timed_date" if is_exact else _ONE_DATE
    sql = f"""select
    {columns}call_count, error_count, output_tokens, cost_nanousd, {", ".join(name for name, _ in SPEEDS)},
    {timed_date}, null as timed_ms, null as timed_first_token_ms, null as timed_place, null as timed_total
from (select *, {_COUNTS} from ({_brief_rows(window, where)}))
union all by name
{times}"""
    return macro, Made("view", _timed(is_first), sql)


def _timed(is_first: bool) -> str:
    return "calls_first_timed" if is_first else "calls_timed"


def _ranked_times(
    columns: str, source: summary_rows.Source, window: Window, where: Condition | None, is_first: bool
) -> tuple[Made, str]:
    """The macro, and SQL of the times out of the summaries."""
    answered = " where is_first_attempt" if is_first else ""
    percentiles = ", ".join(f"min(ms) filter (where place > floor({share} * (total - 1)))" for share in PERCENTILES)
    rows = summary_rows.rows(source, window, names_of(source, window), where)
    return (
        Made("macro", _TIMED_PERCENTILES, f"[{percentiles}]"),
        f"""select
    {columns}0 as call_count, 0 as error_count, {_ONE_DATE}, timed_ms, timed_first_token_ms,
    sum(timed_count) over (partition by {columns}timed_ms is null order by timed_ms, timed_first_token_ms) as timed_place,
    sum(timed_count) over (partition by {columns}timed_ms is null) as timed_total
from (
    select {columns}timed_ms, timed_first_token_ms, sum(timed_count) as timed_count from ({rows}){answered} group by all
)""",
    )


def _exact_times(columns: str, is_first: bool) -> tuple[Made, str]:
    """The macro, and SQL of the times of the calls themselves."""
    return _QUANTILES, (
        f"select {columns}0 as call_count, 0 as error_count, date as timed_date, timed_ms, timed_first_token_ms"
        f" from ({exact_times('calls', is_first=is_first)})"
    )


def timed_view_of_calls(*, is_first: bool = False) -> tuple[Made, Made]:
    """The same over the calls themselves: exact."""
    timed = timed_calls("calls", is_first=is_first)
    sql = f"select *, date as timed_date, null as timed_place, null as timed_total from ({timed})"
    return _QUANTILES, Made("view", _timed(is_first), sql)


def saved_view(
    connection: Connection,
    window: Window,
    groups: tuple[str, ...],
    properties: tuple[str, ...],
    where: Condition | None,
    has: frozenset[str],
) -> Made:
    """The view `calls_saved`. `groups`: what its rows will be grouped by, properties among them."""
    first, last = summary_rows.whole_steps(FULL, window)
    if not (has and can_answer(window, groups, where, has)) or _any_unfound(connection, first, last):
        return saved_view_of_calls()
    lacks = ", ".join(sorted({*COLUMNS} - has)) or "started_at"
    names = selected(window, properties)
    known = summary_rows.fitting(
        [f"select * from lake_summaries where {summary_rows.within(first, last)} and saved_ms is not null"],
        names,
        where,
    )
    others = [
        f"select * from {view} where {summary_rows.within(begin, end)} and cache_reference_id is not null"
        for view, begin, end in summary_rows.not_summed(FULL, window)
    ]
    sql = f"""with hits as not materialized (
    {summary_rows.fitting(others, names, where)}
)
select * exclude ({lacks}) from ({known})
union all by name
{_with_saved("hits")}"""
    return Made("view", "calls_saved", sql)


def _any_unfound(connection: Connection, begin: datetime, end: datetime) -> bool:
    """Whether a summary of these days has a hit whose call was not found. Asked by day: of most files nothing is then read."""
    sql = f"select 1 from lake_summaries where {summary_rows.on_days(begin, end)} and unfound_count > 0 limit 1"
    make_those_in(connection, sql)
    return bool(connection.execute(sql).fetchall())


def saved_view_of_calls() -> Made:
    """The same over the calls themselves."""
    return Made("view", "calls_saved", _with_saved("calls"))


def _with_saved(hits: str) -> str:
    return f"""select {hits}.*, original_ms - {hits}.duration_ms as saved_ms
from {hits} join ( -- ids may repeat
    select request_id as cache_reference_id, any_value(duration_ms) as original_ms
    from requests
    where request_id in (select cache_reference_id from {hits})
    group by request_id
) as originals using (cache_reference_id)"""


def hits_view(window: Window, where: Condition | None, has: frozenset[str]) -> Made:
    """The view `calls_hit`."""
    if not (has and summary_rows.can_answer(HITS, window, (), where)):
        return hits_view_of_calls()
    rows = summary_rows.rows(HITS, window, names_of(HITS, window), where)
    return Made("view", "calls_hit", rows)


def hits_view_of_calls() -> Made:
    """The same over the calls themselves."""
    sql = f"select * from (select *, cast(null as bigint) as original_ms from calls) where {IS_HIT}"
    return Made("view", "calls_hit", sql)


def retried_view(
    window: Window,
    groups: tuple[str, ...],
    properties: tuple[str, ...],
    where: Condition | None,
    has: frozenset[str],
) -> Made:
    """The view `calls_retried`. `groups`: what its rows will be grouped by, properties among them."""
    lacks = set(GROUPS) - has
    if not (has and summary_rows.can_answer(RETRIED, window, groups, where, lacks)):
        return retried_view_of_calls()
    columns = f"* exclude ({', '.join(sorted(lacks))})" if lacks else "*"
    return Made(
        "view", "calls_retried", summary_rows.rows(RETRIED, window, selected(window, properties), where, columns)
    )


def retried_view_of_calls() -> Made:
    """The same over the calls themselves."""
    return Made("view", "calls_retried", f"select * from calls where {IS_RETRIED}")


def _brief_rows(window: Window, where: Condition | None) -> str:
    return summary_rows.rows(BRIEF, window, names_of(BRIEF, window), where)


def can_answer(window: Window, groups: tuple[str, ...], where: Condition | None, has: frozenset[str]) -> bool:
    """Whether the summaries know the columns of the groups (names of --by) and of the condition."""
    lacks = set(GROUPS) - has
    return summary_rows.can_answer(FULL, window, groups, where, lacks)


def read_condition(connection: Connection, where: str) -> Condition:
    """A condition with its columns, parsed once for all views of a scope."""
    return Condition(where, _columns_of(connection, where))


def _columns_of(connection: Connection, where: str) -> frozenset[str] | None:
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
    return frozenset(found)


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)
