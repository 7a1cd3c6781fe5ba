"""A token bucket: holds `quota`, refills evenly over the window, lazily. Pure; times are epoch seconds.

A bucket is new and full until something was taken. Quota and window are the policy's of the moment: under a changed
policy the bucket keeps what is in it, as far as it still fits.
"""

import math
from dataclasses import dataclass
from typing import Final

from addon.limits.policy import Policy

# Processes stamp decisions before they get the store's lock, so times come slightly out of order. A larger step back is
# a clock that was set: then the bucket goes on from the new time.
DISORDER_S: Final = 5.0
# Refilling sums fractions: after exactly the time we told a caller to wait, a token may lack its last digits.
ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Bucket:
    tokens: float  # below 0: more was charged after a call than was left
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """May this call go? `bucket` is what is left if all other checks allow it too."""

    allowed: bool
    bucket: Bucket
    remaining: int  # whole units left, this call taken off; never negative
    reset_s: int  # until the bucket is full again
    wait_s: float  # until a refused call would be allowed; 0 if this one is


def take(bucket: Bucket | None, policy: Policy, now: float, amount: float = 1.0) -> Decision:
    """A request takes `amount` at once, or nothing if it is refused. Cents and tokens are known only after the call:
    it may go while anything is left, and `charge` follows."""
    left = refilled(bucket, policy, now)
    if policy.unit == "request":
        missing = amount - left.tokens
        allowed = missing <= ROUNDING
        if allowed:
            left = Bucket(left.tokens - amount, left.updated_at)
    else:
        missing = -left.tokens
        allowed = missing < 0
    return Decision(
        allowed=allowed,
        bucket=left,
        remaining=max(0, math.floor(left.tokens + ROUNDING)),
        reset_s=math.ceil(seconds_to_full(left, policy) - ROUNDING),
        wait_s=0.0 if allowed else missing / _per_second(policy),
    )


def charge(bucket: Bucket | None, policy: Policy, now: float, amount: float) -> Bucket:
    """The bucket after `amount` was used; below 0 if that was more than was left."""
    left = refilled(bucket, policy, now)
    return Bucket(left.tokens - amount, left.updated_at)


def refilled(bucket: Bucket | None, policy: Policy, now: float) -> Bucket:
    """The bucket as it is now."""
    if bucket is None:
        return Bucket(_capacity(policy), now)
    if bucket.updated_at - now > DISORDER_S:
        bucket = Bucket(bucket.tokens, now)
    elapsed_s = max(0.0, now - bucket.updated_at)
    tokens = bucket.tokens + elapsed_s * float(policy.quota) / policy.window_s
    return Bucket(min(_capacity(policy), tokens), max(now, bucket.updated_at))


def seconds_to_full(bucket: Bucket, policy: Policy) -> float:
    return max(0.0, _capacity(policy) - bucket.tokens) / _per_second(policy)


def _capacity(policy: Policy) -> float:
    """A bucket that never holds a whole request would never let one through: 0.5 a minute is one in two minutes."""
    quota = float(policy.quota)
    return max(1.0, quota) if policy.unit == "request" else quota


def _per_second(policy: Policy) -> float:
    return float(policy.quota) / policy.window_s
