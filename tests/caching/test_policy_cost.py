"""Header values are read in linear time: one of 64 KB costs no more than its size."""

import time
from collections.abc import Callable

import pytest

from addon.caching.policy import parse_bucket_size, parse_cache_control, parse_ignore_keys
from addon.limits.policy import parse_policy
from addon.sending.fallbacks import parse_fallbacks
from addon.sending.retry import outcome_of, parse_factor, parse_retries, parse_wait_s
from addon.sending.timeouts import parse_timeouts

SMALL, LARGE = 4_096, 65_536
PARSERS: tuple[Callable[[str], object], ...] = (
    parse_bucket_size,
    parse_cache_control,
    parse_ignore_keys,
    parse_policy,
    parse_fallbacks,
    parse_retries,
    parse_factor,
    parse_wait_s,
    parse_timeouts,
    lambda text: outcome_of(429, [("retry-after", text), ("retry-after-ms", text)], 0.0),
)
PIECES = (
    " ",
    "\t",
    "a",
    ",",
    " ,",
    "a ",
    '"',
    '\\"',
    '"\\',
    '"a",',
    "[",
    "{",
    "9",
    "0.",
    "max-age=",
    "a=1;",
    ";w=",
    "$",
    "a.",
)


def seconds(parse: Callable[[str], object], text: str) -> float:
    started = time.thread_time()  # what other programs do on this machine does not count
    try:
        parse(text)
    except ValueError as refused:
        assert len(str(refused)) < 1000  # it goes into a header
    return time.thread_time() - started


@pytest.mark.parametrize("parse", PARSERS)
def test_the_cost_of_a_header_value_grows_with_its_length_only(parse: Callable[[str], object]) -> None:
    for piece in PIECES:
        for end in ("", "!", '"', "]"):
            small = min(seconds(parse, piece * (SMALL // len(piece)) + end) for _ in range(5))
            large = min(seconds(parse, piece * (LARGE // len(piece)) + end) for _ in range(3))
            # 16 times the length; a quadratic parser takes 256 times as long. 1 ms: what a clock tells at all.
            assert large < 80 * small + 0.001, (piece, end, small, large)
