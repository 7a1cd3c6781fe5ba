"""What DuckDB's SQL says that sqlglot does not say in Spark's or Trino's words by itself: a table of functions, and a few forms.

All of it is pure: a tree of sqlglot, parsed as DuckDB's, becomes a tree that sqlglot writes as the other dialect. Cells come out
equal: NULLs of aggregates, ties of rounding and positions in lists are as DuckDB has them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from sqlglot import exp, parse_one

Dialect = Literal["spark", "trino"]

# Maps are not values that Spark can hash.
_MAPS: Final = frozenset({"properties", "usage_units", "price_factors", "request_headers", "response_headers"})
_MEDIAN: Final[Mapping[Dialect, str]] = {
    "spark": "(get(array_sort({0}), (size({0}) - 1) div 2) + get(array_sort({0}), size({0}) div 2)) / 2",
    "trino": "(element_at(array_sort({0}), (cardinality({0}) + 1) / 2) + element_at(array_sort({0}), cardinality({0}) / 2 + 1)) / 2",
}
# DuckDB's function -> what says the same. {0} is the first argument, {*} stands for all of them.
FUNCTIONS: Final[Mapping[str, Mapping[Dialect, str]]] = {
    "epoch_us": {"spark": "unix_micros({0})", "trino": "cast(round(to_unixtime({0}) * 1e6) as bigint)"},
    "epoch_ms": {"spark": "unix_millis({0})", "trino": "cast(floor(to_unixtime({0}) * 1e3) as bigint)"},
    "epoch": {"spark": "(unix_micros({0}) / 1e6)", "trino": "to_unixtime({0})"},
    "make_timestamp": {
        "spark": "cast(timestamp_micros({0}) as timestamp_ntz)",
        "trino": "cast(from_unixtime({0} / 1e6, 'UTC') as timestamp(6))",
    },
    # Half away from zero on the double itself: Spark would round its decimal digits.
    "round": {"spark": "(round({0} * 1e{1}) / 1e{1})", "trino": "(round({0} * 1e{1}) / 1e{1})"},
    "quantile_cont": {"spark": "percentile({0}, {1})", "trino": "approx_percentile({0}, {1})"},
    "median": {"spark": "percentile({0}, 0.5)", "trino": "approx_percentile({0}, 0.5)"},
    # DuckDB leaves rows out whose first argument is NULL.
    "arg_max": {
        "spark": "max_by({0}, case when {0} is not null then {1} end)",
        "trino": "max_by({0}, case when {0} is not null then {1} end)",
    },
    "arg_min": {
        "spark": "min_by({0}, case when {0} is not null then {1} end)",
        "trino": "min_by({0}, case when {0} is not null then {1} end)",
    },
    "any_value": {"spark": "any_value({0}, true)", "trino": "any_value({0})"},
    "hash": {"spark": "xxhash64({*})", "trino": "xxhash64(to_utf8(json_format(cast(row({*}) as json))))"},
    # Keys of groups, of which NULLs are equal as in DuckDB's.
    "row": {"spark": "array(struct({*}))", "trino": "json_format(cast(row({*}) as json))"},
    "list_position": {"spark": "array_position({0}, {1})", "trino": "array_position({0}, {1})"},
    "list_slice": {"spark": "slice({0}, {1}, {2})", "trino": "slice({0}, {1}, {2})"},
    "list_avg": {
        "spark": "aggregate({0}, 0e0, (a, x) -> a + x) / size({0})",
        "trino": "reduce({0}, 0e0, (a, x) -> a + x, a -> a) / cardinality({0})",
    },
    "list_median": _MEDIAN,
    "list_mad": {
        dialect: text.replace("{0}", f"transform({{0}}, x -> abs(x - ({text})))") for dialect, text in _MEDIAN.items()
    },
    # The later map's values count, and Spark takes no key twice.
    "map_concat": {
        "spark": "map_concat(map_filter({0}, (k, v) -> not array_contains(map_keys({1}), k)), {1})",
        "trino": "map_concat({0}, {1})",
    },
    "map_of_lists": {
        "spark": "map_from_arrays(collect_list({0}), collect_list({1}))",
        "trino": "map_agg({0}, {1})",
    },
    "last_of_json": {
        "spark": "get_json_object(element_at(from_json({0}, 'array<string>'), -1), {1})",
        "trino": "json_extract_scalar(element_at(cast(json_parse({0}) as array(json)), -1), {1})",
    },
    "of_map": {"spark": "{0}[{1}]", "trino": "element_at({0}, {1})"},
    "grouping_id": {"spark": "grouping_id({*})", "trino": "grouping({*})"},
}


class CannotTranslate(ValueError):
    """SQL that has no words in the other dialect. The message says which part."""


def rewritten(tree: exp.Expr, dialect: Dialect) -> exp.Expr:
    """The tree with everything in place that sqlglot's writer of the dialect does not know."""
    for form in _FORMS:
        tree = _everywhere(tree, form)
    return _everywhere(tree, lambda node: _function(node, dialect))


def _everywhere(tree: exp.Expr, form: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """From the leaves up: a form finds what is inside of it in place."""
    for node in reversed(list(tree.bfs())):
        new = form(node)
        if new is not node and node is tree:
            tree = new
        elif new is not node:
            node.replace(new)
    return tree


def _function(node: exp.Expr, dialect: Dialect) -> exp.Expr:
    name, arguments = _call(node)
    template = FUNCTIONS.get(name)
    return _filled(template[dialect], arguments, dialect) if template else node


def _filled(template: str, arguments: Sequence[exp.Expr], dialect: Dialect) -> exp.Expr:
    texts = [
        f"({each})" if isinstance(node, exp.Binary) else each for node in arguments for each in [_text(node, dialect)]
    ]
    return parse_one(_with_arguments(template, texts), read=dialect)


def _text(node: exp.Expr, dialect: Dialect) -> str:
    return node.sql(dialect, comments=False)


def _with_arguments(template: str, texts: Sequence[str]) -> str:
    template = template.replace("{*}", ", ".join(texts))
    for index, text in enumerate(texts):
        template = template.replace(f"{{{index}}}", text)
    return template


def _call(node: exp.Expr) -> tuple[str, Sequence[exp.Expr]]:
    """Name, as FUNCTIONS has it, and arguments of a call; "" for anything else."""
    match node:
        case exp.Anonymous():
            return node.name.lower(), node.expressions
        case exp.UnixToTime() if node.text("scale") == "6":
            return "make_timestamp", [node.this]
        case exp.UnixToTime() if (
            node.text("scale") == "3"
        ):  # DuckDB has it for times as well, and reports ask that alone
            return "epoch_ms", [node.this]
        case exp.TimeToUnix():
            return "epoch", [node.this]
        case exp.Round() if node.args.get("decimals"):
            return "round", [node.this, node.args["decimals"]]
        case exp.PercentileCont():
            return "quantile_cont", [node.this, node.expression]
        case exp.Median():
            return "median", [node.this]
        case exp.ArgMax():
            return "arg_max", [node.this, node.expression]
        case exp.ArgMin():
            return "arg_min", [node.this, node.expression]
        case exp.IgnoreNulls() if isinstance(node.this, exp.AnyValue):
            return "any_value", [node.this.this]
        case exp.Map() if isinstance(node.args.get("keys"), exp.ArrayAgg):
            return "map_of_lists", [node.args["keys"].this, node.args["values"].this]
        case exp.JSONExtractScalar() if node.text("expression").startswith("$[#-1]"):
            path = exp.Literal.string("$" + node.text("expression").removeprefix("$[#-1]"))
            return "last_of_json", [node.this, path]
        case exp.Bracket() if len(node.expressions) == 1 and node.expressions[0].is_string:
            return "of_map", [node.this, node.expressions[0]]
        case exp.Grouping() if len(node.expressions) > 1:
            return "grouping_id", node.expressions
    return "", ()


def _plain_cte(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.CTE):
        node.set("materialized", None)
    return node


def _condition_in_window(node: exp.Expr) -> exp.Expr:
    """`f(x) filter (where c) over w` as `f(case when c then x end) over w`: aggregates leave NULLs out."""
    if isinstance(node, exp.Window) and isinstance(node.this, exp.Filter):
        function, condition = node.this.this, node.this.expression.this
        function.set("this", exp.Case(ifs=[exp.If(this=condition, true=function.this)]))
        node.set("this", function)
    return node


def _guarded_division(node: exp.Expr) -> exp.Expr:
    """By 0 Spark and Trino raise an error. Ours never divide by it."""
    if isinstance(node, exp.Div) and not isinstance(node.expression, exp.Literal | exp.Nullif):
        node.set("expression", exp.Nullif(this=exp.paren(node.expression.copy()), expression=exp.Literal.number(0)))
    return node


def _maps_as_lists(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Anonymous) and node.name.lower() == "hash":
        node.set(
            "expressions",
            [
                exp.func("map_entries", each) if isinstance(each, exp.Column) and each.name in _MAPS else each
                for each in node.expressions
            ],
        )
    return node


def _columns_in_order(node: exp.Expr) -> exp.Expr:
    """`union all by name` as `union all`, with NULL for what a side does not have."""
    if not (isinstance(node, exp.Union) and node.args.get("by_name")):
        return node
    left, right = node.left, node.right
    if not (isinstance(left, exp.Select) and isinstance(right, exp.Select)):
        raise CannotTranslate("union by name of more than two tables")
    node.set("by_name", None)
    names = [each.alias_or_name for each in left.expressions]
    by_name = {each.alias_or_name: each for each in right.expressions}
    if any(each.is_star for each in (*left.expressions, *right.expressions)):
        if names != list(by_name):  # a view and the same view of the period before have the same columns
            raise CannotTranslate("union by name of different columns with *")
        return node
    if unknown := set(by_name) - set(names):
        raise CannotTranslate(f"union by name, where only the second part has {min(unknown)}")
    right.set("expressions", [by_name.get(name) or exp.alias_(exp.null(), name, quoted=True) for name in names])
    return node


def _numbered_groups(node: exp.Expr) -> exp.Expr:
    """`group by all` as numbers of columns."""
    group = node.args.get("group") if isinstance(node, exp.Select) else None
    if group is None or not group.args.get("all"):
        return node
    numbers = [i for i, each in enumerate(node.expressions, start=1) if not _has_aggregate(each)]
    if numbers:
        node.set("group", exp.Group(expressions=[exp.Literal.number(i) for i in numbers]))
    else:
        node.set("group", None)
    return node


_AGGREGATES: Final = frozenset({"timed_percentiles", "quantile_cont", "bool_or"})


def _has_aggregate(node: exp.Expr) -> bool:
    if isinstance(node, exp.Window | exp.Subquery):
        return False
    if isinstance(node, exp.AggFunc | exp.Filter):
        return True
    if isinstance(node, exp.Anonymous) and node.name.lower() in _AGGREGATES:
        return True
    return any(_has_aggregate(child) for child in node.iter_expressions())


def _qualified_outside(node: exp.Expr) -> exp.Expr:
    """`qualify` as a condition on a query of its own, before its order and its limit."""
    if not (isinstance(node, exp.Select) and node.args.get("qualify")):
        return node
    condition = node.args["qualify"].this
    inner = node.copy()
    for part in ("qualify", "order", "limit", "offset", "with_"):
        inner.set(part, None)
    windows: list[str] = []

    def named(part: exp.Expr) -> exp.Expr:
        if not isinstance(part, exp.Window):
            return part
        windows.append(f"_window_{len(windows)}")
        inner.append("expressions", exp.alias_(part.copy(), windows[-1]))
        return exp.column(windows[-1])

    outside = _everywhere(condition.copy(), named)
    star: exp.Expr = exp.Star(except_=[exp.to_identifier(name) for name in windows]) if windows else exp.Star()
    outer = exp.select(star).from_(inner.subquery("_qualified")).where(outside)
    for part in ("order", "limit", "offset", "with_"):
        outer.set(part, node.args.get(part))
    return outer


def _named_subquery(node: exp.Expr) -> exp.Expr:
    """With an alias: Spark takes `from (...) where (is_stream)` as a table named `where` with the column `is_stream`."""
    if isinstance(node, exp.Subquery) and isinstance(node.parent, exp.From | exp.Join) and not node.alias:
        name = "_from" if isinstance(node.parent, exp.From) else f"_joined_{node.parent.index}"
        node.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
    return node


_FORMS: Final[Sequence[Callable[[exp.Expr], exp.Expr]]] = (
    _plain_cte,
    _condition_in_window,
    _guarded_division,
    _maps_as_lists,
    _columns_in_order,
    _numbered_groups,
    _qualified_outside,
    _named_subquery,
)
