"""When a budget or a limit runs out if use goes on at its present rate. Pure."""

from datetime import datetime, timedelta
from typing import Final

from addon.limits.bucket import Bucket
from addon.limits.policy import Policy

# Of a period that has just begun nothing can be foretold.
LEAST_PART_OF_PERIOD: Final = 0.01


def spending_at_end(spent: float, begin: datetime, end: datetime, now: datetime) -> float | None:
    """What will be spent at the end of a period; None in its first hundredth."""
    part = (now - begin) / (end - begin)
    return spent / part if part >= LEAST_PART_OF_PERIOD else None


def budget_runs_out_at(spent: float, budget: float, begin: datetime, end: datetime, now: datetime) -> datetime | None:
    """When the budget is spent; None: not in this period, or it cannot be told. A spent one ran out in the past: `now`."""
    if spent >= budget:
        return now
    at_end = spending_at_end(spent, begin, end, now)
    if at_end is None or at_end <= budget:
        return None
    return begin + (now - begin) * (budget / spent)


def limit_runs_out_at(bucket: Bucket, policy: Policy, used_in_window: float, now: datetime) -> datetime | None:
    """When a bucket lets no call through if calls go on as in the last window: `now` where it is used up; None: it refills
    as fast as it is used.

    `bucket` as it is now, `used_in_window` in the policy's unit.
    """
    spare = bucket.tokens - (1.0 if policy.unit == "request" else 0.0)
    if spare < 0 or bucket.tokens <= 0:
        return now
    falls_by_s = (used_in_window - float(policy.quota)) / policy.window_s
    return now + timedelta(seconds=spare / falls_by_s) if falls_by_s > 0 else None
