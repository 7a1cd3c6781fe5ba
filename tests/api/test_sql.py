"""SQL over HTTP: one question at a time, read-only, with an end."""

import asyncio
import threading
from pathlib import Path

import pytest

from addon.storage.record import RequestRow
from analysis.api import helicone_sql
from analysis.api.asking import MEMORY, PLACES_FOR_SQL, Questions
from analysis.lake import Lake
from tests.api.conftest import Client, serving
from tests.waiting import wait_for

ENDLESS = "select count(*) from range(100000000000) t(i) where i % 7 = 3"


def questions_under_way() -> int:
    """Each has a thread that ends it in time."""
    return sum(thread.name == "question-watch" for thread in threading.enumerate())


def execute(api: Client, sql: str, status: int = 200) -> object:
    return api.post("/v1/helicone-sql/execute", {"sql": sql}, status)


def test_a_question_is_answered_with_rows(api: Client, rows: list[RequestRow]) -> None:
    told = api.post(
        "/v1/helicone-sql/execute",
        {"sql": "select started_at, properties, cost_usd, 1 as a, 2 as a from requests order by 1 limit 2;"},
    )
    first = rows[0]
    assert told["rowCount"] == len(told["rows"]) == 2
    assert told["size"] > 0 and told["elapsedMilliseconds"] > 0
    row = told["rows"][0]
    assert row["started_at"].startswith("2026-11-19T00:00:00")
    assert row["properties"] == first.properties
    assert (row["a"], row["a_2"]) == (1, 2)


@pytest.mark.parametrize(
    "sql", ["from sessions", "describe requests", "explain from users", "show tables", "values (1)"]
)
def test_all_that_asks_is_allowed(api: Client, sql: str) -> None:
    assert execute(api, sql)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("selec 1", "syntax error"),
        ("select nothing from requests", "nothing"),
        ("select 1; select 2", "one statement at a time"),
        ("", "one statement at a time"),
        ("create table t as select 1", "read-only"),
        ("copy requests to 'x.csv'", "read-only"),
        ("set threads = 1", "read-only"),
        ("from read_text('/etc/passwd')", "Permission"),
        ("attach 'x.db'", "read-only"),
    ],
)
def test_all_else_is_400(api: Client, sql: str, named: str) -> None:
    assert named.lower() in str(execute(api, sql, 400)).lower()


def test_sql_must_be_a_text(api: Client) -> None:
    assert "sql: 5 is not a text" in api.post("/v1/helicone-sql/execute", {"sql": 5}, 400)
    assert "sql: is missing" in api.post("/v1/helicone-sql/execute", {}, 400)


def test_too_many_rows_or_bytes_are_refused_and_not_cut_off(api: Client) -> None:
    assert "add a limit" in str(execute(api, "select i from range(300001) t(i)", 422))
    megabyte = "select repeat('x', 1000000) from range(100)"
    assert "64 MiB" in str(execute(api, megabyte, 422))
    assert helicone_sql.MOST_ROWS == 300_000


def test_the_views_are_listed_with_their_columns(api: Client) -> None:
    schema = {table["table_name"]: table["columns"] for table in api.get("/v1/helicone-sql/schema")}
    assert set(schema) == {"requests", "bodies", "feedback", "scores", "sessions", "users"}
    assert schema["requests"][0] == {"name": "request_id", "type": "VARCHAR"}
    assert {"name": "properties", "type": "MAP(VARCHAR, VARCHAR)"} in schema["requests"]


def test_a_question_that_takes_too_long_is_ended(data: Path) -> None:
    with serving(data, questions=Questions(most_s=0.5)) as api:
        assert "took longer than 0.5 s" in str(execute(api, ENDLESS, 422))
        assert "took longer" in str(execute(api, "select i from range(100000000000) t(i) where i < 0", 422))
        assert execute(api, "select 1")


def test_slow_sql_does_not_hold_up_other_questions(data: Path) -> None:
    answers: list[object] = []
    with serving(data, questions=Questions(most_s=600, wait_s=600)) as api:
        asking = Client(api.url)
        slow = [
            threading.Thread(target=lambda: answers.append(execute(asking, ENDLESS, 503)))
            for _ in range(PLACES_FOR_SQL + 2)
        ]
        for thread in slow:
            thread.start()
        wait_for(lambda: questions_under_way() == PLACES_FOR_SQL)
        assert api.post("/v1/request/count/query", {"filter": "all"}) == 400
        assert api.get("/v1/session/has-session") is True
        assert not answers  # all places for SQL are still taken
    for thread in slow:
        thread.join()
    assert answers == ["heliograph is ending"] * (PLACES_FOR_SQL + 2)


def test_a_question_that_waits_too_long_is_refused_with_the_reason(data: Path) -> None:
    with serving(data, questions=Questions(places=1, most_s=8, wait_s=0.5)) as api:
        slow = threading.Thread(target=lambda: execute(Client(api.url), ENDLESS, 422))
        slow.start()
        wait_for(lambda: questions_under_way() == 1)
        assert "too many questions at once" in api.post("/v1/request/count/query", {}, 503)
        slow.join()
        assert api.post("/v1/request/count/query", {}) == 400


@pytest.mark.parametrize(
    "sql",
    [
        "select repeat('x', 1000000) || i::varchar from range(5000) t(i)",
        "select list(i) from range(1000000000) t(i)",
        "select string_agg(i::varchar, ',') from range(1000000000) t(i)",
        "select a.i, b.i from range(100000) a(i), range(100000) b(i) order by (a.i * 7919 + b.i) % 1000003",
    ],
)
def test_a_question_that_needs_too_much_memory_is_told_so(data: Path, sql: str) -> None:
    with serving(data, lake=Lake(data, memory=MEMORY)) as api:
        assert "needs more memory" in str(execute(api, sql, 422))
        assert execute(api, "select 1")


def test_thirty_thousand_columns_of_one_name_are_numbered_in_linear_time(api: Client) -> None:
    columns = 30_000
    answer = execute(api, f"select {','.join(['a'] * columns)} from (select 1 as a)")
    assert isinstance(answer, dict)
    assert list(answer["rows"][0])[-1] == f"a_{columns}"


@pytest.mark.parametrize("sql", ["select " + "not " * 15_000 + "true", "select " + "+".join(["1"] * 30_000)])
def test_a_deeply_nested_question_is_refused(api: Client, sql: str) -> None:
    assert "depth" in str(execute(api, sql, 400))


def test_a_question_that_ignores_its_interrupt_is_given_up() -> None:
    given_up = threading.Event()
    questions = Questions(most_s=0.01, stuck=given_up.set, stuck_s=0.1)

    async def ask(data: Path) -> None:
        await questions.ask(Lake(data), lambda _: given_up.wait(30))

    asyncio.run(ask(Path("nowhere")))
    assert given_up.is_set()
