"""When a budget or a limit runs out at its present rate."""

from datetime import UTC, datetime, timedelta

import pytest

from addon.limits.bucket import Bucket
from addon.limits.forecast import budget_runs_out_at, limit_runs_out_at, spending_at_end
from addon.limits.policy import parse_policy
from addon.limits.rules import Period, period_begin, period_end

BEGIN, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TEN_A_MINUTE = parse_policy("10;w=60")
CENTS = parse_policy("10;w=60;u=cents")


def test_spending_goes_on_evenly() -> None:
    assert spending_at_end(10, BEGIN, END, BEGIN + 10 * DAY) == 30
    assert spending_at_end(0, BEGIN, END, BEGIN + 10 * DAY) == 0


def test_at_the_beginning_of_a_period_nothing_can_be_told() -> None:
    assert spending_at_end(10, BEGIN, END, BEGIN) is None
    assert spending_at_end(10, BEGIN, END, BEGIN + timedelta(hours=7)) is None
    assert budget_runs_out_at(10, 11, BEGIN, END, BEGIN + timedelta(hours=7)) is None


@pytest.mark.parametrize(
    ("spent", "runs_out_at"),
    [
        (0, None),
        (10, None),  # exactly the budget at the end
        (15, BEGIN + 20 * DAY),
        (29, BEGIN + 10 * DAY * (30 / 29)),
        (30, BEGIN + 10 * DAY),
        (99, BEGIN + 10 * DAY),
    ],
)
def test_a_budget_of_30_after_ten_days(spent: float, runs_out_at: datetime | None) -> None:
    assert budget_runs_out_at(spent, 30, BEGIN, END, BEGIN + 10 * DAY) == runs_out_at


@pytest.mark.parametrize(
    ("tokens", "used", "after_s"),
    [
        (10, 0, None),
        (5, 10, None),  # refills as fast as it is used
        (4, 20, 18),  # falls by 1 in 6 s; the last whole one is taken after 18
        (0.5, 5, 0),
        (0, 5, 0),
        (-3, 5, 0),
    ],
)
def test_a_limit_of_10_requests_a_minute(tokens: float, used: float, after_s: float | None) -> None:
    found = limit_runs_out_at(Bucket(tokens, BEGIN.timestamp()), TEN_A_MINUTE, used, BEGIN)
    assert found == (None if after_s is None else BEGIN + timedelta(seconds=after_s))


def test_a_limit_of_money_is_used_up_at_nothing_left() -> None:
    assert limit_runs_out_at(Bucket(0.5, BEGIN.timestamp()), CENTS, 5, BEGIN) is None
    assert limit_runs_out_at(Bucket(0, BEGIN.timestamp()), CENTS, 5, BEGIN) == BEGIN


@pytest.mark.parametrize(
    ("period", "begin", "end"),
    [("day", datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)), ("month", END, END + 31 * DAY)],
)
def test_a_period_begins_and_ends_in_utc(period: Period, begin: datetime, end: datetime) -> None:
    at = datetime.fromisoformat("2027-01-01T01:00+02:00")
    assert (period_begin(period, at), period_end(period, at)) == (begin, end)
