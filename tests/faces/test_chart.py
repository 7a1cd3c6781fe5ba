"""Which picture a report becomes."""

from datetime import UTC, date, datetime, timedelta

import pytest

from analysis.faces.chart import Chart, chart_of, is_additive, label, plotted_column, short, title
from analysis.faces.time_ticks import time_ticks
from analysis.reports.zone import zone_of
from analysis.table import Table

NOV_1, NOV_2, NOV_3 = (date(2026, 11, day) for day in (1, 2, 3))


def moment(hour: int) -> datetime:
    """Of the day on which Berlin sets its clocks back, without a zone, as rows have it."""
    return datetime(2026, 10, 25, hour, tzinfo=UTC).replace(tzinfo=None)


def by_name(chart: Chart) -> dict[str, tuple[float | None, ...]]:
    return {series.name: series.values for series in chart.series}


def test_a_report_without_time_becomes_bars_of_its_cost() -> None:
    table = Table(("user_id", "calls", "cost_usd"), [("ann", 3, 2.0), (None, 1, None)])
    chart = chart_of(table)
    assert (chart.kind, chart.measure) == ("bars", "cost_usd")
    assert chart.positions == ("ann", "(no user)")
    assert chart.series[0].values == (2.0, None)  # not known is not 0


def test_names_of_several_columns_are_joined_and_numbers_such_as_a_status_are_names() -> None:
    table = Table(("provider_name", "error_type", "status", "errors"), [("openai", "rate_limit", 429, 7)])
    chart = chart_of(table)
    assert chart.positions == ("openai · rate_limit · 429",)
    assert chart.measure == "errors"


def test_more_bars_than_fit_are_summed_up() -> None:
    table = Table(("user_id", "calls"), [(f"user-{number}", 100 - number) for number in range(20)])
    chart = chart_of(table)
    assert chart.positions[-1] == "others (5)"
    assert chart.series[0].values[-1] == sum(100 - number for number in range(15, 20))


def test_percentiles_are_not_summed_up() -> None:
    table = Table(("model", "p95_ms"), [(f"model-{number}", 100 - number) for number in range(20)])
    chart = chart_of(table, "p95_ms")
    assert len(chart.positions) == 15
    assert chart.left_out == 5


def test_days_without_calls_cost_nothing_and_days_without_a_price_are_gaps() -> None:
    table = Table(("day", "calls", "cost_usd"), [(NOV_1, 1, 1.5), (NOV_3, 1, None)])
    chart = chart_of(table)
    assert (chart.kind, chart.positions) == ("columns", (NOV_1, NOV_2, NOV_3))
    assert chart.series[0].values == (1.5, 0.0, None)


def test_days_without_calls_have_no_speed() -> None:
    table = Table(("day", "model", "calls", "p95_ms"), [(NOV_1, "a", 9, 100), (NOV_3, "a", 9, 90), (NOV_3, "b", 1, 5)])
    chart = chart_of(table, "p95_ms")
    assert chart.kind == "lines"
    assert by_name(chart) == {"a": (100, None, 90), "b": (None, None, 5)}


def test_series_are_stacked_the_largest_first_and_at_most_eight() -> None:
    table = Table(("day", "model", "cost_usd"), [(NOV_1, f"m{number}", float(number)) for number in range(1, 13)])
    chart = chart_of(table)
    assert [series.name for series in chart.series] == ["m12", "m11", "m10", "m9", "m8", "m7", "m6", "others (5)"]
    assert chart.series[-1].values == (1 + 2 + 3 + 4 + 5,)
    assert chart.series[-1].is_others


def test_series_that_fall_below_zero_are_not_stacked() -> None:
    table = Table(("day", "model", "cost_usd"), [(NOV_1, "a", -1.0), (NOV_1, "b", 2.0)])
    assert chart_of(table).kind == "lines"


def test_a_month_is_followed_by_the_next() -> None:
    table = Table(("month", "calls"), [("2026-11", 1), ("2027-02", 2)])
    assert chart_of(table).positions == ("2026-11", "2026-12", "2027-01", "2027-02")


def test_hours_are_shown_in_the_zone_also_the_one_that_occurs_twice() -> None:
    table = Table(("hour", "calls"), [(moment(hour), hour) for hour in (0, 1, 2)])
    chart = chart_of(table, zone=zone_of("Europe/Berlin"))
    assert chart.positions == (moment(2), moment(2), moment(3))
    assert chart.series[0].values == (0, 1, 2)


@pytest.mark.parametrize("table", [Table(("model", "calls"), []), Table(("model",), [("a",)])])
def test_nothing_to_draw_is_said(table: Table) -> None:
    with pytest.raises(ValueError, match="to plot"):
        chart_of(table)


def test_control_characters_of_a_name_do_nothing() -> None:
    chart = chart_of(Table(("user_id", "calls"), [("\x1b[2J\nann", 1)]))
    assert chart.positions == ("\\x1b[2J\\nann",)


def test_a_question_marks_the_column_of_its_picture() -> None:
    assert plotted_column("select\n    quantile(x) as p95_ms, -- plot\n from t") == "p95_ms"
    assert plotted_column("select 1 as x") is None


def test_the_title_says_what_was_grouped_by() -> None:
    question = "What did the calls cost, by day or by what --by names?"
    assert title(question, ("week", "user", "property:team")) == "What did the calls cost, by week, user and team?"
    assert title("Which users call?", ()) == "Which users call?"


@pytest.mark.parametrize(
    ("measure", "value", "shown"),
    [
        ("cost_usd", 0.0, "$0"),
        ("cost_usd", 0.000123, "$0.00012"),
        ("cost_usd", 12.345, "$12.35"),
        ("cost_usd", -1_250_000.0, "-$1.25M"),
        ("p95_ms", 850.0, "850 ms"),
        ("p95_ms", 12_345.0, "12.3 s"),
        ("p95_ms", 0.0, "0"),
        ("calls", 9_999.0, "9,999"),
        ("calls", 12_345.0, "12.3k"),
        ("input_tokens", 3_200_000_000.0, "3.2B"),
        ("cost_usd", None, "-"),
    ],
)
def test_values_are_short_and_have_units(measure: str, value: float | None, shown: str) -> None:
    assert short(measure, value) == shown


def test_which_measures_add_up() -> None:
    assert [name for name in ("calls", "cost_usd", "input_tokens", "p95_ms", "usd_per_call", "mean") if is_additive(name)] == [
        "calls",
        "cost_usd",
        "input_tokens",
    ]  # fmt: skip


def test_labels_have_no_underscores() -> None:
    assert label("cost_usd") == "Cost"
    assert label("cache_read_input_tokens") == "Cache read input tokens"


def test_the_labels_of_a_month_of_days_are_its_mondays() -> None:
    days = [date(2026, 11, day) for day in range(1, 31)]
    assert [text for _, text in time_ticks(days, 8)] == ["Nov 2", "Nov 9", "Nov 16", "Nov 23", "Nov 30"]


@pytest.mark.parametrize("count", [1, 2, 24, 168, 2000])
def test_there_are_never_more_labels_than_room(count: int) -> None:
    hours = [moment(0) + timedelta(hours=at) for at in range(count)]
    places = time_ticks(hours, 8)
    assert 1 <= len(places) <= 8
    assert all(0 <= place < count for place, _ in places)


def test_months_are_labelled_with_their_year() -> None:
    assert time_ticks(["2026-11", "2026-12"], 8) == [(0, "Nov 2026"), (1, "Dec 2026")]
