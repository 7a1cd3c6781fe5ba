"""Which calls a question is about: a window of time and a condition, as the views `calls` and `calls_before`.

Every .sql file of reports/ asks these views and the variables `since`, `until`, `before_since`, `before_until` (UTC) and
`most` (rows). So the files run unchanged here, in the dashboard and in the DuckDB shell.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import duckdb

from addon.config.mistakes import did_you_mean
from addon.storage.lake import duckdb_columns
from analysis.column_hints import MEANT, UNKNOWN_COLUMN
from analysis.lake import Connection
from analysis.reports import summed
from analysis.reports.dimensions import DIMENSIONS, selected
from analysis.reports.summary_rows import brief_answers, sessions_answer
from analysis.reports.window import EVER, Window, before
from analysis.shared_views import Made, shared_by
from analysis.summary_views import columns_of, make_those_in

NO_LIMIT: Final = 2**62
VIEWS: Final = (
    "calls",
    "calls_before",
    "calls_summed",
    "calls_summed_before",
    "calls_by_session",
    "calls_in_brief",
    "calls_timed",
    "calls_first_timed",
    "calls_retried",
    "calls_saved",
    "calls_hit",
)

_ASKED: Final = re.compile(r"\b(?:from|join)\s+(\w+)")

_COLUMNS: Final = tuple(dict.fromkeys([*DIMENSIONS, *duckdb_columns("requests"), "cost_usd", "saved_usd"]))
OF_THE_SQL: Final = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.ParserException,
    duckdb.PermissionException,
    duckdb.SyntaxException,
)


class BadCondition(ValueError):
    """A condition of --where that cannot be read. The message says why."""

    def __init__(self, where: str, error: duckdb.Error) -> None:
        super().__init__(f"--where: {where!r} is not a condition: {_reason(error)}")


@dataclass(frozen=True, slots=True)
class Scope:
    """`where`: SQL over the columns of `requests` and the names of --by; None: all calls of the window.

    `properties`: names like `property:feature` that become columns of `calls`.
    """

    window: Window
    where: str | None = None
    properties: tuple[str, ...] = ()
    # The names that its questions group by. Where they are told, `calls_summed` may be the summaries of the lake; None: it is the calls.
    groups: tuple[str, ...] | None = None
    # The words of the SQL that asks it; None: it may name any column.
    words: frozenset[str] | None = None


def open_scope(connection: Connection, scope: Scope, views: Collection[str] = VIEWS) -> None:
    """Makes views on a connection of `Lake.ask`, in place of those of an earlier scope; where questions share a
    database, those that an earlier question made are used. Raises BadCondition.

    `views`: those of VIEWS that will be asked; what they are made of is made, too. All others are dropped: each would take
    5 to 10 ms over 120 days of files."""
    asked = {*views, "calls"} if scope.where is not None else {*views}  # a condition is checked on `calls`
    wanted = {"calls", *views}
    if not wanted.isdisjoint(("calls_in_brief", "calls_by_session")):
        wanted.add("calls_summed")
    if "calls_summed_before" in wanted:
        wanted.add("calls_before")
    if scope.where is not None:
        check_condition(scope.where)
    shared = shared_by(connection)
    made = _needed(_made(connection, scope, wanted), asked)
    others = {*VIEWS} - {each.name for each in made}
    dropped = "" if shared else "".join(f"drop view if exists temp.{name};" for name in others)
    connection.execute(f"{_moments(scope.window, before(scope.window))}set variable most = {NO_LIMIT};{dropped}")
    if shared:
        with shared.lacking(connection, made) as lacking:
            _make(connection, scope, lacking, temporary=False)
    else:
        _make(connection, scope, made)


def _made(connection: Connection, scope: Scope, wanted: Collection[str]) -> list[Made]:
    """The views of a scope, in the order that they need each other."""
    window, earlier = scope.window, before(scope.window)
    groups = (*(scope.groups or ()), *scope.properties)
    has = columns_of(connection) if scope.groups is not None else frozenset()
    where = summed.read_condition(connection, scope.where) if has and scope.where is not None else None
    made: list[Made] = []
    periods = (("calls", "calls_summed", "", window), ("calls_before", "calls_summed_before", "before_", earlier))
    for name, _, prefix, period in periods:
        if name in wanted:
            made.append(_view(name, prefix, period, scope))
    for name, summed_name, _, period in periods:
        if summed_name not in wanted:
            continue
        if has and scope.words is not None and brief_answers(period, groups, scope.words, where):
            made.append(summed.view_of_brief(summed_name, period, where))
        elif has and scope.words is not None and sessions_answer(period, groups, scope.words, where):
            made.append(summed.view_of_sessions(summed_name, period, where))
        elif has and summed.can_answer(period, groups, where, has):
            made.append(summed.view_of_summaries(summed_name, period, scope.properties, where, has))
        else:
            made.append(summed.view_of_calls(summed_name, name))
    if "calls_by_session" in wanted:
        made.append(summed.by_session_view(window, groups, where, has))
    if "calls_in_brief" in wanted:
        made.append(summed.brief_view(window, where, has))
    if "calls_timed" in wanted:
        made += summed.timed_view(window, groups, where, has)
    if "calls_first_timed" in wanted:
        made += summed.timed_view(window, groups, where, has, is_first=True)
    if "calls_retried" in wanted:
        made.append(summed.retried_view(window, groups, scope.properties, where, has))
    if "calls_saved" in wanted:
        made.append(summed.saved_view(connection, window, groups, scope.properties, where, has))
    if "calls_hit" in wanted:
        made.append(summed.hits_view(window, where, has))
    return made


def _needed(made: Sequence[Made], views: Collection[str]) -> list[Made]:
    """Those that are asked, and those that they are made of."""
    needed: list[Made] = []
    words = set(views)
    for each in reversed(made):
        if each.name in words or each.kind == "macro":
            needed.insert(0, each)
            words |= words_of(each.sql)
    return needed


def _make(connection: Connection, scope: Scope, made: Sequence[Made], *, temporary: bool = True) -> None:
    """Raises BadCondition. Views of calls are made without the condition first: what is wrong with those is not the
    condition's mistake."""
    of_calls = [each for each in made if each.name in ("calls", "calls_before")]
    others = [each for each in made if each not in of_calls]
    if scope.where is not None and of_calls:
        without = replace(scope, where=None)
        for each in of_calls:
            prefix, window = ("", scope.window) if each.name == "calls" else ("before_", before(scope.window))
            connection.execute(_view(each.name, prefix, window, without).text(temporary=temporary))
    try:
        for each in of_calls:
            connection.execute(each.text(temporary=temporary))
        if scope.where is not None and of_calls:
            connection.execute("explain select count(*) from calls")  # finds text in place of a number
    except OF_THE_SQL as error:
        if scope.where is None:
            raise
        raise BadCondition(scope.where, error) from error
    for each in others:
        make_those_in(connection, each.sql)
        connection.execute(each.text(temporary=temporary))


def named_in(sql: str) -> frozenset[str]:
    """The views that a text in lower case may ask: words are looked for, wherever they stand."""
    return words_of(sql).intersection(VIEWS)


def asked_by(sql: str) -> frozenset[str]:
    """The views that a text of ours asks, which has no list of tables: `calls` is the name of a column in most of them."""
    return frozenset(_ASKED.findall(sql)).intersection(VIEWS)


def words_of(sql: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", sql))


def check_condition(where: str) -> None:
    """Raises BadCondition for what is not one SQL expression without parameters."""
    try:
        duckdb.SQLExpression(where)
        parameters = duckdb.extract_statements(f"select (\n{where}\n)")[0].named_parameters
    except (duckdb.ParserException, duckdb.InvalidInputException) as error:
        raise BadCondition(where, error) from error
    if parameters:
        raise BadCondition(where, duckdb.ParserException("it has a parameter; write the value"))


def set_variables(connection: Connection, values: Mapping[str, object]) -> None:
    """What `getvariable` gives from here on."""
    for name, value in values.items():
        connection.execute(f"set variable {name} = $value", {"value": value})


def printed_views() -> str:
    """The same as text for `duckdb -init`, after the text of `lake.view_definitions`: the last 30 days, in UTC."""
    made = _text_of([_view("calls", "", EVER, Scope(EVER)), _view("calls_before", "before_", EVER, Scope(EVER))])
    return f"""-- The questions of heliograph (analysis/reports/sql) are about these calls. Set the variables to ask about others.
set variable since = now() - interval 30 days;
set variable until = timestamptz '9999-12-31';
set variable before_since = now() - interval 60 days;
set variable before_until = now() - interval 30 days;
set variable most = 100;

{made}"""


def _text_of(of_calls: Sequence[Made]) -> str:
    """These and all views that are made of them."""
    made = [
        *of_calls,
        summed.view_of_calls("calls_summed", "calls"),
        summed.view_of_calls("calls_summed_before", "calls_before"),
        summed.by_session_view_of_summed(),
        summed.brief_view_of_summed(),
        *summed.timed_view_of_calls(),
        *summed.timed_view_of_calls(is_first=True),
        summed.retried_view_of_calls(),
        summed.saved_view_of_calls(),
        summed.hits_view_of_calls(),
    ]
    return "".join(f"{each.text()};\n\n" for each in made).rstrip()


def _reason(error: duckdb.Error) -> str:
    """DuckDB's reason in a line; for an unknown column the nearest."""
    if unknown := UNKNOWN_COLUMN.search(str(error)):
        name = unknown[1]
        if meant := MEANT.get(name.lower()):
            return f"there is no column {name!r}; it is here: {meant}"
        near = did_you_mean(name, _COLUMNS)
        return f"there is no column {name!r}{near}; text is written in single quotes: model = 'gpt-5'"
    return str(error).partition("\n")[0].partition(": ")[2] or str(error)


def printed_scope(scope: Scope) -> str:
    """The views of one scope as text, for `duckdb -init`, after the text of `lake.view_definitions`."""
    earlier = before(scope.window)
    of_calls = [_view("calls", "", scope.window, scope), _view("calls_before", "before_", earlier, scope)]
    return f"{_moments(scope.window, earlier)}\n{_text_of(of_calls)}\n"


def _moments(window: Window, earlier: Window) -> str:
    """SQL of the variables that say when a scope begins and ends."""
    moments = {
        "since": window.since,
        "until": window.until or datetime.max.replace(tzinfo=UTC),
        "before_since": earlier.since,
        "before_until": earlier.until,
    }
    return "".join(f"set variable {name} = timestamptz '{moment}';\n" for name, moment in moments.items())


def _view(name: str, prefix: str, window: Window, scope: Scope) -> Made:
    """The days are compared, too: then the files of other days are not opened."""
    since, until = (f"cast(getvariable('{prefix}{end}') as timestamptz)" for end in ("since", "until"))
    condition = f" where (\n{scope.where}\n)" if scope.where is not None else ""  # a comment in it ends with its line
    sql = f"""select * from (
    select
        *,
        {selected(window, scope.properties)}
    from requests
    where
        date between cast({since} as date) and cast(cast({until} as timestamp) - interval 1 microsecond as date)
        and started_at >= {since} and started_at < {until}
){condition}"""
    return Made("view", name, sql)
