"""Patterns with `*`: what they match, and that no name makes them slow."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.wildcard import matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("gpt-4o", "GPT-4o", True),
        ("gpt-4*", "gpt-4o-mini", True),
        ("gpt-4*", "gpt-4", True),
        ("*mini", "gpt-4o-mini", True),
        ("gpt*mini", "gpt-4o-mini", True),
        ("a*a", "a", False),
        ("gpt.4o*", "gpt-4o", False),
        ("*", "", True),
        ("", "", True),
        ("", "a", False),
        ("*b*c*", "abcd", True),
        ("*c*b*", "abcd", False),
        ("**", "x\ny", True),
    ],
)
def test_a_star_stands_for_any_characters(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_it_matches_what_the_regular_expression_matches(pattern: str, text: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert matches(pattern, text) == bool(re.fullmatch(expression, text, re.DOTALL))


def test_a_long_name_still_meets_a_pattern_for_its_beginning_or_end() -> None:
    assert matches("gpt-4*", "gpt-4" + "x" * 100_000)
    assert matches("*-mini", "x" * 100_000 + "-mini")
    assert not matches("gpt-4", "gpt-4" + "x" * 100_000)


def test_no_name_makes_a_pattern_slow() -> None:
    # The regular expression for this pattern would never end; 10 s is a generous bound.
    started = time.perf_counter()
    assert not matches("*a" * 20 + "*b", "a" * 15_000)
    assert time.perf_counter() - started < 10
