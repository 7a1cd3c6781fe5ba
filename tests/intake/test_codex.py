"""Codex's session files become one row for each change of the totals."""

from pathlib import Path
from typing import Any

from tests.intake.history import calls, lines, rows, tokens

META: dict[str, Any] = {
    "timestamp": "2026-05-13T09:00:00.000Z",
    "type": "session_meta",
    "payload": {
        "id": "0199a3f2-7c1e-7b3a-9d2f-3f1d2c4b5a69",
        "cwd": "/home/ann/shop",
        "cli_version": "0.58.0",
        "source": "cli",
    },
}
MODEL = {"timestamp": "2026-05-13T09:00:01.000Z", "type": "turn_context", "payload": {"model": "gpt-5-codex"}}


def count(at: str, total: tuple[int, int, int, int], plan: str | None = None) -> dict[str, Any]:
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")
    usage = dict(zip(names, total, strict=True)) | {"total_tokens": total[0] + total[2]}
    return {
        "timestamp": f"2026-05-13T{at}Z",
        "type": "event_msg",
        "payload": {
            "type": "token_count",
            "info": {"total_token_usage": usage, "model_context_window": 272000},
            "rate_limits": {"plan_type": plan, "primary": {"used_percent": 7.0}},
        },
    }


def test_each_difference_of_the_totals_is_a_call(tmp_path: Path) -> None:
    empty = count("09:00:30.000", (0, 0, 0, 0))
    empty["payload"]["info"] = None
    file = lines(
        tmp_path / "rollout-x.jsonl",
        [META, MODEL, empty, count("09:01:00.000", (1000, 250, 125, 75)), count("09:01:01.000", (1000, 250, 125, 75)),
         count("09:02:00.000", (3500, 750, 425, 275))],
    )  # fmt: skip
    first, second = rows(file, "codex")
    assert tokens(first) == (1000, 250, None, None, 125, 75)
    assert tokens(second) == (2500, 500, None, None, 300, 200)
    assert second.cost_nanousd == 2000 * 1250 + 500 * 125 + 300 * 10000
    assert (second.provider_name, second.operation_name, second.request_model) == ("openai", "responses", "gpt-5-codex")
    assert (second.session_id, second.agent, second.client) == (META["payload"]["id"], "codex", "codex_cli/0.58.0")
    assert second.client_cwd == "/home/ann/shop"


def test_calls_of_a_plan_have_a_list_price_and_no_cost_of_their_own(tmp_path: Path) -> None:
    file = lines(tmp_path / "rollout-x.jsonl", [META, MODEL, count("09:01:00.000", (1000, 0, 100, 0), "pro")])
    (row,) = rows(file, "codex")
    assert (row.cost_nanousd, row.list_cost_nanousd) == (None, 1000 * 1250 + 100 * 10000)
    assert row.properties == {"plan": "pro", "imported_from": "codex"}


def test_totals_that_shrink_begin_anew(tmp_path: Path) -> None:
    counts = [count("09:01:00.000", (1000, 0, 100, 0)), count("09:02:00.000", (300, 0, 20, 0))]
    assert [tokens(row)[0] for row in rows(lines(tmp_path / "r.jsonl", [META, MODEL, *counts]), "codex")] == [1000, 300]


def test_what_a_sub_agent_copied_of_its_parent_is_not_counted_again(tmp_path: Path) -> None:
    spawned = META | {
        "payload": META["payload"] | {"id": "child", "source": {"subagent": {"thread_spawn": {"depth": 1}}}}
    }
    copied = [count("09:01:00.000", (1000, 0, 100, 0)), count("09:01:00.400", (2000, 0, 200, 0))]
    own = count("09:01:05.000", (2500, 0, 250, 0))
    (row,) = rows(lines(tmp_path / "r.jsonl", [spawned, MODEL, *copied, own]), "codex")
    assert tokens(row)[0] == 500


def test_a_copy_of_the_file_elsewhere_has_the_same_ids(tmp_path: Path) -> None:
    session = [META, MODEL, count("09:01:00.000", (1000, 0, 100, 0))]
    (one,), (two,) = (calls(lines(tmp_path / name, session), "codex") for name in ("a/r.jsonl", "b/other.jsonl"))
    assert one.row_id == two.row_id
