from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from addon.limits.admission import Admission, admission, needs_body
from addon.limits.policy import parse_policy
from addon.limits.refusal import Refusal, Standing, closed_refusal, judge_budgets, limit_refusal, standing
from addon.limits.rules import Budget, CallFacts, Limit, Match
from addon.limits.sqlite_store import SqliteLimits
from addon.limits.store import Spent, Verdict
from addon.storage.journal_lines import Charge

NOW = 1_795_262_400.0  # 2026-11-21 12:00 UTC
FACTS = CallFacts(user="u1", properties={"feature": "chat"}, model="gpt-4o", key_hash="abc")
TEAM = Limit(name="team", policy=parse_policy("100;w=60"))
TOKENS = Limit(
    name="tokens", policy=replace(parse_policy("5000;w=60"), unit="tokens"), per="model", match=Match(model="gpt-4*")
)
DAY = Budget(name="day", usd=Decimal(5), period="day", per="user")
SOFT = Budget(name="soft", usd=Decimal(1), period="month", hard=False)


def keys(admitted: Admission) -> list[str]:
    return [check.key for check in admitted.checks]


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        ("10;w=60", "abc|global|request"),
        ("99;w=1", "abc|global|request"),  # the same bucket
        ("10;w=60;u=cents", "abc|global|cents"),
        ("10;w=60;s=user", "abc|user|u1|request"),
        ("10;w=60;s=Feature", "abc|feature|chat|request"),
    ],
)
def test_a_callers_policy_has_a_bucket_of_its_scope(policy: str, key: str) -> None:
    assert keys(admission(FACTS, parse_policy(policy), (), (), NOW)) == [key]


def test_the_scope_is_the_helicone_key_else_the_providers_else_anonymous() -> None:
    assert replace(FACTS, helicone_key_hash="def").scope == "def"
    assert FACTS.scope == "abc"
    assert CallFacts().scope == "anonymous"


def test_a_policy_per_something_that_is_not_named_does_not_limit_and_says_so() -> None:
    for segment in ("user", "team"):
        policy = parse_policy(f"10;w=60;s={segment}")
        admitted = admission(CallFacts(), policy, (), (), NOW)
        assert (admitted.checks, admitted.policy) == ((), policy)
        assert segment in admitted.warnings[0]
        assert standing(admitted, Verdict()) == Standing(policy=f"10;w=60;s={segment}")


def test_the_operators_limits_come_before_the_callers_and_cannot_be_replaced_by_it() -> None:
    admitted = admission(FACTS, parse_policy("1000000;w=60;u=cents"), (TEAM, TOKENS), (DAY, SOFT), NOW)
    assert keys(admitted) == ["server|team||request", "server|tokens|gpt-4o|tokens", "abc|global|cents"]
    assert admitted.charges == (
        Charge(key="server|tokens|gpt-4o|tokens", unit="tokens", quota=5000, window_s=60),
        Charge(key="abc|global|cents", unit="cents", quota=1000000, window_s=60),
    )
    assert [(due.key, due.period) for due in admitted.budgets] == [
        ("budget|day|u1", "2026-11-21"),
        ("budget|soft|", "2026-11"),
    ]


def test_before_the_body_is_parsed_rules_about_models_leave_the_call_out() -> None:
    early = replace(FACTS, model=None)
    assert keys(admission(early, None, (TEAM, TOKENS), (), NOW)) == ["server|team||request"]
    gpt = Limit(name="gpt", policy=parse_policy("9;w=60"), match=Match(model="gpt-4*"))
    assert needs_body(early, None, (TEAM, gpt), ())
    assert not needs_body(FACTS, None, (TEAM, gpt), ())
    assert not needs_body(early, None, (TEAM,), ())


def test_a_user_that_only_the_body_may_name_needs_the_body() -> None:
    nameless = replace(FACTS, user=None)
    assert needs_body(nameless, None, (), (DAY,))
    assert needs_body(nameless, parse_policy("1;w=60;s=user"), (), ())
    assert not needs_body(nameless, parse_policy("1;w=60"), (TEAM,), ())
    assert not needs_body(FACTS, parse_policy("1;w=60;s=user"), (), ())


def test_where_money_or_tokens_are_limited_the_body_tells_what_a_call_may_cost() -> None:
    assert needs_body(FACTS, None, (), (SOFT,))
    assert needs_body(FACTS, None, (TOKENS,), ())
    assert needs_body(FACTS, parse_policy("1;w=60;u=cents"), (), ())
    assert not needs_body(FACTS, parse_policy("1;w=60"), (TEAM,), ())


def test_answers_have_the_state_of_the_callers_policy_else_of_the_operators_tightest_limit(tmp_path: Path) -> None:
    store = SqliteLimits(tmp_path / "limits.sqlite")
    small = Limit(name="small", policy=parse_policy("4;w=60;s=user"), per="user")
    admitted = admission(FACTS, parse_policy("10;w=60"), (TEAM, small), (), NOW)
    verdict = store.decide(admitted.checks, NOW)
    assert limit_refusal(admitted, verdict) is None
    assert standing(admitted, verdict) == Standing(policy="10;w=60", limit="10", remaining=9, reset_s=6)
    admitted = admission(FACTS, None, (TEAM, small), (), NOW)
    verdict = store.decide(admitted.checks, NOW)
    assert standing(admitted, verdict) == Standing(policy="4;w=60;s=user", limit="4", remaining=2, reset_s=30)
    assert standing(admission(FACTS, None, (), (), NOW), Verdict()) is None


def test_a_refusal_says_which_limit_for_whom_and_when(tmp_path: Path) -> None:
    store = SqliteLimits(tmp_path / "limits.sqlite")
    one = Limit(name="one", policy=parse_policy("1;w=3600;s=user"), per="user")
    admitted = admission(FACTS, parse_policy("10;w=60"), (one,), (), NOW)
    assert store.decide(admitted.checks, NOW).allowed
    assert limit_refusal(admitted, store.decide(admitted.checks, NOW)) == Refusal(
        kind="rate_limited",
        message="1 requests per 3600 s for user 'u1' are used up; the next call may go in 3600 s "
        "(limit 'one' of this proxy: 1;w=3600;s=user)",
        retry_after_s=3600,
        standing=Standing(policy="1;w=3600;s=user", limit="1", remaining=0, reset_s=3600),
    )


def test_a_spent_hard_budget_refuses_until_its_period_ends() -> None:
    admitted = admission(FACTS, None, (), (SOFT, DAY), NOW)
    refusal, warnings = judge_budgets(admitted, [Spent(2_000_000_000), Spent(5_120_000_000)], NOW)
    assert refusal == Refusal(
        kind="budget_exceeded",
        message="budget 'day' for user 'u1': 5.12 of 5.00 USD a day are spent; calls are refused until "
        "2026-11-22 00:00 UTC, unless the budget is raised in heliograph.toml",
        retry_after_s=43_200,
        hard=True,
    )
    assert warnings == ("budget 'soft': 2.00 of 1.00 USD a month are spent",)


def test_a_budget_warns_from_its_threshold_on_and_is_new_after_midnight() -> None:
    before = 1_795_305_599.5  # 23:59:59.5
    admitted = admission(FACTS, None, (), (DAY,), before)
    assert judge_budgets(admitted, [Spent(4_000_000_000)], before) == (
        None,
        ("budget 'day' for user 'u1': 4.00 of 5.00 USD a day are spent",),
    )
    refusal, _ = judge_budgets(admitted, [Spent(5_000_000_000)], before)
    assert refusal and refusal.retry_after_s == 1
    assert [due.period for due in admission(FACTS, None, (), (DAY,), before + 1).budgets] == ["2026-11-22"]


def test_fail_closed_says_why() -> None:
    refusal = closed_refusal("limits.sqlite: database is locked")
    assert "database is locked" in refusal.message
    assert 1 <= refusal.retry_after_s <= 60


@pytest.mark.parametrize(("window_s", "should_retry"), [(60, True), (61, False)])
def test_an_sdk_is_told_not_to_try_again_where_the_limit_opens_after_more_than_a_minute(
    tmp_path: Path, window_s: int, should_retry: bool
) -> None:
    store = SqliteLimits(tmp_path / "limits.sqlite")
    admitted = admission(FACTS, parse_policy(f"1;w={window_s}"), (), (), NOW)
    store.decide(admitted.checks, NOW)
    refusal = limit_refusal(admitted, store.decide(admitted.checks, NOW))
    assert refusal
    assert (refusal.retry_after_s, refusal.should_retry) == (window_s, should_retry)


@pytest.mark.parametrize(
    ("usd", "spent_nanousd", "words"),
    [
        ("0.00002", 21_000, "0.000021 of 0.00002 USD"),
        ("0.5", 490_000_000, "0.49 of 0.50 USD"),
        ("50", 50_123_456_789, "50.12 of 50.00 USD"),
        ("0.001", 1_000_000, "0.001 of 0.001 USD"),
    ],
)
def test_small_sums_are_told_with_digits_enough(usd: str, spent_nanousd: int, words: str) -> None:
    budget = Budget(name="b", usd=Decimal(usd), period="day", hard=False)
    _, (warning,) = judge_budgets(admission(FACTS, None, (), (budget,), NOW), [Spent(spent_nanousd)], NOW)
    assert words in warning
