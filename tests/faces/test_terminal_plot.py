"""Pictures made of characters."""

import re
from datetime import date, timedelta

import pytest
from rich.cells import cell_len

from analysis.faces.chart import chart_of
from analysis.faces.terminal_plot import LEAST_WIDTH, plot
from analysis.table import Table
from tests.faces.test_picture import CHARTS

DAYS = [date(2026, 11, 1) + timedelta(days=day) for day in range(14)]
COLOUR = re.compile(r"\x1b\[[0-9;]+m")


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("width", [1, 40, 80, 300])
def test_no_line_is_wider_than_the_terminal_and_colours_change_nothing_else(name: str, width: int) -> None:
    chart = CHARTS[name]
    plain, coloured = plot(chart, width, has_colour=False), plot(chart, width, has_colour=True)
    assert "\x1b" not in plain
    for text in (plain, COLOUR.sub("", coloured)):
        assert all(cell_len(line) <= max(width, LEAST_WIDTH) for line in text.splitlines())
    assert len(plain.splitlines()) == len(coloured.splitlines())


def test_bars_are_in_proportion_and_what_is_not_known_has_none() -> None:
    chart = chart_of(Table(("user_id", "cost_usd"), [("ann", 4.0), ("bob", 2.0), ("eve", None), ("joe", -1.0)]))
    _, *lines = plot(chart, 40, has_colour=False).splitlines()
    lengths = {line.split()[0]: line.count("█") for line in lines}
    assert lengths["ann"] == pytest.approx(2 * lengths["bob"], abs=1)
    assert lengths["bob"] > 5
    assert lines[2] == "eve -"
    assert lines[3].startswith("joe ▒")


def test_columns_stand_on_the_axis_and_a_gap_is_empty() -> None:
    table = Table(("day", "cost_usd"), [(DAYS[0], 2.0), (DAYS[1], None), (DAYS[2], 1.0)])
    lines = plot(chart_of(table), 40, has_colour=False).splitlines()
    assert lines[16].startswith("   $0 ┤███████ " + 8 * " " + "███████")
    assert lines[1].count("█") == 7
    assert "Nov 1" in lines[-1]


def test_the_parts_of_a_column_are_in_the_order_of_the_key() -> None:
    table = Table(("day", "model", "cost_usd"), [(DAYS[0], "large", 3.0), (DAYS[0], "small", 1.0)])
    *rows, _, _, key = plot(chart_of(table), 60, has_colour=False).splitlines()[1:]
    assert [row.count("█") > 0 for row in rows] == [False] * 4 + [True] * 12
    assert [row.count("▒") > 0 for row in rows] == [True] * 4 + [False] * 12
    assert key == "█ large $3.00  ▒ small $1.00"


def test_more_days_than_characters_are_added_up_and_that_is_said() -> None:
    days = [DAYS[0] + timedelta(days=day) for day in range(300)]
    text = plot(chart_of(Table(("day", "calls"), [(day, 1) for day in days])), 50, has_colour=False)
    assert "A column is the sum of 8 days." in text


def test_a_line_has_a_gap_where_nothing_is_known() -> None:
    table = Table(
        ("day", "model", "p95_ms"), [(day, "a", 500) for day in (*DAYS[:5], *DAYS[10:])] + [(DAYS[0], "b", 1000)]
    )
    rows = [COLOUR.sub("", line) for line in plot(chart_of(table, "p95_ms"), 60, has_colour=True).splitlines()]
    (row,) = (row for row in rows if row.count("⣀") > 10)
    assert re.fullmatch(r"⣀{10,}⡀ {10,}⢀⣀{5,}", row.partition("│")[2] or row.partition("┤")[2])
