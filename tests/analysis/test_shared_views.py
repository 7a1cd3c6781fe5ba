"""Questions that share a database share the views that they make there, and each is answered as on a database of its own."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis.lake import Connection, Lake
from analysis.reports.scope import BadCondition, Scope, open_scope
from analysis.reports.window import EVER, Window
from analysis.shared_views import MOST_SCHEMAS
from tests.analysis.writing import FIRST_DAY, made_up_rows, to_parquet

SQL = "select sum(call_count), count(distinct model), min(epoch_us(first_started_at)) from calls_summed"
SCHEMAS = "select count(*) from duckdb_schemas() where schema_name like 'scope%'"
SCOPES = (
    Scope(EVER),
    Scope(EVER, "status = 200"),
    Scope(EVER, "model like 'gpt%'", ("property:feature",)),
    *(Scope(Window(FIRST_DAY + timedelta(days=day), FIRST_DAY + timedelta(days=day + 1))) for day in range(3)),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    to_parquet(tmp_path, made_up_rows(120), 1)
    return tmp_path


def ask(lake: Lake, scope: Scope, sql: str = SQL) -> list[tuple[Any, ...]]:
    def question(connection: Connection) -> list[tuple[Any, ...]]:
        open_scope(connection, scope, ["calls_summed"])
        return connection.execute(sql).fetchall()

    return lake.ask(question)


def test_scopes_asked_in_turn_by_many_threads_are_answered_as_alone(data: Path) -> None:
    shared = Lake(data, keeps=True)
    alone = [ask(Lake(data), scope) for scope in SCOPES]
    assert len(set(map(str, alone))) > 3
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda scope: ask(shared, scope), SCOPES * 5))
    assert found == alone * 5


def test_equal_views_are_made_once_and_windows_need_none_of_their_own(data: Path) -> None:
    lake = Lake(data, keeps=True)
    for scope in SCOPES * 2:
        ask(lake, scope)
    # All calls, with one condition, with another one and a property; a window is in variables.
    assert ask(lake, SCOPES[0], SCHEMAS) == [(3,)]


def test_what_one_question_makes_beside_them_no_other_sees(data: Path) -> None:
    lake = Lake(data, keeps=True)
    ask(lake, SCOPES[0], "create temp table calls_of_mine as select 1")
    assert ask(lake, SCOPES[0], "select count(*) from duckdb_tables() where table_name = 'calls_of_mine'") == [(0,)]


def test_a_condition_that_makes_no_sense_leaves_nothing_behind(data: Path) -> None:
    lake = Lake(data, keeps=True)
    for where in ("nonsense = 1", "status + model = 2"):
        with pytest.raises(BadCondition):
            ask(lake, Scope(EVER, where))
        assert ask(lake, SCOPES[1]) == ask(Lake(data), SCOPES[1])


def test_where_too_many_were_made_the_database_is_opened_anew(data: Path) -> None:
    lake = Lake(data, keeps=True)
    for number in range(MOST_SCHEMAS + 3):
        assert ask(lake, Scope(EVER, f"status > {number}")) == ask(lake, Scope(EVER))
    assert ask(lake, Scope(EVER), SCHEMAS)[0][0] < 10
