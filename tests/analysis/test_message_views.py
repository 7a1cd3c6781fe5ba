"""The views `messages` and `conversations`: what they say, and that they read no more bodies than a question needs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest

from addon.settling.settled_files import SettledFile, row_fields
from addon.storage.folders import Folders
from addon.storage.record import BodyRow
from analysis.lake import Lake, connect
from analysis.message_texts import conversation_text, parts_text
from analysis.message_views import add_if_used, may_use, python_error
from analysis.table import Table, fetch, fetch_user_sql
from tests.analysis.writing import made_up_rows, segment, settle, to_parquet
from tests.conversations.session import COUNT, FIRST, NOT_KEPT, SECOND, STARTED_AT, SUB_AGENT, write

REPORTS_FOLDER = Path(__file__).parents[2] / "analysis" / "reports"
ASKED = '{"messages": [{"role": "user", "content": "Hello"}]}'
FACTS = '{"provider_name": "openai", "operation_name": "chat", "path": "/v1/chat/completions"}'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def ask(data: Path, sql: str) -> Table:
    return Lake(data).ask(lambda connection: fetch_user_sql(connection, sql))


def test_messages_are_rows_of_parts(data: Path) -> None:
    columns = "direction, message, role, part, type, content, tool_call_id, tool_name, arguments, result, finish_reason"
    assert ask(data, f"select {columns} from messages where request_id = '{SECOND}'").rows == [
        ("system", 1, "system", 1, "text", "Be brief.", None, None, None, None, None),
        ("input", 1, "user", 1, "text", "Fix \x1b[31mthe test", None, None, None, None, None),
        ("input", 2, "assistant", 1, "text", "I look.", None, None, None, None, None),
        ("input", 2, "assistant", 2, "tool_call", None, "toolu_1", "Read", '{"path":"a.py"}', None, None),
        ("input", 3, "tool", 1, "tool_call_response", None, "toolu_1", "Read", None, "print(1)\nprint(2)", None),
        ("output", 1, "assistant", 1, "text", "Done.", None, None, None, None, "end_turn"),
    ]
    assert ask(
        data, f"select json->>'content' from messages where request_id = '{SECOND}' and direction = 'output'"
    ).rows == [("Done.",)]


def test_a_message_names_its_call(data: Path) -> None:
    names = "started_at, date, session_id, user_id, provider_name, model"
    row = (STARTED_AT.replace(tzinfo=None), STARTED_AT.date(), "s1", None, "anthropic", "claude-sonnet-4-5")
    assert ask(data, f"select distinct {names} from messages where request_id = '{FIRST}'").rows == [row]


def test_conversations_are_calls_with_json_inside(data: Path) -> None:
    rows = ask(
        data, "select request_id, input_messages->0->>'role', mcp_servers from conversations order by request_id"
    ).rows
    assert rows == [(id, "user", ["github"]) for id in (FIRST, SUB_AGENT, SECOND)]
    nothing = f"select * from conversations where request_id in ('{COUNT}', '{NOT_KEPT}')"
    assert ask(data, nothing).rows == []


def test_an_empty_folder_has_the_views(tmp_path: Path) -> None:
    assert ask(tmp_path, "select * from messages, conversations").rows == []
    assert ask(tmp_path, "describe messages").rows[0][:2] == ("request_id", "VARCHAR")


def test_the_views_are_listed(data: Path) -> None:
    assert {("messages",), ("conversations",)} < set(ask(data, "show tables").rows)


def test_every_way_to_a_connection_has_them(data: Path) -> None:
    with connect(data) as connection:
        assert connection.execute("select count(*) from messages").fetchall() == [(14,)]
    assert Lake(data).ask(lambda connection: fetch(connection, "select count(*) from messages")).rows == [(14,)]


def test_ids_that_repeat_have_their_own_bodies(tmp_path: Path) -> None:
    one, other = made_up_rows(2)
    settle(tmp_path, [one, replace(other, request_id=one.request_id)], 1)
    with connect(tmp_path) as connection:
        assert connection.execute("select count(*) from kept_calls").fetchall() == [(2,)]


def plan_of(data: Path, explain: str, sql: str) -> Any:
    with connect(data) as connection:
        return json.loads(connection.execute(f"explain ({explain}) {sql}").fetchall()[0][1])


def bodies_read(data: Path, where: str) -> int:
    """How many calls' bodies the question gives to our readers: the rows below the step that calls them."""
    plan = plan_of(data, "analyze, format json", f"select role from messages where {where}")
    (unnest,) = (node for node in operators({"children": plan["operator"]}) if node["type"] == "UNNEST")
    return int(unnest["children"][0]["intermediate_rows"])


def operators(plan: Any) -> Iterator[Any]:
    for child in plan.get("children", []):
        yield child
        yield from operators(child)


@pytest.fixture(scope="module", params=[settle, to_parquet], ids=["settled", "parquet"])
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 calls of two days, five minutes apart or so."""
    data = tmp_path_factory.mktemp("many")
    request.param(data, made_up_rows(), 1)
    return data


@pytest.mark.parametrize(
    ("where", "read"),
    [
        ("request_id = '0199f000-0000-7000-8000-000000000005'", 1),
        ("request_id in ('0199f000-0000-7000-8000-000000000005', '0199f000-0000-7000-8000-000000000006')", 2),
        ("session_id = 'session-3'", 6),
        ("date = '2026-11-20'", 200),
        ("started_at < '2026-11-19 00:20:00'", 3),
        ("user_id = 'nobody'", 0),
        ("role = 'user' and session_id = 'session-3'", 6),
    ],
)
def test_conditions_are_applied_before_bodies_are_read(many: Path, where: str, read: int) -> None:
    assert bodies_read(many, where) == read


@pytest.mark.parametrize(
    "where", ["true", "session_id = 'session-3'", "date >= '2026-11-20'", "started_at > '2026-11-20'"]
)
def test_the_calls_are_kept_in_memory_and_not_the_bodies(tmp_path: Path, where: str) -> None:
    """DuckDB keeps the second side of a join in memory. Settled lines do not matter: they are a few seconds of calls."""
    to_parquet(tmp_path, made_up_rows(), 1)
    names = "role, session_id, user_id, model, provider_name, content"
    plan = plan_of(tmp_path, "format json", f"select {names} from messages where {where}")
    (join,) = (node for node in operators({"children": plan}) if node["name"].strip() == "HASH_JOIN")
    kept = json.dumps(join["children"][1])
    assert "operation_name" in kept
    assert "request_body" not in kept


HOSTILE = [
    None,
    "",
    "{",
    "\x00\x1b[31m",
    "[" * 100_000,
    '{"messages": ' + "[" * 900 + "]" * 900 + "}",
    '{"messages": [{"role": "\\ud800", "content": "\\ud800"}]}',
    '{"messages": [{"role": "user\\u0000", "content": [{"type": "tool_call", "id": ["a"], "name": {}}]}]}',
    '{"messages": [{"role": "user", "content": "' + "x" * 100_000,
    "data:application/octet-stream;base64,!!!",
]


@pytest.mark.parametrize("request_body", HOSTILE)
@pytest.mark.parametrize("response_body", HOSTILE)
def test_hostile_bodies_are_json(request_body: str | None, response_body: str | None) -> None:
    for text in (
        *parts_text(FACTS, request_body, response_body),
        *conversation_text(FACTS, request_body, response_body),
    ):
        assert isinstance(json.loads(text), dict)


def test_hostile_bodies_are_rows(tmp_path: Path) -> None:
    call = made_up_rows(1)[0]
    file = SettledFile(Folders(tmp_path), segment(1), call.started_at.date())
    for number, (asked, answered) in enumerate(product(HOSTILE, HOSTILE)):
        row = replace(call, request_id=f"0199f000-0000-7000-8000-{number:012x}", status=200)
        bodies = BodyRow(
            request_id=row.request_id, started_at=row.started_at, request_body=asked, response_body=answered
        )
        file.append(f"call-{number}", row_fields(row), row_fields(bodies))
    file.close()
    assert len(ask(tmp_path, "select * from messages").rows) > len(HOSTILE)
    assert len(ask(tmp_path, "select * from conversations").rows) > len(HOSTILE)


def test_memory_that_runs_out_in_python_is_told_as_that(tmp_path: Path) -> None:
    def greedy(text: str) -> str:
        raise MemoryError(text)

    def question(connection: duckdb.DuckDBPyConnection) -> None:
        connection.create_function("greedy", greedy, [duckdb.sqltype("VARCHAR")], duckdb.sqltype("VARCHAR"))
        fetch(connection, "select greedy('a')")

    with pytest.raises(MemoryError):
        Lake(tmp_path).ask(question)
    assert python_error(duckdb.Error("Invalid Input Error: no")) is None


@pytest.mark.parametrize(("sql", "has"), [("select 1", False), ("from Messages", True), ("show all tables", True)])
def test_a_statement_that_cannot_mean_the_views_does_without(sql: str, has: bool) -> None:
    with duckdb.connect() as connection:
        try:
            add_if_used(connection, sql)
        except duckdb.CatalogException:  # this connection has no requests
            assert has
        functions = connection.execute("select count(*) from duckdb_functions() where function_name like 'heliograph%'")
        assert functions.fetchall() == [(2 * has,)]


@pytest.mark.parametrize("file", sorted(REPORTS_FOLDER.glob("*/*.sql")), ids=lambda file: file.stem)
def test_a_report_does_not_wait_for_them(file: Path) -> None:
    assert not may_use(file.read_text(encoding="utf-8"))


def test_numpy_is_imported_for_them_alone(data: Path) -> None:
    program = """
import sys
from addon.commands.cli import main
for words in (["report", "costs"], ["report", "sessions"], ["sql", "from sessions"], ["sql", "from messages limit 1"]):
    main([*words, "--data", sys.argv[1]], standalone_mode=False)
    print("numpy" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", program, str(data)], capture_output=True, text=True, check=True)
    assert [line for line in told.stdout.splitlines() if line in ("True", "False")] == [
        "False",
        "False",
        "False",
        "True",
    ]


def test_numpy_has_room_in_a_bounded_process(data: Path) -> None:
    program = """
import sys
from pathlib import Path
from analysis.lake import Lake
from analysis.process_memory import data_bytes, limit_data
from analysis.table import fetch_user_sql
limit_data(768 * 2**20)
before = data_bytes()
assert Lake(Path(sys.argv[1])).ask(lambda connection: fetch_user_sql(connection, "from messages")).rows
print(data_bytes() - before < 384 * 2**20)
"""
    told = subprocess.run([sys.executable, "-c", program, str(data)], capture_output=True, text=True, check=True)
    assert told.stdout.endswith("True\n")  # after the bar that DuckDB shows for a slow question of `python -c`
