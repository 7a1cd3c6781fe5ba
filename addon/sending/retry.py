"""Whether a failed attempt is made again, and after how long. Pure: the clock and the dice are passed in.

Decided on the status line, before any byte goes to the caller. The waits are those of Helicone (npm `async-retry`). What is
retried, and that the provider's own headers win, follows the official SDKs.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, Literal

# 522 is Cloudflare's "connection timed out", 529 Anthropic's "overloaded".
RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504, 522, 529})
# A provider that asks for a longer wait is away for longer than callers wait. The SDKs have the same limit.
LONGEST_RETRY_AFTER_S: Final = 60.0

MOST_RETRIES: Final = 20
LARGEST_FACTOR: Final = 100.0
LONGEST_WAIT_MS: Final = 600_000  # the SDKs give up after 10 minutes themselves

# How an attempt failed before the first byte: no connection, a connection that closed unanswered, no answer in time.
Failure = Literal["connect", "disconnected", "timeout"]

_DECIMAL: Final = re.compile(r"[0-9]{1,30}(\.[0-9]{1,15})?")
# The one form that may be sent (RFC 9110, 5.6.7); the two obsolete ones count as absent.
_HTTP_DATE: Final = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How many retries, and the waits between them. Raises ValueError where the shortest wait is longer than the longest."""

    retries: int = 5  # after the first attempt
    factor: float = 2.0
    min_timeout_s: float = 1.0  # of the first wait, before jitter
    max_timeout_s: float = 10.0  # of any wait

    def __post_init__(self) -> None:
        if self.min_timeout_s > self.max_timeout_s:
            shortest, longest = self.min_timeout_s * 1000, self.max_timeout_s * 1000
            raise ValueError(
                f"the shortest wait ({shortest:g} ms) is longer than the longest ({longest:g} ms); set both"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one attempt: the answer's status, or why there was no answer."""

    status: int | None = None
    failure: Failure | None = None
    retry_after_s: float | None = None  # what the provider asks us to wait
    should_retry: bool | None = None  # the provider's own `x-should-retry`


def parse_retries(text: str) -> int:
    """How many retries after the first attempt. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) > MOST_RETRIES:
        raise ValueError(f"{text[:40]!r} is not a number of retries; write a whole number from 0 to {MOST_RETRIES}")
    return int(text)


def parse_factor(text: str) -> float:
    """The factor by which each wait is longer than the one before. Raises ValueError."""
    if not _DECIMAL.fullmatch(text) or not 1 <= float(text) <= LARGEST_FACTOR:
        raise ValueError(f"{text[:40]!r} is not a factor; write a number from 1 to {LARGEST_FACTOR:g}, e.g. 2")
    return float(text)


def parse_wait_s(text: str) -> float:
    """Milliseconds as the headers have them, in seconds. Raises ValueError."""
    if not _DECIMAL.fullmatch(text) or float(text) > LONGEST_WAIT_MS:
        raise ValueError(f"{text[:40]!r} is not a time; write milliseconds from 0 to {LONGEST_WAIT_MS}, e.g. 1000")
    return float(text) / 1000


def outcome_of(status: int, headers: Iterable[tuple[str, str]], now: float) -> Outcome:
    """What an answer's head says about trying again. `now` in epoch seconds, for a `Retry-After` that is a date.

    `retry-after-ms` wins over `retry-after`. What is in neither form, 0 or past states no wait, as in the SDKs.
    """
    given: dict[str, str] = {}
    for name, value in headers:
        given.setdefault(name.lower(), value.strip())
    wait_s = _milliseconds(given.get("retry-after-ms", ""))
    if wait_s is None:
        wait_s = _seconds_or_date(given.get("retry-after", ""), now)
    says = given.get("x-should-retry", "").lower()
    return Outcome(
        status=status,
        retry_after_s=wait_s,
        should_retry=says == "true" if says in ("true", "false") else None,
    )


def delay_before_retry(outcome: Outcome, retry_number: int, policy: RetryPolicy, jitter: float) -> float | None:
    """Seconds to wait before the next attempt, or None to give up.

    `retry_number` counts from 1, `jitter` is from [0, 1). The provider's `x-should-retry` decides about an error before
    its status does; its `Retry-After` takes the place of our own wait. A success is never asked for again.
    """
    if retry_number > policy.retries or not _is_worth_it(outcome):
        return None
    if outcome.retry_after_s is not None:
        return outcome.retry_after_s if outcome.retry_after_s <= LONGEST_RETRY_AFTER_S else None
    wait_ms = (1 + jitter) * policy.min_timeout_s * 1000 * policy.factor ** (retry_number - 1)
    return min(round(wait_ms) / 1000, policy.max_timeout_s)


def _is_worth_it(outcome: Outcome) -> bool:
    if outcome.status is None:
        return outcome.failure is not None
    if outcome.status < 400:
        return False
    return outcome.status in RETRYABLE if outcome.should_retry is None else outcome.should_retry


def _milliseconds(text: str) -> float | None:
    return float(text) / 1000 if _DECIMAL.fullmatch(text) and float(text) > 0 else None


def _seconds_or_date(text: str, now: float) -> float | None:
    if _DECIMAL.fullmatch(text):
        wait_s = float(text)
    elif _HTTP_DATE.fullmatch(text):
        try:
            wait_s = parsedate_to_datetime(text).timestamp() - now
        except ValueError:  # the 31st of February
            return None
    else:
        return None
    return wait_s if wait_s > 0 else None
