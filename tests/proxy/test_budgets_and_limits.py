"""`heliograph budgets` and `limits` beside a proxy at work."""

import json
from pathlib import Path
from typing import Any

import pytest

from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT, plain
from tests.proxy.conftest import Proxy, run_up, to
from tests.proxy.test_keys import CHAT_PATH, run

RULES = """
[[limits]]
name = "calls"
quota = 3
window = "1d"
per = "user"

[[limits]]
name = "tokens"
quota = 100000000  # a call without max_tokens reserves many
window = "1d"
unit = "tokens"

[[budgets]]
name = "team"
usd = 1000
period = "month"
"""


def told(proxy: Proxy, verb: str) -> dict[str, dict[str, Any]]:
    """The rows of a command, by name and group."""
    done = run(verb, "--json", "--data", str(proxy.data))
    assert done.returncode == 0, done.stderr
    return {f"{row['name']} {row['group'] or ''}".strip(): row for row in json.loads(done.stdout)}


def test_what_calls_used_is_shown_while_the_proxy_runs(tmp_path: Path, shared_provider: FakeProviders) -> None:
    (tmp_path / "heliograph.toml").write_text(RULES)
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        answers = [
            plain(proxy).post(CHAT_PATH, json=CHAT, headers={"Helicone-User-Id": user})
            for user in ("ann", "ann", "ann", "ann", "bob")
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 200]
        rows = [proxy.row(answer.headers["helicone-id"]) for answer in answers]
        spent = sum(row["cost_nanousd"] for row in rows) / 1e9
        # A call is charged before its row is written, so nothing is reserved any more.
        budgets = told(proxy, "budgets")
        assert budgets["team"]["spent_usd"] == pytest.approx(spent)
        assert (budgets["team"]["reserved_usd"], budgets["team"]["state"]) == (0, "ok")
        limits = told(proxy, "limits")
        assert limits["calls ann"]["used"] == pytest.approx(3, abs=0.05)
        assert (limits["calls ann"]["used_in_window"], limits["calls bob"]["used_in_window"]) == (3, 1)
        assert limits["calls ann"]["runs_out_at"]
        assert limits["calls bob"]["runs_out_at"] is None
        tokens = sum((row["input_tokens"] or 0) + (row["output_tokens"] or 0) for row in rows)
        assert limits["tokens"]["used_in_window"] == tokens
