"""SQL over HTTP: one question at a time, read-only, with an end."""

import asyncio
import threading
from pathlib import Path

import pytest

from addon.storage.record import RequestRow
from analysis.api.asking import Questions
from analysis.api.sql_workers import MOST_ROWS, PLACES, SqlWorkers
from analysis.lake import Lake
from analysis.process_memory import resident_bytes
from analysis.table import unique
from tests.api.conftest import Client, serving
from tests.waiting import wait_for

ENDLESS = "select count(*) from range(100000000000) t(i) where i % 7 = 3"


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


def test_messages_are_there(api: Client) -> None:
    told = api.post("/v1/helicone-sql/execute", {"sql": "select role, content from messages limit 3"})
    assert told["rows"] == []  # the bodies of these calls say nothing


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
    assert MOST_ROWS == 300_000


def test_the_views_are_listed_with_their_columns(api: Client) -> None:
    schema = {table["table_name"]: table["columns"] for table in api.get("/v1/helicone-sql/schema")}
    assert list(schema)[:4] == ["requests", "bodies", "messages", "conversations"]
    assert list(schema)[4:] == ["feedback", "scores", "sessions", "users"]
    assert {"name": "tool_name", "type": "VARCHAR"} in schema["messages"]
    assert schema["requests"][0] == {"name": "request_id", "type": "VARCHAR"}
    assert {"name": "properties", "type": "MAP(VARCHAR, VARCHAR)"} in schema["requests"]


def test_a_question_that_takes_too_long_is_ended(data: Path) -> None:
    with serving(data, sql=SqlWorkers(data, most_s=0.5)) as api:
        assert "took longer than 0.5 s" in str(execute(api, ENDLESS, 422))
        assert "took longer" in str(execute(api, "select i from range(100000000000) t(i) where i < 0", 422))
        assert execute(api, "select 1")


def test_a_process_for_sql_is_started_before_it_is_asked(data: Path) -> None:
    workers = SqlWorkers(data)
    with serving(data, sql=workers) as api:
        workers.prepare()
        workers.prepare()  # one waits already
        assert workers.under_way == 0
        assert execute(api, "select 1")
    workers.prepare()  # after the end none is started, and nothing is raised
    assert workers.under_way == 0


def test_slow_sql_does_not_hold_up_other_questions(data: Path) -> None:
    answers: list[object] = []
    workers = SqlWorkers(data, most_s=600, wait_s=600)
    with serving(data, sql=workers) as api:
        asking = Client(api.url)
        slow = [
            threading.Thread(target=lambda: answers.append(execute(asking, ENDLESS, 503))) for _ in range(PLACES + 2)
        ]
        for thread in slow:
            thread.start()
        wait_for(lambda: workers.under_way == PLACES)
        assert api.post("/v1/request/count/query", {"filter": "all"}) == 400
        assert api.get("/v1/session/has-session") is True
        assert not answers  # all places for SQL are still taken
    for thread in slow:
        thread.join()
    assert answers == ["heliograph is ending"] * (PLACES + 2)


def test_a_question_that_waits_too_long_is_refused_with_the_reason(data: Path) -> None:
    workers = SqlWorkers(data, most_s=8, wait_s=0.5)
    with serving(data, sql=workers) as api:
        slow = [threading.Thread(target=lambda: execute(Client(api.url), ENDLESS, 422)) for _ in range(PLACES)]
        for thread in slow:
            thread.start()
        wait_for(lambda: workers.under_way == PLACES)
        assert "too many questions at once" in str(execute(api, "select 1", 503))
        for thread in slow:
            thread.join()
        assert execute(api, "select 1")


@pytest.mark.parametrize(
    "sql",
    [
        "select repeat('x', 1000000) || i::varchar from range(5000) t(i)",
        "select list(i) from range(1000000000) t(i)",
        "select string_agg(i::varchar, ',') from range(1000000000) t(i)",
        "select a.i, b.i from range(100000) a(i), range(100000) b(i) order by (a.i * 7919 + b.i) % 1000003",
        "select length(repeat('x', 2000000000))",
        "select repeat('x', 40000000) as a, a as b, a as c, a as d, a as e, a as f, a as g, a as h, a as i, a as j",
    ],
)
def test_a_question_that_needs_too_much_memory_is_told_so(api: Client, sql: str) -> None:
    assert "needs more memory" in str(execute(api, sql, 422))
    assert execute(api, "select 1")


def test_thousands_of_columns_of_one_name_are_numbered_in_linear_time(api: Client) -> None:
    assert unique(["a"] * 30_000)[-1] == "a_30000"
    columns = 3_000
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


def test_long_rows_cost_a_process_of_their_own_and_not_the_api(api: Client) -> None:
    """DuckDB's own bound does not count what is copied out of it."""
    before = resident_bytes()
    for sql in (
        "select repeat('x', 60000000) as a, a as b, a as c",
        "select list(repeat('x', 1000)) from range(200000)",
    ):
        assert "more" in str(execute(api, sql, 422))
    assert resident_bytes() - before < 100 * 2**20
    assert execute(api, "select 1")


def test_one_worker_waits_for_the_next_question(data: Path) -> None:
    workers = SqlWorkers(data)
    with serving(data, sql=workers) as api:
        assert execute(api, "select 1")
        waiting = workers._idle
        assert waiting and waiting.is_running
        assert execute(api, "select 2")
        assert workers._idle is waiting
        waiting.kill()
        wait_for(lambda: not waiting.is_running)
        assert execute(api, "select 3")
    assert workers._idle and not workers._idle.is_running
