"""What is used of limits and budgets, against the settler's own sums and a real store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from addon.limits.admission import admission
from addon.limits.bucket import Bucket
from addon.limits.policy import Policy
from addon.limits.rules import Budget, CallFacts, Limit, Match
from addon.limits.sqlite_store import SqliteLimits
from addon.limits.store import Contents
from addon.limits.upper_bound import UpperBound
from addon.settling.recount import recount
from addon.storage.record import RequestRow
from analysis.lake import Lake
from analysis.reports.standing import BudgetNow, LimitNow, budgets_now, limits_now
from tests.analysis.writing import made_up_rows, settle, to_parquet

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
MONEY = Decimal("0.05")
BUDGETS = (
    Budget(name="all", usd=MONEY, period="month"),
    Budget(name="day", usd=MONEY, period="day"),
    Budget(name="user", usd=MONEY, period="month", per="user"),
    Budget(name="model", usd=MONEY, period="month", per="model", match=Match(user="ann")),
    Budget(name="feature", usd=MONEY, period="month", per="property:feature", match=Match(model="gpt-4o*")),
    Budget(name="key", usd=MONEY, period="day", per="key", match=Match(key_hash="k1")),
    Budget(name="dev", usd=MONEY, period="month", match=Match(properties=(("environment", "dev"),))),
    Budget(name="soft", usd=MONEY, period="month", hard=False),
)


def ask_budgets(data: Path, *budgets: Budget, contents: Contents | None = None) -> list[BudgetNow]:
    return Lake(data).ask(lambda connection: budgets_now(connection, budgets, contents or Contents(), NOW))


def ask_limits(data: Path, *limits: Limit, contents: Contents | None = None) -> list[LimitNow]:
    return Lake(data).ask(lambda connection: limits_now(connection, limits, contents or Contents(), NOW))


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls of two days with two keys, some of them logged after the fact, and some of the month before."""
    data = tmp_path_factory.mktemp("spent")
    rows = [
        replace(
            row,
            api_key_hash=f"k{number % 2}",
            mode="async" if number % 11 == 0 else "forward",
            started_at=row.started_at - timedelta(days=30) if number % 13 == 0 else row.started_at,
        )
        for number, row in enumerate(made_up_rows(200))
    ]
    to_parquet(data, rows[:120], 1)
    settle(data, rows[120:], 2)
    return data


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: budget.name)
def test_spending_is_what_the_settler_counts(spent: Path, budget: Budget) -> None:
    counted = recount(spent, [budget], NOW, pytest.fail)
    found = ask_budgets(spent, budget)
    assert sorted(round(row.spent_usd * 1e9) for row in found if row.spent_usd) == sorted(
        filter(None, counted.values())
    )
    assert all(row.period == budget.period and row.hard is budget.hard for row in found)


def test_groups_are_named_and_the_most_used_comes_first(spent: Path) -> None:
    found = ask_budgets(spent, BUDGETS[2])
    assert {row.group for row in found} == {"ann", "bob", None}
    assert [row.share for row in found] == sorted((row.share for row in found), reverse=True)


def test_what_the_store_alone_knows_counts_too(tmp_path: Path) -> None:
    budget = Budget(name="team", usd=Decimal(1), period="month", per="user")
    keys = {name: budget.key(CallFacts(user=name)) for name in ("ann", "bob")}
    contents = Contents(
        reserved={(keys["ann"], "2026-11"): 3e8, ("server|other|", ""): 9.0},
        unpriced={(keys["ann"], "2026-11"): 500_000_000, (keys["bob"], "2026-10"): 7},
    )
    (row,) = ask_budgets(tmp_path, budget, contents=contents)
    assert (row.group, row.spent_usd, row.reserved_usd, row.state) == ("ann", 0.5, 0.3, "ok")
    assert row.resets_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_budget_of_which_nothing_is_spent_is_there(tmp_path: Path) -> None:
    (row,) = ask_budgets(tmp_path, BUDGETS[0])
    assert (row.spent_usd, row.forecast_usd, row.runs_out_at, row.group) == (0, 0, None, None)


def test_a_spent_budget_says_so(spent: Path) -> None:
    (row,) = ask_budgets(spent, Budget(name="small", usd=Decimal("0.000001"), period="month"))
    assert (row.state, row.runs_out_at) == ("over", NOW)
    assert row.share > 1


HOUR = Policy(quota=Decimal(10), window_s=3600)


def call(number: int, user: str, minutes_ago: float, **fields: object) -> RequestRow:
    row = replace(
        made_up_rows(1)[0],
        request_id=f"0199f000-0000-7000-8000-{number:012x}",
        started_at=NOW - timedelta(minutes=minutes_ago),
        user_id=user,
        rate_limit_status="allowed",
        input_tokens=5,
        output_tokens=3,
        cost_nanousd=20_000_000,
    )
    return replace(row, **fields)  # type: ignore[arg-type]


def test_a_limit_has_what_its_bucket_has_left(tmp_path: Path) -> None:
    limit = Limit(name="house", policy=HOUR, per="user")
    store = SqliteLimits(tmp_path / "limits.sqlite")
    for user in ("ann",) * 4 + ("bob",) * 10:
        asked = admission(CallFacts(user=user), None, [limit], [], NOW.timestamp())
        assert store.decide(asked.checks, NOW.timestamp()).allowed
    rows = [call(number, "ann", 30) for number in range(4)]
    rows += [call(10 + number, "bob", 5) for number in range(14)]
    rows += [call(30, "bob", 90), call(31, "bob", 1, rate_limit_status="rate_limited"), call(32, "carl", 50)]
    settle(tmp_path, rows, 1)
    contents = store.contents(NOW.timestamp())
    store.close()
    bob, ann, carl = ask_limits(tmp_path, limit, contents=contents)
    assert (bob.group, bob.used, bob.left, bob.used_in_window, bob.runs_out_at) == ("bob", 10, 0, 14, NOW)
    assert bob.resets_at == NOW + timedelta(hours=1)
    assert (ann.group, ann.used, ann.left, ann.used_in_window, ann.runs_out_at) == ("ann", 4, 6, 4, None)
    assert (carl.group, carl.used, carl.left, carl.resets_at) == ("carl", 0, 10, NOW)


@pytest.mark.parametrize(("unit", "in_window"), [("tokens", 24), ("cents", 6)])
def test_reserved_amounts_count_as_used(tmp_path: Path, unit: str, in_window: float) -> None:
    policy = Policy(quota=Decimal(100), window_s=3600, unit=unit)  # type: ignore[arg-type]
    limit = Limit(name="house", policy=policy)
    store = SqliteLimits(tmp_path / "limits.sqlite")
    asked = admission(CallFacts(), None, [limit], [], NOW.timestamp())
    bound = UpperBound(nanousd=40 * 10_000_000, tokens=40)
    store.decide(asked.checks, NOW.timestamp(), asked.reservation("call", bound))
    settle(tmp_path, [call(number, "ann", 5) for number in range(3)], 1)
    (row,) = ask_limits(tmp_path, limit, contents=store.contents(NOW.timestamp()))
    store.close()
    assert (row.used, row.left, row.used_in_window) == (40, 60, in_window)


def test_a_limit_that_is_used_faster_than_it_refills_has_an_end(tmp_path: Path) -> None:
    limit = Limit(name="house", policy=HOUR)
    settle(tmp_path, [call(number, "ann", 5) for number in range(15)], 1)
    bucket = Bucket(6.0, NOW.timestamp())
    (row,) = ask_limits(tmp_path, limit, contents=Contents(buckets={limit.key(CallFacts()): bucket}))
    assert row.runs_out_at == NOW + timedelta(hours=1)  # 5 an hour more than it refills; 5 to spare


def test_no_store_is_made_by_a_question(tmp_path: Path) -> None:
    assert SqliteLimits(tmp_path / "limits.sqlite").contents(NOW.timestamp()) == Contents()
    assert list(tmp_path.iterdir()) == []
