"""What is remembered of calls that are alike: their kind, and how the columns of their rows are checked."""

from dataclasses import replace
from typing import Any

import pytest

from addon.settling.journal_reader import Call
from addon.settling.kinds import LONGEST_PATH, columns_of, kind_of, known_columns
from addon.settling.rows import bare_rows
from addon.settling.settled_files import row_fields
from addon.storage.journal_lines import CallEnd
from tests.storage.calls import call_start


def _call(**told: Any) -> Call:
    start = replace(call_start("0199"), **told)
    end = CallEnd(status=200, content_type="application/json", duration_ms=12)
    return Call(call_id="0199", start=start, end=end, request=b"", response=b"")


def test_calls_that_differ_in_their_user_are_of_one_kind() -> None:
    assert kind_of(_call(user_id="ada")) is kind_of(_call(user_id="bob"))


@pytest.mark.parametrize(
    ("member", "value"), [("host", "other.example"), ("path", "/v1/embeddings"), ("client", "claude-cli/2.1")]
)
def test_calls_of_two_kinds_are_told_apart(member: str, value: str) -> None:
    other = _call(**{member: value})
    assert kind_of(other) is not kind_of(_call())
    assert columns_of(other, kind_of(other))[member] == value


def test_a_row_does_not_change_what_is_remembered() -> None:
    call = _call()
    columns = columns_of(call, kind_of(call))
    columns["cost_nanousd"] = 7
    assert columns_of(call, kind_of(call))["cost_nanousd"] is None
    assert known_columns(call)["cost_nanousd"] is None


def test_a_long_path_is_not_kept() -> None:
    call = _call(path="/v1/" + "x" * LONGEST_PATH)
    assert kind_of(call) is not kind_of(call)
    assert kind_of(call).columns["path"] == call.start.path


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        ("duration_ms", 2**63, OverflowError),
        ("duration_ms", -(2**63) - 1, OverflowError),
        ("duration_ms", True, TypeError),
        ("duration_ms", "12", TypeError),
        ("overhead_ms", "12", TypeError),
        ("properties", {"team": 1}, TypeError),
        ("finish_reasons", (1,), TypeError),
        ("started_at", "2026-11-21", TypeError),
        ("is_stream", 1, TypeError),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_refused_however_many_rows_came_before(
    column: str, value: object, error: type[Exception]
) -> None:
    row, _ = bare_rows(_call(), "heliograph_x")
    for _ in range(2):
        assert row_fields(row)["duration_ms"] == 12
        with pytest.raises(error):
            row_fields(replace(row, **{column: value}))  # type: ignore[arg-type]


def test_a_whole_number_is_a_number() -> None:
    row, _ = bare_rows(_call(), "heliograph_x")
    assert row_fields(replace(row, overhead_ms=3))["overhead_ms"] == 3
