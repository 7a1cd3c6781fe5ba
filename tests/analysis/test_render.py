"""Tables, JSON and CSV of odd values."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from analysis.faces.render import cell, usd, write_csv, write_json
from analysis.faces.text_table import write_table
from analysis.table import Table

AT = datetime(2026, 11, 20, 1, 2, 3, 456000, tzinfo=UTC).replace(tzinfo=None)  # as DuckDB gives it


def rendered(table: Table, width: int | None = None, keep_numbers: bool = True) -> tuple[str, list[str]]:
    out = io.StringIO()
    left_out = write_table(table, out, width, keep_numbers)
    return out.getvalue(), left_out


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "$0.000000"),
        (0.001234, "$0.001234"),
        (2e-8, "$0.000000020"),
        (12.5, "$12.500000"),
        (4058.614405, "$4,058.61"),
        (Decimal("-0.5"), "-$0.500000"),
    ],
)
def test_money_has_no_exponent_and_enough_places(value: float | Decimal, expected: str) -> None:
    assert usd(value) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cost_usd", None, "-"),
        ("calls", 1234567, "1,234,567"),
        ("input_tokens", 555_661_908, "555.7M"),
        ("share", 0.25, "0.25"),
        ("share", 1e-7, "0.0000001"),
        ("share", float("nan"), "-"),
        ("ok", True, "true"),
        ("at", AT, "2026-11-20 01:02:03"),
        ("properties", {"feature": "search", "env": "dev"}, "feature=search, env=dev"),
        ("finish_reasons", ["stop", "length"], "stop, length"),
        ("user_id", "\x1b[31mred\x07\n", "\\x1b[31mred\\x07\\n"),
        ("user_id", "Zoë 日本 [bold]", "Zoë 日本 [bold]"),
    ],
)
def test_a_cell_is_for_a_person(name: str, value: object, expected: str) -> None:
    assert cell(name, value) == expected


def test_json_keeps_null_numbers_maps_and_times() -> None:
    columns = ("n", "i", "d", "whole", "t", "day", "m", "l", "f", "u", "span", "n")
    row = (None, 2**80, Decimal("1.5"), Decimal("7"), AT, date(2026, 11, 20), {"a": "b"}, [AT], float("inf"))
    table = Table(columns, [(*row, UUID(int=1), timedelta(seconds=2), "again")])
    out = io.StringIO()
    write_json(table.columns, table.rows, out)
    assert json.loads(out.getvalue()) == [
        {
            "n": None,
            "i": 2**80,
            "d": 1.5,
            "whole": 7,
            "t": "2026-11-20T01:02:03.456000Z",
            "day": "2026-11-20",
            "m": {"a": "b"},
            "l": ["2026-11-20T01:02:03.456000Z"],
            "f": None,
            "u": "00000000-0000-0000-0000-000000000001",
            "span": 2.0,
            "n_2": "again",
        }
    ]


def test_json_of_no_rows_is_an_empty_array() -> None:
    out = io.StringIO()
    write_json(("a",), [], out)
    assert json.loads(out.getvalue()) == []


def test_csv_can_be_read_back() -> None:
    out = io.StringIO()
    write_csv(("a", "b", "c", "d"), [('x,"y"\nz', 2e-8, None, {"k": "v"}), ("", True, AT, [1])], out)
    assert list(csv.reader(io.StringIO(out.getvalue()))) == [
        ["a", "b", "c", "d"],
        ['x,"y"\nz', "0.00000002", "", '{"k": "v"}'],
        ["", "true", "2026-11-20T01:02:03.456000Z", "[1]"],
    ]


def test_numbers_stand_at_the_right() -> None:
    text, _ = rendered(Table(("model", "calls"), [("gpt", 5), ("claude", 1234)]))
    assert text.splitlines()[-2:] == ["gpt         5", "claude  1,234"]


WIDE = Table(
    ("user_id", "calls", "input_tokens", "output_tokens", "cost_usd", "unpriced", "last_call_at", "request_id"),
    [("u" * 60, 9_999_999, 9_999_999, 9_999_999, 999.123456, 123_456, AT, "r" * 36)],
)


def test_a_table_fits_its_width_and_says_what_it_left_out() -> None:
    text, left_out = rendered(WIDE, 80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert left_out == ["last_call_at", "request_id"]
    assert "$999.123456" in text
    assert "9,999,999" in text


def test_text_gives_way_where_every_column_must_stay() -> None:
    names = ("provider_name", "error_type", *(f"count_{i}" for i in range(7)), "cost_usd")
    text, left_out = rendered(Table(names, [("anthropic", "upstream_disconnected", *[123_456] * 7, 0.5)]), 80)
    assert left_out == []
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.count("123,456") == 7
    assert "…" in text


def test_a_table_for_a_file_is_as_wide_as_it_takes() -> None:
    text, left_out = rendered(WIDE)
    assert left_out == []
    assert "u" * 60 in text
    assert "r" * 36 in text
    assert "input_tokens" in text


def test_of_many_columns_the_first_are_kept() -> None:
    table = Table(tuple(f"column_{i}" for i in range(40)), [tuple(range(40))])
    text, left_out = rendered(table, 80, keep_numbers=False)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert left_out[-1] == "column_39"
    assert "column_0" not in left_out


def test_no_rows_leave_the_names_of_the_columns() -> None:
    text, _ = rendered(Table(("model", "calls"), []))
    assert text.split()[:2] == ["model", "calls"]
