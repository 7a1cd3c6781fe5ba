"""`heliograph import`: once is enough, and what is wrong takes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main
from analysis.lake import Lake
from analysis.table import fetch
from tests.intake import test_claude_code, test_codex, test_exports
from tests.intake.history import lines


def heliograph(data: Path, *arguments: object) -> Result:
    return CliRunner(env={"HELIOGRAPH_DATA": str(data), "COLUMNS": "200"}).invoke(
        main, [str(word) for word in arguments]
    )


def rows(data: Path, sql: str = "select * from requests order by started_at") -> list[dict[str, Any]]:
    return list(Lake(data).ask(lambda connection: fetch(connection, sql, {})).records())


@pytest.fixture
def history(tmp_path: Path) -> Path:
    folder = tmp_path / "history"
    lines(folder / "claude" / "s.jsonl", [test_claude_code.ASKED, test_claude_code.answer()])
    lines(folder / "claude" / "s" / "subagents" / "a.jsonl", [test_claude_code.answer(isSidechain=True)])
    lines(folder / "claude" / "notes.jsonl", [{"display": "hello"}])
    lines(
        folder / "codex" / "rollout-1.jsonl",
        [test_codex.META, test_codex.MODEL, test_codex.count("09:01:00.000", (1000, 250, 125, 75))],
    )
    return folder


def test_a_folder_is_taken_once(tmp_path: Path, history: Path) -> None:
    data = tmp_path / "data"
    dry = heliograph(data, "import", history, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "2 calls in 3 files, 2026-01-09 to 2026-05-13, $0.01" in dry.stderr
    assert "1 call not taken" in dry.stderr
    assert "notes.jsonl" in dry.stderr
    assert rows(data) == []
    assert heliograph(data, "import", history).exit_code == 0
    taken = rows(data)
    assert [(row["provider_name"], row["cost_nanousd"]) for row in taken] == [
        ("anthropic", 3_900_000),
        ("openai", 2_218_750),
    ]
    assert [row["properties"]["imported_from"] for row in taken] == ["claude-code", "codex"]
    again = heliograph(data, "import", history)
    assert "0 calls in 3 files" in again.stderr
    assert rows(data) == taken


def test_a_session_that_went_on_gives_its_new_calls_alone(tmp_path: Path, history: Path) -> None:
    data = tmp_path / "data"
    heliograph(data, "import", history / "claude")
    with (history / "claude" / "s.jsonl").open("a") as session:
        session.write(json.dumps(test_claude_code.answer("msg_2")) + "\n")
    heliograph(data, "import", history / "claude")
    assert sorted(row["response_id"] for row in rows(data)) == ["msg_1", "msg_2"]


def test_calls_that_the_proxy_measured_are_not_doubled(tmp_path: Path, history: Path) -> None:
    """By the provider's id of the answer; Codex keeps none, there by the tokens within the session."""
    data = tmp_path / "data"
    heliograph(data, "import", history)
    measured = rows(data)
    other = tmp_path / "other"
    counts = [test_codex.count("09:00:59.000", (1, 0, 1, 0)), test_codex.count("09:01:00.000", (1001, 250, 126, 75))]
    lines(other / "rollout-2.jsonl", [test_codex.META, test_codex.MODEL, *counts])
    litellm = test_exports.LITELLM | {"request_id": "msg_1"}
    lines(other / "spend.jsonl", [litellm])
    ended = heliograph(data, "import", other)
    assert "2 calls not taken" in ended.stderr, ended.output
    assert len(rows(data)) == len(measured) + 1  # the call of one token each


def test_paid_by_plan_is_said_of_claude_code_alone(tmp_path: Path, history: Path) -> None:
    data = tmp_path / "data"
    ended = heliograph(data, "import", "--paid-by-plan", history)
    assert ended.exit_code == 0, ended.output
    kept = [(row["cost_nanousd"], row["list_cost_nanousd"]) for row in rows(data)]
    assert kept == [(None, 3_900_000), (2_218_750, None)]


def test_one_file_that_is_wrong_takes_nothing_of_the_others(tmp_path: Path, history: Path) -> None:
    data = tmp_path / "data"
    whole = lines(tmp_path / "spend.jsonl", [test_exports.LITELLM] * 3)
    whole.write_text(whole.read_text()[:-40])
    ended = heliograph(data, "import", history, whole)
    assert ended.exit_code == 2
    assert f"{whole}: line 3: not JSON" in ended.output
    assert "nothing was taken" in ended.output
    assert rows(data) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("other.csv", "other.csv is not a file that is known; expected are: session files of Claude Code"),
        ("none.jsonl", "no such file"),
    ],
)
def test_a_file_of_another_kind_names_what_is_expected(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "other.csv").write_text("name,age\nann,7\n")
    ended = heliograph(tmp_path / "data", "import", tmp_path / name)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert says in ended.output
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no file that is known" in heliograph(tmp_path / "data", "import", empty).output
