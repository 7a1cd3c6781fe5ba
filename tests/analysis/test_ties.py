"""Rows that are equal in all that a report orders by: the same order each time, so that a limit leaves the same ones."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from tests.analysis.test_questions import NOON, ask, call, write

BY = ("user", "operation", "status")


@pytest.mark.parametrize("name", ["costs", "models", "latency", "unpriced", "errors", "throughput", "retries"])
def test_equal_rows_are_in_the_order_of_their_groups(tmp_path: Path, name: str) -> None:
    groups = [
        (f"user-{user}", operation, status) for user in range(4) for operation in "abc" for status in (200, 201, 429)
    ]
    random.Random(1).shuffle(groups)
    rows = [
        call(number, user_id=user, operation_name=operation, status=status, error_type="odd", attempts=2)
        for number, (user, operation, status) in enumerate(groups)
    ]
    write(tmp_path, rows)
    found = [tuple(row[each] for each in BY) for row in ask(tmp_path, name, by=BY)]
    assert found == sorted(groups)


def test_a_session_has_the_last_of_its_names(tmp_path: Path) -> None:
    names = ["plan", None, "trip", "plan", "journey", None]
    write(tmp_path, [call(number, session_id="s", session_name=name) for number, name in enumerate(names)])
    assert [row["session_name"] for row in ask(tmp_path, "sessions")] == ["journey"]


@pytest.mark.parametrize("column", ["attempts", "fallback_index", "status"])
def test_a_group_that_is_called_0_is_not_taken_for_all_calls(tmp_path: Path, column: str) -> None:
    each_day = [
        call(20 * day + number, NOON + timedelta(days=day), **{column: 1}) for day in range(10) for number in range(20)
    ]
    once = call(999, NOON + timedelta(days=8), **{column: 0})
    write(tmp_path, [*each_day, once])
    assert ask(tmp_path, "anomalies", by=[column]) == []  # all days are alike, and of 0 there is no history
