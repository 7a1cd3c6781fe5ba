from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.sending.retry import (
    RETRYABLE,
    Failure,
    Outcome,
    RetryPolicy,
    delay_before_retry,
    outcome_of,
    parse_factor,
    parse_retries,
    parse_wait_s,
)

NOW = 1_800_000_000.0
POLICY = RetryPolicy()


def a_date(seconds_from_now: float) -> str:
    return format_datetime(datetime.fromtimestamp(NOW + seconds_from_now, UTC), usegmt=True)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 522, 529])
def test_these_statuses_are_worth_another_attempt(status: int) -> None:
    assert delay_before_retry(Outcome(status=status), 1, POLICY, 0.0) == 1.0


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 403, 404, 409, 413, 422, 501, 505, 520])
def test_no_other_status_is(status: int) -> None:
    assert delay_before_retry(Outcome(status=status), 1, POLICY, 0.0) is None


@pytest.mark.parametrize("failure", ["connect", "disconnected", "timeout"])
def test_no_answer_is_worth_another_attempt(failure: Failure) -> None:
    assert delay_before_retry(Outcome(failure=failure), 1, POLICY, 0.0) == 1.0


def test_retries_are_counted_after_the_first_attempt() -> None:
    delays = [delay_before_retry(Outcome(status=500), number, RetryPolicy(retries=2), 0.0) for number in (1, 2, 3)]
    assert delays == [1.0, 2.0, None]
    assert delay_before_retry(Outcome(status=500), 1, RetryPolicy(retries=0), 0.0) is None


def test_waits_grow_as_with_helicone() -> None:
    """1-2 s, 2-4 s, 4-8 s, 8-10 s, then 10 s."""
    least = [delay_before_retry(Outcome(status=500), number, POLICY, 0.0) for number in range(1, 6)]
    most = [delay_before_retry(Outcome(status=500), number, POLICY, 0.9999999) for number in range(1, 6)]
    assert least == [1.0, 2.0, 4.0, 8.0, 10.0]
    assert most == [2.0, 4.0, 8.0, 10.0, 10.0]


@given(
    st.sampled_from(sorted(RETRYABLE)),
    st.integers(1, 20),
    st.floats(1, 100),
    st.floats(0, 600),
    st.floats(0, 600),
    st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_longer_than_the_longest(
    status: int, number: int, factor: float, one_s: float, other_s: float, jitter: float
) -> None:
    policy = RetryPolicy(
        retries=20, factor=factor, min_timeout_s=min(one_s, other_s), max_timeout_s=max(one_s, other_s)
    )
    delay_s = delay_before_retry(Outcome(status=status), number, policy, jitter)
    assert delay_s is not None
    assert 0 <= delay_s <= policy.max_timeout_s


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": a_date(30)}, 30.0),
        ({"retry-after": a_date(-30)}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "in a while"}, None),
        ({"retry-after": "Tue, 31 Feb 2026 10:00:00 GMT"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_what_the_provider_asks_us_to_wait_is_read(headers: dict[str, str], wait_s: float | None) -> None:
    assert outcome_of(429, headers.items(), NOW).retry_after_s == wait_s


@given(st.text(), st.text(), st.text())
def test_nothing_in_a_header_breaks_the_reading(one: str, two: str, three: str) -> None:
    headers = [("retry-after", one), ("retry-after-ms", two), ("x-should-retry", three)]
    assert outcome_of(500, headers, NOW).status == 500


def test_of_two_headers_with_one_name_the_first_counts() -> None:
    assert outcome_of(429, [("retry-after", "3"), ("Retry-After", "9")], NOW).retry_after_s == 3.0


@pytest.mark.parametrize(("text", "says"), [("true", True), ("FALSE", False), ("maybe", None), ("", None)])
def test_x_should_retry_is_read(text: str, says: bool | None) -> None:
    assert outcome_of(500, [("x-should-retry", text)], NOW).should_retry is says


def test_the_providers_wait_takes_the_place_of_ours() -> None:
    assert delay_before_retry(Outcome(status=429, retry_after_s=42.0), 1, POLICY, 0.5) == 42.0
    assert delay_before_retry(Outcome(status=429, retry_after_s=0.02), 4, POLICY, 0.5) == 0.02


def test_a_provider_that_is_gone_for_longer_than_a_minute_is_given_up() -> None:
    assert delay_before_retry(Outcome(status=429, retry_after_s=60.0), 1, POLICY, 0.5) == 60.0
    assert delay_before_retry(Outcome(status=429, retry_after_s=60.1), 1, POLICY, 0.5) is None
    absurd = outcome_of(429, [("retry-after", "9" * 29)], NOW)
    assert delay_before_retry(absurd, 1, POLICY, 0.5) is None


def test_x_should_retry_decides_before_the_status_does() -> None:
    assert delay_before_retry(Outcome(status=503, should_retry=False), 1, POLICY, 0.0) is None
    assert delay_before_retry(Outcome(status=409, should_retry=True), 1, POLICY, 0.0) == 1.0
    assert delay_before_retry(Outcome(status=409, should_retry=True), 6, POLICY, 0.0) is None


def test_a_success_is_never_asked_for_again() -> None:
    assert delay_before_retry(Outcome(status=200, should_retry=True, retry_after_s=1.0), 1, POLICY, 0.0) is None


def test_values_of_the_headers_are_read() -> None:
    assert [parse_retries(text) for text in ("0", "5", "20")] == [0, 5, 20]
    assert [parse_factor(text) for text in ("1", "1.5", "100")] == [1.0, 1.5, 100.0]
    assert [parse_wait_s(text) for text in ("0", "250", "1500.5", "600000")] == [0.0, 0.25, 1.5005, 600.0]


@pytest.mark.parametrize("text", ["", "-1", "21", "2.5", "many", "1e1", "٣", "9" * 50])
def test_a_bad_number_of_retries_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="write a whole number from 0 to 20"):
        parse_retries(text)


@pytest.mark.parametrize("text", ["", "0.9", "101", "nan", "inf", "-2", "two", "1e2"])
def test_a_bad_factor_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="write a number from 1 to 100"):
        parse_factor(text)


@pytest.mark.parametrize("text", ["", "-1", "600001", "1s", "nan", "inf"])
def test_a_bad_wait_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="write milliseconds from 0 to 600000"):
        parse_wait_s(text)


def test_a_shortest_wait_above_the_longest_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shortest wait \(20000 ms\) is longer than the longest \(10000 ms\)"):
        RetryPolicy(min_timeout_s=20.0)
