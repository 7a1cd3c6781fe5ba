from pathlib import Path

import pytest

from addon.config.retention import Retention, Rule, parse_days
from addon.config.settings import ConfigError, load


def loaded(folder: Path, text: str) -> Retention:
    file = folder / "heliograph.toml"
    file.write_text(text)
    return load(folder, file).retention


@pytest.mark.parametrize(("text", "days"), [("1d", 1), ("8w", 56), ("2y", 730), ("007d", 7)])
def test_times_are_whole_days(text: str, days: int) -> None:
    assert parse_days(text) == days


@pytest.mark.parametrize("text", ["", "30", "d", "30 d", "6m", "24h", "-1d", "1.5y", "2Y", "1000000d", "٣d"])
def test_another_time_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match='write days, weeks or years: "30d", "8w", "2y"'):
        parse_days(text)


@pytest.mark.parametrize("text", ["0d", "0y"])
def test_a_time_that_would_delete_everything_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="would delete every call"):
        parse_days(text)


def test_without_the_section_everything_is_kept(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == Retention()


def test_rules_decide_before_the_times_of_all_calls(tmp_path: Path) -> None:
    retention = loaded(
        tmp_path,
        """
        [retention]
        requests = "2y"
        bodies = "30d"
        rules = [{provider = "openai", properties = {Tier = "free"}, bodies = "1w"}]
        """,
    )
    free = Rule(provider="openai", properties=(("tier", "free"),), bodies_days=7)
    every = Rule(requests_days=730, bodies_days=30)
    assert retention.rules == (free, every)
    assert retention.expired("bodies", 8) == [(free, True), (every, False)]
    assert retention.expired("bodies", 7) == [(free, False), (every, False)]
    assert retention.expired("requests", 731) == [(every, True)]
    assert [str(rule) for rule in retention.rules] == [
        "provider openai and tier = free: bodies 7 d",
        "all: requests 730 d, bodies 30 d",
    ]


def test_rows_are_kept_as_long_as_a_budget_counts_them(tmp_path: Path) -> None:
    budget = '[[budgets]]\nname = "team"\nusd = 50\nperiod = "{}"\n'
    rule = '[[retention.rules]]\nprovider = "groq"\nrequests = "30d"\n'
    with pytest.raises(ConfigError, match="30d is shorter than the month of the budget 'team'"):
        loaded(tmp_path, budget.format("month") + rule)
    assert loaded(tmp_path, budget.format("month") + rule.replace("30d", "31d")).rules
    assert loaded(tmp_path, budget.format("month") + rule.replace("requests", "bodies")).rules
    assert loaded(tmp_path, budget.format("day") + rule).rules
