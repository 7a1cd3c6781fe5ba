"""A token bucket: holds `quota`, refills evenly over the window, lazily. Pure; times are epoch seconds.

A bucket starts full. Quota and window come from the policy of the current call: if the policy changes, the bucket keeps
its content, up to the new quota.
"""

import math
from dataclasses import dataclass
from typing import Final

from addon.limits.policy import Policy

# Processes read the clock before they get the store's lock, so times come slightly out of order. A larger step back means
# that the clock was set; the bucket then continues from the new time.
DISORDER_S: Final = 5.0
# Refilling adds fractions: after exactly the stated waiting time, a token may still lack its last digits.
ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Bucket:
    tokens: float  # below 0: a call used more than was left
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether this call may go. `bucket`: the bucket afterwards, if all other checks allow the call, too."""

    allowed: bool
    bucket: Bucket
    remaining: int  # whole units left after this call; never negative
    reset_s: int  # until the bucket is full again
    wait_s: float  # until a refused call would be allowed; 0 for an allowed call


def take(bucket: Bucket | None, policy: Policy, now: float, amount: float = 1.0) -> Decision:
    """A request takes `amount` at once; a refused one takes nothing. Cents and tokens are known only after the call:
    it may go while anything is left, and is charged later."""
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
    """The bucket after `amount` was used; below 0 where that was more than was left."""
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
    """At least 1 for requests: a smaller bucket would never hold a whole one. 0.5 a minute means one in two minutes."""
    quota = float(policy.quota)
    return max(1.0, quota) if policy.unit == "request" else quota


def _per_second(policy: Policy) -> float:
    return float(policy.quota) / policy.window_s
