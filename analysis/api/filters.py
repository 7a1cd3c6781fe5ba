"""Helicone's filters as SQL: pure. Names come from `filter_columns`, operators from here, values are only ever bound.

A filter is `"all"` (or `{}`), a leaf `{table: {column: {operator: value}}}`, or `{"left", "operator": "and" | "or", "right"}`.
The dashboard's own form is read too: `{"type": "and" | "or", "expressions"}`, `{"type": "condition", "field", "operator",
"value"}`, `{"type": "all"}`. Meaning of the operators: Helicone's packages/filters/filters.ts; but `contains` takes
`%` and `_` as they are.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from analysis.api.filter_columns import PROPERTY, PROPERTY_COLUMNS, Column, Columns, Kind, Tables

MOST_DEPTH: Final = 500  # Helicone's trees are chains: one level for each condition
MOST_CONDITIONS: Final = 1000
MOST_JOINED: Final = 20  # conditions over bodies, feedback or scores: each is a join

_TEXT_LIKE: Final = "coalesce({column}, '') {operator} {value} escape '\\'"  # an absent text is empty to Helicone
_EQUALITY: Final = {"equals": "{column} = {value}", "not-equals": "{column} is distinct from {value}"}
_ORDER: Final = {
    "gte": "{column} >= {value}",
    "lte": "{column} <= {value}",
    "lt": "{column} < {value}",
    "gt": "{column} > {value}",
}
OPERATORS: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.TEXT: {
        **_EQUALITY,
        "like": _TEXT_LIKE.replace("{operator}", "like"),
        "ilike": _TEXT_LIKE.replace("{operator}", "ilike"),
        "contains": _TEXT_LIKE.replace("{operator}", "ilike"),  # in any case, as Helicone's
        "not-contains": _TEXT_LIKE.replace("{operator}", "not ilike"),
    },
    Kind.NUMBER: {**_EQUALITY, **_ORDER},
    Kind.SCORE: {**_EQUALITY, **_ORDER},
    Kind.BOOLEAN: {"equals": "{column} = {value}"},
    Kind.TIME: {"equals": "{column} = {value}", **_ORDER},
    Kind.KEY: {"equals": "map_contains({column}, {value})"},
}
_DASHBOARD_OPERATORS: Final = {"eq": "equals", "neq": "not-equals", "is": "equals"}  # the others have one name
FIRST: Final = datetime.min.replace(tzinfo=UTC)
LAST: Final = datetime.max.replace(tzinfo=UTC)
NUMBER_TEXT: Final = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"


class FilterError(ValueError):
    """A filter that cannot be read; says where and what is allowed."""


class FilterNotAnswerable(FilterError):
    """A filter that can be read, and asks for too much or for what has no answer."""


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL for `where`, and the values it binds by name."""

    sql: str
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison."""

    table: str
    column: Column
    key: str | None
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Branch:
    """All of these, or any of these; none at all is true."""

    is_any: bool
    nodes: "tuple[Node, ...]"


Node = Comparison | Branch
ALL: Final = Branch(False, ())


def read_filter(tree: object, tables: Tables) -> Node:
    """What a filter out of JSON means. Raises FilterError."""
    node = _read(tree, tables, "filter", MOST_DEPTH)
    tests = list(_tests(node))
    if len(tests) > MOST_CONDITIONS:
        raise FilterNotAnswerable(f"filter: has {len(tests)} conditions; at most {MOST_CONDITIONS} are allowed")
    if sum(test.column.inside != "{}" for test in tests) > MOST_JOINED:
        raise FilterNotAnswerable(f"filter: has more than {MOST_JOINED} conditions over bodies, feedback and scores")
    return node


def condition(node: Node, prefix: str = "filter") -> Condition:
    """The SQL of a filter. Its parameters begin with `prefix`."""
    parameters: dict[str, object] = {}

    def bind(value: object) -> str:
        name = f"{prefix}_{len(parameters)}"
        parameters[name] = value
        return f"${name}"

    return Condition(_sql(node, bind), parameters)


def split(node: Node, tables: Tables) -> tuple[Node, Node]:
    """(what is asked of calls, what is asked of groups), for questions that gather calls. `tables`: those of groups.

    Raises FilterNotAnswerable where one `or` asks both: no call can answer for its group.
    """
    calls: list[Node] = []
    groups: list[Node] = []
    for part in _conjuncts(node):
        of_groups = {test.table in tables for test in _tests(part)}
        if len(of_groups) > 1:
            raise FilterNotAnswerable(
                f"filter: an `or` joins {', '.join(tables)} with another table; use `and` between them"
            )
        (groups if True in of_groups else calls).append(part)
    return Branch(False, tuple(calls)), Branch(False, tuple(groups))


def parse_moment(text: str) -> datetime:
    """An ISO 8601 time, UTC if it names no zone. Raises ValueError."""
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # at the calendar's ends
        return LAST if moment.year > 1 else FIRST


def both(*nodes: Node) -> Node:
    """All of these at once."""
    return _branch(False, nodes)


# Reading


def _read(tree: object, tables: Tables, where: str, depth: int) -> Node:
    if depth <= 0:
        raise FilterNotAnswerable(f"filter: is nested more than {MOST_DEPTH} deep")
    if tree == "all":
        return ALL
    if not isinstance(tree, dict):
        raise FilterError(
            f'{where}: {_shown(tree)} is not a filter; write "all", a condition, or left, operator, right'
        )
    if "type" in tree:
        return _read_expression(tree, tables, where, depth)
    if not tree.keys().isdisjoint(("left", "operator", "right")):
        if tree.get("operator") not in ("and", "or"):
            raise FilterError(f'{where}.operator: {_shown(tree.get("operator"))} is neither "and" nor "or"')
        for side in ("left", "right"):
            if side not in tree:
                raise FilterError(f"{where}.{side}: is missing")
        if len(tree) > 3:
            raise FilterError(f"{where}: has more than left, operator and right")
        # Lists, not generators: those would take two more frames of Python's stack for each level.
        nodes = [_read(tree[side], tables, f"{where}.{side}", depth - 1) for side in ("left", "right")]
        return _branch(tree["operator"] == "or", nodes)
    return _branch(False, [_read_table(name, value, tables, where) for name, value in tree.items()])


def _branch(is_any: bool, nodes: Sequence[Node]) -> Node:
    """Chains of one operator are made flat: the SQL is then as deep as the filter changes its mind."""
    parts: list[Node] = []
    for node in nodes:
        if isinstance(node, Branch) and node.nodes and (node.is_any == is_any or len(node.nodes) == 1):
            parts += node.nodes
        elif node != ALL or is_any:
            parts.append(node)
    return Branch(is_any, tuple(parts))


def _read_table(name: str, value: object, tables: Tables, where: str) -> Node:
    table = tables.get(name)
    where = f"{where}.{name}"
    if table is None:
        raise FilterError(f"{where}: no such table; allowed are {', '.join(tables)}")
    if isinstance(table, Column):
        return _read_keyed(name, table, value, where)
    columns = _object(value, where, "{column: {operator: value}}")
    return _branch(False, [_read_column(name, table, column, item, where) for column, item in columns.items()])


def _read_column(table: str, columns: Columns, name: str, value: object, where: str) -> Node:
    column = columns.get(name)
    where = f"{where}.{name}"
    if column is None:
        raise FilterError(f"{where}: no such column; allowed are {', '.join(columns)}")
    return (
        _read_keyed(table, column, value, where) if column.is_keyed else _read_tests(table, column, None, value, where)
    )


def _read_keyed(table: str, column: Column, value: object, where: str) -> Node:
    keys = _object(value, where, "{name: {operator: value}}")
    return _branch(False, [_read_tests(table, column, key, item, f"{where}.{key}") for key, item in keys.items()])


def _read_tests(table: str, column: Column, key: str | None, value: object, where: str) -> Node:
    operators = _object(value, where, "{operator: value}")
    return _branch(False, [_read_test(table, column, key, name, item, where) for name, item in operators.items()])


def _read_test(table: str, column: Column, key: str | None, operator: str, value: object, where: str) -> Comparison:
    if operator not in OPERATORS[column.kind]:
        raise FilterError(f"{where}.{operator}: no such operator; allowed are {', '.join(OPERATORS[column.kind])}")
    return Comparison(table, column, key, operator, _value(column, value, f"{where}.{operator}"))


def _value(column: Column, value: object, where: str) -> object:
    """The value as DuckDB compares it. Raises FilterError."""
    match column.kind, value:
        case (Kind.TEXT | Kind.KEY, str()):
            return column.fold(value) if column.fold and value != "null" else value
        case (Kind.BOOLEAN, bool()):
            return value
        case (Kind.SCORE, bool()):
            return float(value)
        case (Kind.SCORE, str()) if re.match(NUMBER_TEXT, value):
            return float(value)
        case (Kind.NUMBER | Kind.SCORE, int() | float()) if not isinstance(value, bool):
            return value
        case (Kind.TIME, str()):
            try:
                return parse_moment(value)
            except ValueError as error:
                raise FilterError(
                    f"{where}: {_shown(value)} is not an ISO 8601 time, e.g. 2026-11-01T12:00:00Z"
                ) from error
    kind = "text" if column.kind is Kind.KEY else column.kind
    raise FilterError(f"{where}: {_shown(value)} is not a {kind}")


def _read_expression(tree: dict[str, Any], tables: Tables, where: str, depth: int) -> Node:
    """The dashboard's form, by way of Helicone's own translation (packages/filters/toFilterNode.ts)."""
    match tree["type"]:
        case "all":
            return ALL
        case "and" | "or" as operator:
            parts = tree.get("expressions")
            if not isinstance(parts, list):
                raise FilterError(f"{where}.expressions: is not a list")
            nodes = [_read(part, tables, f"{where}.expressions[{i}]", depth - 2) for i, part in enumerate(parts)]
            return _branch(operator == "or", nodes) if nodes else ALL
        case "condition":
            field = _object(tree.get("field"), f"{where}.field", "{table, column}")
            table, column, key = (field.get(name) for name in ("table", "column", "key"))
            operator = tree.get("operator")
            if not isinstance(column, str) or not isinstance(operator, str):
                raise FilterError(f"{where}: a condition needs field.column, operator and value")
            leaf: dict[str, Any] = {_DASHBOARD_OPERATORS.get(operator, operator): tree.get("value")}
            if isinstance(key, str) and field.get("subtype") in ("property", "score"):
                column, leaf = ("properties" if field["subtype"] == "property" else "scores"), {key: leaf}
            elif "-" in column and column != "helicone-score-feedback":
                column, leaf = "properties", {column: leaf}
            name = table if isinstance(table, str) else "request_response_rmt"
            return _read_table(name, {column: leaf}, tables, where)
        case other:
            raise FilterError(
                f'{where}.type: {_shown(other)} is not a type; allowed are "all", "and", "or", "condition"'
            )


def _object(value: object, where: str, form: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FilterError(f"{where}: {_shown(value)} is not an object {form}")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _tests(node: Node) -> Iterator[Comparison]:
    if isinstance(node, Comparison):
        yield node
    else:
        for part in node.nodes:
            yield from _tests(part)


def _conjuncts(node: Node) -> Sequence[Node]:
    return node.nodes if isinstance(node, Branch) and not node.is_any else (node,)


# Writing


def _sql(node: Node, bind: Callable[[object], str]) -> str:
    if isinstance(node, Comparison):
        return _test_sql(node, bind)
    if not node.nodes:
        return "true"
    parts = [_sql(part, bind) for part in node.nodes]
    return f"({(' or ' if node.is_any else ' and ').join(parts)})"


def _test_sql(test: Comparison, bind: Callable[[object], str]) -> str:
    column, operator, value = test.column, test.operator, test.value
    expression, inside = column.sql, column.inside
    if test.key is not None:
        own = PROPERTY_COLUMNS.get(test.key.lower())
        if expression == PROPERTY.sql and own:
            expression = own
        elif "{key}" in expression + inside:
            key = bind(test.key.lower() if expression == PROPERTY.sql else test.key)
            expression, inside = expression.replace("{key}", key), inside.replace("{key}", key)
    if column.kind is Kind.TEXT:
        if value == "null" and test.key is None and operator in _EQUALITY:
            return inside.replace("{}", f"{expression} is {'' if operator == 'equals' else 'not '}null")
        if value == "" and operator in _EQUALITY:
            expression = f"coalesce({expression}, '')"
        value = pattern(operator, value)
    comparison = OPERATORS[column.kind][operator].replace("{column}", expression).replace("{value}", bind(value))
    return inside.replace("{}", comparison)


def pattern(operator: str, value: str) -> str:
    """The text as `like` needs it."""
    if operator in ("contains", "not-contains"):
        return "%" + re.sub(r"([%_\\])", r"\\\1", value) + "%"
    if operator in ("like", "ilike") and (len(value) - len(value.rstrip("\\"))) % 2:
        return value + "\\"  # a backslash at the end escapes nothing: it stands for itself
    return value
