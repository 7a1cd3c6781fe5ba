"""Questions whose answers are in the bodies: the prompt-cache doctor, and tools."""

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from addon.metering.price import PriceList
from addon.settling.settled_files import SettledFile, row_fields
from addon.storage.folders import Folders
from addon.storage.record import BodyRow, RequestRow
from analysis.lake import Connection, Lake
from analysis.reports import prompt_cache, tools
from analysis.reports.prompt_cache import SessionCache, diagnose, excerpts, total
from analysis.reports.prompt_losses import lost_usd
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import EVER
from analysis.table import fetch
from tests.analysis.test_questions import NOON, call, columns
from tests.analysis.writing import segment, to_parquet
from tests.conversations.session import write as write_agent

LOST_USD = partial(lost_usd, prices=PriceList())
FOLDER = Path(prompt_cache.__file__).parent / "from_bodies"


def ask(data: Path, name: str, where: str | None = None) -> list[dict[str, Any]]:
    def question(connection: Connection) -> list[dict[str, Any]]:
        open_scope(connection, Scope(EVER, where))
        if name == "tools":
            tools.add(connection)
        else:
            prompt_cache.add(connection, LOST_USD)
        return list(fetch(connection, (FOLDER / f"{name}.sql").read_text()).records())

    return Lake(data).ask(question)


def write(data: Path, calls: list[tuple[RequestRow, dict[str, Any] | None, dict[str, Any] | None]]) -> None:
    """Calls with what was asked and answered."""
    file = SettledFile(Folders(data), segment(1), NOON.date())
    for row, request, response in calls:
        bodies = BodyRow(
            request_id=row.request_id,
            started_at=row.started_at,
            request_body=json.dumps(request) if request else None,
            response_body=json.dumps(response) if response else None,
        )
        file.append(f"call-{row.request_id}", row_fields(row), row_fields(bodies))
    file.close()


def claude(number: int, input_tokens: int, read: int, written: int, session: str = "s1") -> RequestRow:
    return call(
        number,
        session_id=session,
        provider_name="anthropic",
        host="api.anthropic.com",
        path="/v1/messages",
        request_model="claude-sonnet-4-5",
        response_model="claude-sonnet-4-5",
        input_tokens=input_tokens,
        cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
        output_tokens=10,
        cost_nanousd=1,
        cost_source="genai-prices",
    )


def said(count: int) -> list[dict[str, str]]:
    return [{"role": "user" if index % 2 == 0 else "assistant", "content": f"{index}"} for index in range(count)]


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """s1: the system prompt has the time in it and breaks the third turn. s2: reads all. s3: nothing was kept."""
    early, late = "You help. It is 10:31 now, in Rome.", "You help. It is 10:44 now, in Rome."
    write(
        tmp_path,
        [
            (claude(0, 10_000, 0, 10_000), {"system": early, "messages": said(1)}, None),
            (claude(1, 11_000, 10_000, 1_000), {"system": early, "messages": said(3)}, None),
            (claude(2, 12_000, 0, 12_000), {"system": late, "messages": said(5)}, None),
            (claude(3, 13_000, 12_000, 1_000), {"system": late, "messages": said(7)}, None),
            (claude(10, 5_000, 5_000, 0, "s2"), {"system": early, "messages": said(1)}, None),
            (claude(11, 5_000, 5_000, 0, "s2"), {"system": early, "messages": said(3)}, None),
            (claude(20, 2_000, 0, 0, "s3"), None, None),
            (call(30, session_id="s3", cache_status="hit", input_tokens=0), None, None),
        ],
    )
    return tmp_path


def test_the_doctor_names_the_turn_and_the_block_that_broke_the_cache(sessions: Path) -> None:
    (first, second, third) = ask(sessions, "prompt-cache")
    # 11,000 tokens of the turn before, written at 3.75 USD a million and not read at 0.30: 11,000 x 3.45 / 1,000,000
    assert first.pop("lost_usd") == pytest.approx(0.03795, abs=1e-12)
    assert first == {
        "session_id": "s1",
        "calls": 4,
        "input_tokens": 46_000,
        "cache_read_input_tokens": 22_000,
        "read_share": 0.4783,
        "changed": 1,
        "lost_tokens": 11_000,
        "missed": 0,
        "missed_usd": 0.0,
        "turn": 3,
        "changed_at": "system",
        "before": "You help. It is 10:31 now, in Rome.",
        "now": "You help. It is 10:44 now, in Rome.",
        "request_id": call(2).request_id,
    }
    names = ("session_id", "calls", "read_share", "changed", "lost_usd", "turn", "request_id")
    assert columns([second, third], *names) == [
        ("s3", 1, 0.0, None, None, None, None),
        ("s2", 2, 1.0, 0, 0.0, None, None),
    ]


def test_sessions_whose_bodies_were_deleted_have_their_sums_alone(sessions: Path) -> None:
    earlier = NOON - timedelta(days=3)
    old = [
        replace(claude(40 + number, 9_000, 0, 9_000, session), started_at=earlier + timedelta(minutes=number))
        for number, session in enumerate(("old", "old", "s1"))
    ]
    to_parquet(sessions, old, 9)
    for bodies in Folders(sessions).lake_day("bodies", earlier.date()).glob("*.parquet"):
        bodies.unlink()
    found = {row["session_id"]: row for row in ask(sessions, "prompt-cache")}
    assert columns([found["old"]], "calls", "input_tokens", "changed", "lost_tokens") == [(2, 18_000, None, None)]
    assert (found["s1"]["calls"], found["s1"]["turn"]) == (5, 4), "turns are counted from the call without its bodies"


def test_the_doctor_looks_at_the_sessions_of_the_scope(sessions: Path) -> None:
    assert [row["session_id"] for row in ask(sessions, "prompt-cache", "session = 's2'")] == ["s2"]
    assert ask(sessions, "prompt-cache", "false") == []


def test_the_doctor_gives_every_turn(sessions: Path) -> None:
    def question(connection: Connection) -> list[SessionCache]:
        open_scope(connection, Scope(EVER))
        return diagnose(connection, LOST_USD, sessions=1)

    (found,) = Lake(sessions).ask(question)
    assert [(turn.number, turn.changed_at, turn.lost_tokens) for turn in found.turns] == [
        (2, None, 0),
        (3, "system", 11_000),
        (4, None, 0),
    ]


def test_excerpts_begin_a_little_before_the_difference() -> None:
    before, now = excerpts("a" * 100 + "b" * 100, "a" * 100 + "c")
    assert (before, now) == ("…" + "a" * 20 + "b" * 40 + "…", "…" + "a" * 20 + "c")
    assert excerpts("Be brief, and kind, at 10:31.", "Be brief, and kind, at 10:44.")[0] == "…and kind, at 10:31."
    assert excerpts("same", "same and more") == ("same", "same and more")


@pytest.mark.parametrize(("values", "expected"), [([], 0), ([None], None), ([None, 2], 2), ([0.5, 0.25], 0.75)])
def test_a_total_is_of_what_is_known(values: list[float | None], expected: float | None) -> None:
    assert total(values) == expected


def test_tools_are_counted_and_share_the_cost_of_the_answer_that_calls_them(tmp_path: Path) -> None:
    def use(number: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments}

    def result(number: int, text: str) -> dict[str, Any]:
        return {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": text}

    two, one = [use(1, "Read", {"p": 1}), use(2, "mcp__github__search", {})], [use(3, "Read", {"p": 22})]
    history: list[dict[str, Any]] = [{"role": "user", "content": "Go"}, {"role": "assistant", "content": two}]
    results = {"role": "user", "content": [result(1, "x" * 300), result(2, "y" * 50)]}
    write(
        tmp_path,
        [
            (claude(0, 10, 0, 0), {"messages": history[:1]}, {"type": "message", "content": two}),
            (claude(1, 20, 0, 0), {"messages": [*history, results]}, {"type": "message", "content": one}),
            # The results are sent again.
            (claude(2, 30, 0, 0), {"messages": [*history, results]}, {"type": "message", "content": []}),
        ],
    )
    names = ("tool_name", "mcp_server", "tool_calls", "calls", "cost_usd", "arguments_chars", "result_chars")
    assert columns(ask(tmp_path, "tools"), *names) == [
        ("Read", None, 2, 2, 1.5e-9, 7 + 8, 300),
        ("mcp__github__search", "github", 1, 1, 0.5e-9, 2, 50),
    ]


def test_tools_without_calls_are_an_empty_table(tmp_path: Path) -> None:
    write_agent(tmp_path)
    assert [row["tool_name"] for row in ask(tmp_path, "tools")] == ["Read"]
    assert ask(tmp_path, "tools", f"started_at > '{(NOON + timedelta(days=9)).isoformat()}'") == []
