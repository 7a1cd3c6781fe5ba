"""A question as one SQL statement of another engine: the views that it asks, each as a `with`, and its own text.

The .sql files and the views of DuckDB are the one definition; nothing is written twice. The statement asks one table of the engine
for each table of the lake (`Tables`), with the columns of addon/storage/record.py and `date`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from addon.storage.record import TABLES
from analysis.engines.rewrites import CannotTranslate, Dialect, rewritten
from analysis.reports.question import Question
from analysis.reports.scope import NO_LIMIT, Scope, printed_scope
from analysis.reports.summed import PERCENTILES
from analysis.reports.window import before
from analysis.view_text import views

Tables = Callable[[str], str]  # table of the lake -> its name in the engine
_RAW: Final = "raw_"  # before the name of a table: its rows as they are stored
_MADE_IN_PYTHON: Final = ("messages", "conversations")
_OF_ALL_CALLS: Final = frozenset({"requests", "sessions", "users", "calls_saved"})  # not of the window alone


def of_question(question: Question, dialect: Dialect, tables: Tables, *, has_changes: bool = True) -> "Statement":
    """The statement of a question. `has_changes`: properties may have been set after the call. Raises CannotTranslate."""
    return of_sql(question.sql, question.scope, question.limit, dialect, tables, has_changes=has_changes)


class Statement:
    """`sql`: the text; `reads`: tables of the lake; `of_window`: it asks of no other calls than those of the scope."""

    __slots__ = ("of_window", "reads", "sql")

    def __init__(self, sql: str, reads: frozenset[str], of_window: bool) -> None:
        self.sql, self.reads, self.of_window = sql, reads, of_window


def of_sql(
    sql: str, scope: Scope, limit: int, dialect: Dialect, tables: Tables, *, has_changes: bool = True
) -> Statement:
    """The same for any SQL over the views of a scope. `limit`: 0 is all rows."""
    tree = _parsed(sql, "the report")
    asks_all = _OF_ALL_CALLS & _tables(tree)
    definitions = _definitions(scope, has_changes)
    needed = _needed(tree, definitions)
    variables = _variables(scope, limit or NO_LIMIT)
    with_ = [_view(name, scope, has_changes, dialect) for name in needed]
    tree = _ready(tree, variables, dialect)
    own = tree.args.get("with_")
    tree.set("with_", exp.With(expressions=[*with_, *(own.expressions if own else ())]) if with_ or own else None)
    reads = frozenset(name for name in TABLES if any(_RAW + name in _tables(definitions[each]) for each in needed))
    for table in tree.find_all(exp.Table):
        if table.name.startswith(_RAW):
            table.replace(exp.to_table(tables(table.name.removeprefix(_RAW)), dialect=dialect))
    return Statement(_written(tree, dialect), reads, not asks_all)


def _written(tree: exp.Expr, dialect: Dialect) -> str:
    try:
        return tree.sql(dialect, pretty=True, comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE)
    except SqlglotError as error:
        raise CannotTranslate(_reason(error)) from error


def _parsed(sql: str, what: str) -> exp.Expr:
    try:
        return sqlglot.parse_one(sql, read="duckdb")
    except SqlglotError as error:
        raise CannotTranslate(f"{what} cannot be read: {_reason(error)}") from error


def _reason(error: SqlglotError) -> str:
    return str(error).strip().partition("\n")[0]


def _ready(tree: exp.Expr, variables: Mapping[str, exp.Expr], dialect: Dialect) -> exp.Expr:
    tree = tree.transform(lambda node: _value(_percentiles(node), variables), copy=False)
    for limit in list(tree.find_all(exp.Limit)):
        if limit.expression == exp.Literal.number(NO_LIMIT):
            limit.pop()
    return rewritten(tree, dialect)


def _value(node: exp.Expr, variables: Mapping[str, exp.Expr]) -> exp.Expr:
    if not (isinstance(node, exp.Anonymous) and node.name.lower() == "getvariable"):
        return node
    name = node.expressions[0].name
    if name not in variables:
        raise CannotTranslate(f"getvariable('{name}'): there are {', '.join(variables)}")
    return variables[name].copy()


def _percentiles(node: exp.Expr) -> exp.Expr:
    """The macro of summed.py, over calls."""
    if not (isinstance(node, exp.Anonymous) and node.name.lower() == "timed_percentiles"):
        return node
    shares = exp.Array(expressions=[exp.Literal.number(share) for share in PERCENTILES])
    return exp.PercentileCont(this=node.expressions[0], expression=shares)


def _variables(scope: Scope, most: int) -> dict[str, exp.Expr]:
    window, earlier = scope.window, before(scope.window)
    moments = {
        "since": window.since,
        "until": window.until or datetime.max.replace(tzinfo=UTC),
        "before_since": earlier.since,
        "before_until": earlier.end,
    }
    values: dict[str, exp.Expr] = {name: _moment(moment) for name, moment in moments.items()}
    return values | {"most": exp.Literal.number(most)}


def _moment(moment: datetime) -> exp.Expr:
    text = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rjust(26, "0")
    return exp.cast(exp.Literal.string(f"{text}+00:00"), exp.DataType.Type.TIMESTAMPTZ)


def _view(name: str, scope: Scope, has_changes: bool, dialect: Dialect) -> exp.CTE:
    tree = _ready_view(name, scope, has_changes, dialect).copy()
    return exp.CTE(this=tree, alias=exp.TableAlias(this=exp.to_identifier(name)))


@lru_cache(maxsize=64)  # a report, its totals and its calls without a price ask the same views
def _ready_view(name: str, scope: Scope, has_changes: bool, dialect: Dialect) -> exp.Expr:
    return _ready(_definitions(scope, has_changes)[name].copy(), _variables(scope, NO_LIMIT), dialect)


def _needed(tree: exp.Expr, definitions: Mapping[str, exp.Expr]) -> list[str]:
    """The views that a statement asks, each after those that it needs itself."""
    found: dict[str, None] = {}

    def add(asked: exp.Expr) -> None:
        for name in sorted(_tables(asked)):
            if name in _MADE_IN_PYTHON:
                raise CannotTranslate(f"the view {name} is made in Python, of bodies; only DuckDB can ask it")
            if name in definitions and name not in found:
                add(definitions[name])
                found[name] = None

    add(tree)
    return list(found)


def _tables(tree: exp.Expr) -> set[str]:
    """Names of tables, without those that the statement defines itself."""
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    return {table.name for table in tree.find_all(exp.Table)} - own


def _definitions(scope: Scope, has_changes: bool) -> dict[str, exp.Expr]:
    stored = _stored_views(has_changes)
    try:
        return {**stored, **_views_of(printed_scope(scope))}
    except SqlglotError as error:  # DuckDB read the condition before
        raise CannotTranslate(f"--where: {_reason(error)}") from error


@cache
def _stored_views(has_changes: bool) -> Mapping[str, exp.Expr]:
    rows = {table: f"select * from {_RAW}{table}" for table in TABLES}
    return _views_of(views(rows, has_changes=has_changes))


@lru_cache(maxsize=8)  # a report and the lines under it ask the same scope
def _views_of(text: str) -> Mapping[str, exp.Expr]:
    return {
        statement.this.name: statement.expression
        for statement in sqlglot.parse(text, read="duckdb")
        if isinstance(statement, exp.Create) and statement.kind == "VIEW"
    }
