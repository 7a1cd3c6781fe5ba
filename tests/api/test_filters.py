"""Filters become SQL in which no value of the caller's stands, whatever it is."""

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.api.filter_columns import CALL_TABLES, SESSION_TABLES, Column, Kind, Tables
from analysis.api.filters import ALL, OPERATORS, Branch, FilterError, condition, read_filter, split
from analysis.lake import Connection, Lake

CONNECTION = duckdb.connect()
MARK = "q7x"  # what no SQL of ours has in it
VALUES: dict[Kind, Any] = {
    Kind.TEXT: f"it's {MARK}; --",
    Kind.KEY: f"{MARK}'",
    Kind.NUMBER: 771_177_177,
    Kind.SCORE: 0.771177177,
    Kind.BOOLEAN: True,
    Kind.TIME: "2071-07-17T07:17:17Z",
}


def leaves(tables: Tables) -> list[dict[str, Any]]:
    """One leaf for each operator of each column."""
    found = []
    for table, columns in tables.items():
        for name, column in ({"": columns} if isinstance(columns, Column) else columns).items():
            for operator in OPERATORS[column.kind]:
                leaf: dict[str, Any] = {operator: VALUES[column.kind]}
                if column.is_keyed:
                    leaf = {f"{MARK}'\"$1": leaf}
                found.append({table: {name: leaf} if name else leaf})
    return found


@pytest.mark.parametrize("leaf", leaves(CALL_TABLES), ids=str)
def test_every_operator_of_every_column_is_sql_with_bound_values(leaf: dict[str, Any], tmp_path_factory: Any) -> None:
    asked = condition(read_filter(leaf, CALL_TABLES))
    assert not any(text in asked.sql for text in (MARK, MARK.upper(), "771177177", "2071"))

    def question(connection: Connection) -> Any:
        return connection.execute(f"select count(*) from requests where {asked.sql}", asked.parameters).fetchall()

    assert Lake(tmp_path_factory.getbasetemp() / "empty").ask(question) == [(0,)]


texts = st.text(min_size=1).map(lambda text: f"{MARK}{text}{MARK}")
conditions = st.one_of(
    st.tuples(st.sampled_from(["user_id", "model", "request_body", "provider", "request_id"]), texts).flatmap(
        lambda pair: st.sampled_from(sorted(OPERATORS[Kind.TEXT])).map(
            lambda operator: {"request_response_rmt": {pair[0]: {operator: pair[1]}}}
        )
    ),
    st.tuples(texts, texts).map(lambda pair: {"properties": {pair[0]: {"equals": pair[1]}}}),
    st.tuples(texts, st.floats(0, 1)).map(
        lambda pair: {"request_response_rmt": {"scores": {pair[0]: {"gte": pair[1]}}}}
    ),
)
trees = st.recursive(
    st.one_of(st.just("all"), conditions),
    lambda inner: st.fixed_dictionaries({"left": inner, "operator": st.sampled_from(["and", "or"]), "right": inner}),
    max_leaves=12,
)


@given(trees)
def test_no_text_of_a_caller_ever_stands_in_the_sql(tree: Any) -> None:
    asked = condition(read_filter(tree, CALL_TABLES))
    assert MARK not in asked.sql.lower()
    bound = [value for value in asked.parameters.values() if isinstance(value, str)]
    assert sum(MARK in value.lower() for value in bound) == len(bound)


def matches(tree: Any, user_id: str | None, model: str | None) -> bool:
    if tree == "all":
        return True
    if "left" in tree:
        sides = matches(tree["left"], user_id, model), matches(tree["right"], user_id, model)
        return all(sides) if tree["operator"] == "and" else any(sides)
    ((column, tests),) = tree["request"].items()
    ((operator, value),) = tests.items()
    held = {"user_id": user_id, "model": model}[column]
    match operator:
        case "equals":
            return bool((held or "") == value if value == "" else held == value)
        case "not-equals":
            return bool((held or "") != value if value == "" else held != value)
        case "contains":
            return bool(value.lower() in (held or "").lower())
    return bool(value.lower() not in (held or "").lower())


held = st.sampled_from([None, "a", "ab", "%", "_", "\\", "A%b"])
plain = st.tuples(
    st.sampled_from(["user_id", "model"]),
    st.sampled_from(["equals", "not-equals", "contains", "not-contains"]),
    st.sampled_from(["", "a", "B", "%", "_", "\\", "a%", "\\\\"]),
).map(lambda parts: {"request": {parts[0]: {parts[1]: parts[2]}}})
plain_trees = st.recursive(
    st.one_of(st.just("all"), plain),
    lambda inner: st.fixed_dictionaries({"left": inner, "operator": st.sampled_from(["and", "or"]), "right": inner}),
    max_leaves=8,
)


@given(plain_trees, held, held)
def test_the_sql_means_what_the_filter_says(tree: Any, user_id: str | None, model: str | None) -> None:
    asked = condition(read_filter(tree, CALL_TABLES))
    sql = f"select {asked.sql} from (select $u::varchar as user_id, $m::varchar as request_model)"
    ((answer,),) = CONNECTION.execute(sql, {**asked.parameters, "u": user_id, "m": model}).fetchall()
    assert bool(answer) == matches(tree, user_id, model)


def chain(length: int, *operators: str) -> Any:
    tree: Any = "all"
    for number in range(length):
        leaf = {"request": {"path": {"equals": f"/{number}"}}}
        tree = {"left": leaf, "operator": operators[number % len(operators)], "right": tree}
    return tree


def test_long_chains_are_read_and_endless_ones_are_refused() -> None:
    asked = condition(read_filter(chain(499, "or"), CALL_TABLES))
    assert len(asked.parameters) == 499
    assert asked.sql.count("(") == 1
    turning = condition(read_filter(chain(499, "and", "or"), CALL_TABLES))
    sql = f"select {turning.sql} from (select '/498' as path)"
    assert CONNECTION.execute(sql, turning.parameters).fetchall()
    with pytest.raises(FilterError, match="nested more than 500 deep"):
        read_filter(chain(501, "or"), CALL_TABLES)


def test_too_many_conditions_are_refused() -> None:
    with pytest.raises(FilterError, match="at most 1000"):
        read_filter({"type": "or", "expressions": [chain(400, "or")] * 3}, CALL_TABLES)
    body = {"request_response_rmt": {"request_body": {"contains": "x"}}}
    with pytest.raises(FilterError, match="more than 20 conditions over bodies"):
        read_filter({"type": "or", "expressions": [body] * 21}, CALL_TABLES)


def test_a_pattern_may_end_in_a_backslash() -> None:
    asked = condition(read_filter({"request": {"path": {"like": "%\\"}}}, CALL_TABLES))
    sql = f"select {asked.sql} from (select 'C:\\' as path)"
    assert CONNECTION.execute(sql, asked.parameters).fetchall() == [(True,)]


def test_calls_and_groups_are_told_apart() -> None:
    tables = {**CALL_TABLES, **SESSION_TABLES}
    of_call = {"request_response_rmt": {"status": {"equals": 200}}}
    of_group = {"sessions_request_response_rmt": {"session_total_requests": {"gt": 1}}}
    both = read_filter({"left": of_call, "operator": "and", "right": of_group}, tables)
    calls, groups = split(both, SESSION_TABLES)
    assert condition(calls).sql == "(status = $filter_0)"
    assert condition(groups).sql == "(total_requests > $filter_0)"
    assert split(ALL, SESSION_TABLES) == (ALL, ALL)
    either = read_filter({"left": of_group, "operator": "or", "right": of_group}, tables)
    assert split(either, SESSION_TABLES) == (ALL, Branch(False, (either,)))
    with pytest.raises(FilterError, match="`or` joins sessions_request_response_rmt"):
        split(read_filter({"left": of_call, "operator": "or", "right": of_group}, tables), SESSION_TABLES)


@pytest.mark.parametrize("nothing", ["all", {}, {"request": {}}, {"type": "all"}, {"type": "or", "expressions": []}])
def test_an_empty_filter_matches_everything(nothing: Any) -> None:
    assert condition(read_filter(nothing, CALL_TABLES)).sql == "true"
