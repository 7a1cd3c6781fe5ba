from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.limits.bucket import ROUNDING, Bucket, Decision, charge, take
from addon.limits.policy import Policy, Unit, parse_policy

NOW = 1_795_262_400.0
TEN_A_MINUTE = parse_policy("10;w=60")


def test_a_new_bucket_is_full_and_says_what_is_left() -> None:
    decision = take(None, TEN_A_MINUTE, NOW)
    assert decision == Decision(allowed=True, bucket=Bucket(9, NOW), remaining=9, reset_s=6, wait_s=0)


@pytest.mark.parametrize(
    ("policy", "tokens", "elapsed_s", "allowed", "remaining", "reset_s", "wait_s"),
    [
        ("10;w=60", 1, 0, True, 0, 60, 0),
        ("10;w=60", 0, 0, False, 0, 60, 6),
        ("10;w=60", 0, 5.5, False, 0, 55, 0.5),
        ("10;w=60", 0, 6, True, 0, 60, 0),  # after just the time we said, whatever the rounding
        ("10;w=60", 3, 3600, True, 9, 6, 0),  # never more than full
        ("2.5;w=10", 2.5, 0, True, 1, 4, 0),
        ("0.5;w=60", 1, 0, True, 0, 120, 0),  # a request in two minutes, not none ever
        ("0.5;w=60", 0, 60, False, 0, 60, 60),
        ("100;w=50;u=cents", 0.1, 0, True, 0, 50, 0),  # what it costs is not known yet: nothing is taken
        ("100;w=50;u=cents", 0, 0, False, 0, 50, 0),
        ("100;w=50;u=cents", -40, 10, False, 0, 60, 10),
        ("100;w=50;u=cents", -40, 21, True, 2, 49, 0),
    ],
)
def test_a_bucket_decides(
    policy: str, tokens: float, elapsed_s: float, allowed: bool, remaining: int, reset_s: int, wait_s: float
) -> None:
    decision = take(Bucket(tokens, NOW - elapsed_s), parse_policy(policy), NOW)
    assert (decision.allowed, decision.remaining, decision.reset_s) == (allowed, remaining, reset_s)
    assert decision.wait_s == pytest.approx(wait_s)


def test_a_refused_request_takes_nothing() -> None:
    assert take(Bucket(0.4, NOW), TEN_A_MINUTE, NOW).bucket.tokens == 0.4


def test_a_charge_may_go_below_zero_and_is_waited_for() -> None:
    policy = parse_policy("100;w=50;u=cents")
    bucket = charge(None, policy, NOW, 250)
    assert bucket == Bucket(-150, NOW)
    assert not take(bucket, policy, NOW + 75).allowed
    assert take(bucket, policy, NOW + 76).allowed


def test_a_smaller_quota_empties_what_no_longer_fits_and_a_larger_one_adds_nothing() -> None:
    assert take(Bucket(90, NOW), TEN_A_MINUTE, NOW).remaining == 9
    assert take(Bucket(4, NOW), parse_policy("1000;w=60"), NOW).remaining == 3


def test_a_clock_that_was_set_back_goes_on_from_there() -> None:
    early = take(Bucket(0, NOW), TEN_A_MINUTE, NOW - 3600).bucket
    assert take(early, TEN_A_MINUTE, NOW - 3594).allowed
    out_of_order = take(Bucket(0, NOW), TEN_A_MINUTE, NOW - 0.01).bucket
    assert out_of_order.updated_at == NOW, "or the same moment would refill twice"


policies = st.builds(
    Policy,
    quota=st.decimals(min_value=Decimal("0.1"), max_value=50, places=1, allow_nan=False),
    window_s=st.integers(1, 300),
)
pauses = st.lists(st.floats(0, 60, allow_nan=False) | st.just(0.0), min_size=1, max_size=150)


@given(policies, pauses)
def test_no_window_lets_more_through_than_a_full_bucket_and_what_refills_in_it(
    policy: Policy, pauses: list[float]
) -> None:
    bucket, now = None, NOW
    allowed: list[float] = []
    for pause in pauses:
        now += pause
        decision = take(bucket, policy, now)
        if decision.allowed:
            bucket = decision.bucket
            allowed.append(now)
    quota = float(policy.quota)
    for first, begin in enumerate(allowed):
        for last in range(first, len(allowed)):
            elapsed_s = allowed[last] - begin
            count = last - first + 1
            assert count <= max(1.0, quota) + elapsed_s * quota / policy.window_s + 10 * ROUNDING


@given(policies, st.floats(-1000, 1000), st.sampled_from(["request", "cents", "tokens"]))
def test_a_call_after_the_stated_wait_is_allowed(policy: Policy, tokens: float, unit: Unit) -> None:
    policy = replace(policy, unit=unit)
    decision = take(Bucket(tokens, NOW), policy, NOW)
    if not decision.allowed:
        assert take(decision.bucket, policy, NOW + decision.wait_s + 0.001).allowed


@given(policies, st.lists(st.tuples(st.floats(0, 30), st.floats(0, 500)), max_size=30))
def test_money_used_is_never_more_than_refilled_but_for_the_last_call(
    policy: Policy, calls: list[tuple[float, float]]
) -> None:
    policy = replace(policy, unit="cents")
    bucket, now, used, last = None, NOW, 0.0, 0.0
    for pause, cost in calls:
        now += pause
        if take(bucket, policy, now).allowed:
            bucket = charge(bucket, policy, now, cost)
            used, last = used + cost, cost
        quota = float(policy.quota)
        assert used - last <= quota + (now - NOW) * quota / policy.window_s + 1e-6
