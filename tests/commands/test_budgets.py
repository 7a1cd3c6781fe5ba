"""`heliograph budgets` and `heliograph limits` as a person types them."""

import json
import sqlite3
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main
from addon.limits.admission import admission
from addon.limits.policy import parse_policy
from addon.limits.rules import CallFacts, Limit
from addon.limits.sqlite_store import SqliteLimits
from tests.analysis.writing import made_up_rows, settle

RULES = """
[[budgets]]
name = "company"
usd = 50
period = "month"

[[budgets]]
name = "people"
usd = 0.001
period = "month"
per = "user"

[[limits]]
name = "house"
quota = 1000
window = "1h"

[[limits]]
name = "team"
quota = 10
window = "1d"
per = "property:team"
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Calls of this month, and a limit of which two of ten are used."""
    (tmp_path / "heliograph.toml").write_text(RULES)
    now = datetime.now(UTC)
    settle(tmp_path, [replace(row, started_at=now) for row in made_up_rows(40)], 1)
    store = SqliteLimits(tmp_path / "limits.sqlite")
    limit = Limit(name="team", policy=parse_policy("10;w=86400"), per="property:team")
    asked = admission(CallFacts(properties={"team": "blue"}), None, [limit], [], time.time())
    assert all(store.decide(asked.checks, time.time()).allowed for _ in range(2))
    store.close()
    return tmp_path


def heliograph(data: Path, *arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, [*arguments, "--data", str(data)])


def test_budgets_say_what_is_spent_of_how_much(data: Path) -> None:
    rows = json.loads(heliograph(data, "budgets", "--json").stdout)
    company, *people = rows
    cost = sum(row.cost_nanousd or 0 for row in made_up_rows(40)) / 1e9
    assert (company["name"], company["group"], company["spent_usd"]) == ("company", None, pytest.approx(cost))
    assert (company["state"], company["budget_usd"]) == ("ok", 50)
    assert {row["group"] for row in people} == {"ann", "bob", None}
    table = heliograph(data, "budgets").stdout
    assert "resets_at" in table
    assert "user=ann" in table
    assert "(no user)" in table
    assert "spent\n" in table


def test_limits_say_what_is_used_of_how_much(data: Path) -> None:
    house, team = json.loads(heliograph(data, "limits", "--json").stdout)
    assert (house["name"], house["used"], house["left"], house["runs_out_at"]) == ("house", 0, 1000, None)
    assert (team["group"], team["unit"], team["quota"], team["window_s"]) == ("blue", "request", 10, 86400)
    assert team["used"] == pytest.approx(2, abs=0.01)
    lines = heliograph(data, "limits", "team", "--tz", "Asia/Tokyo").stdout.splitlines()
    assert lines[0].endswith(", Asia/Tokyo")
    assert lines[-1].split()[:6] == ["team", "team=blue", lines[-1].split()[2], "10", "request", "1d"]


def test_csv_has_the_same_columns_as_json(data: Path) -> None:
    for verb in ("budgets", "limits"):
        first = heliograph(data, verb, "--csv").stdout.splitlines()[0]
        assert first.split(",") == list(json.loads(heliograph(data, verb, "--json").stdout)[0])


def test_many_groups_are_cut_and_said(data: Path) -> None:
    result = heliograph(data, "budgets", "people", "--limit", "1", "--json")
    assert len(json.loads(result.stdout)) == 1
    assert "only the first 1 of 3 rows; --limit 0 shows all" in result.stderr
    assert len(json.loads(heliograph(data, "budgets", "people", "--limit", "0", "--json").stdout)) == 3


@pytest.mark.parametrize("verb", ["budgets", "limits"])
def test_without_any_it_says_how_to_write_one(tmp_path: Path, verb: str) -> None:
    result = heliograph(tmp_path, verb)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"heliograph.toml has no {verb}; write e.g.\n\n[[{verb}]]\n" in result.stderr
    assert heliograph(tmp_path, verb, "--json").stdout == "[]\n"
    assert list(tmp_path.iterdir()) == [], "a question makes no files"


def test_a_limit_that_nobody_has_used_is_named(data: Path) -> None:
    (data / "limits.sqlite").unlink()
    result = heliograph(data, "limits", "team")
    assert "nothing is used at present of team" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("budgets", "compny"), "has no budgets named 'compny'; did you mean 'company'; there are company, people"),
        (("limits", "huose"), "did you mean 'house'"),
        (("budgets", "--json", "--csv"), "--json and --csv: choose one"),
        (("budgets", "--tz", "Europe/Belrin"), "did you mean 'Europe/Berlin'"),
        (("limits", "--limit", "-1"), "-1 is not in the range"),
        (("limits", "a", "b"), "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_exit_2(data: Path, arguments: tuple[str, ...], says: str) -> None:
    result = heliograph(data, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_a_mistake_in_the_section_is_wrong_usage_and_one_elsewhere_a_warning(data: Path) -> None:
    (data / "heliograph.toml").write_text(RULES.replace("usd = 50", 'usd = "much"'))
    budgets, limits = heliograph(data, "budgets"), heliograph(data, "limits", "--json")
    assert budgets.exit_code == 2
    assert "budgets[0].usd: 'much' is not a budget" in budgets.stderr
    assert (limits.exit_code, len(json.loads(limits.stdout))) == (0, 2)
    assert "budgets[0].usd" in limits.stderr


def test_a_broken_store_is_a_warning(data: Path) -> None:
    (data / "limits.sqlite").write_bytes(b"no database" * 1000)
    for name in ("limits.sqlite-wal", "limits.sqlite-shm"):
        (data / name).unlink(missing_ok=True)
    result = heliograph(data, "budgets", "company", "--json")
    assert result.exit_code == 0
    assert "is not known" in result.stderr
    assert json.loads(result.stdout)[0]["spent_usd"] > 0


def test_a_store_that_another_process_holds_is_waited_for(data: Path) -> None:
    with sqlite3.connect(data / "limits.sqlite", isolation_level=None) as other:
        other.execute("begin immediate")  # a writer does not keep a reader out
        assert json.loads(heliograph(data, "limits", "team", "--json").stdout)[0]["used"] > 1.9
        other.execute("rollback")


def test_the_summary_has_the_budgets_of_now(data: Path) -> None:
    page = heliograph(data, "report", "summary").stdout
    assert "budget" in page
    assert "user=ann" in page
    rows = json.loads(heliograph(data, "report", "summary", "--json").stdout)
    assert [row["budget_usd"] for row in rows if row["part"] == "budget"] == [50, 0.001, 0.001, 0.001]
    past = heliograph(data, "report", "summary", "--since", "yesterday", "--until", "today", "--json")
    assert "budget" not in {row["part"] for row in json.loads(past.stdout)}
