"""The steps of a chart's time axis, where clocks are not those of UTC: each call has its place in one of them."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from analysis.dashboard.steps import steps_of
from analysis.reports.dimensions import TIMES, selected
from analysis.reports.window import Window
from analysis.reports.zone import zone_of

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe")
LENGTHS = {"1 min": 2, "10 min": 26, "hour": 4 * 24, "day": 20 * 24, "week": 200 * 24, "month": 900 * 24}  # hours


@pytest.mark.parametrize("step", LENGTHS)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("change", ["2026-03-08", "2026-03-29", "2026-04-04", "2026-10-03", "2026-10-25", "2026-11-01"])
def test_each_call_is_drawn_in_its_step(zone: str, step: str, change: str) -> None:
    """On days on which clocks change in one of the zones."""
    length = timedelta(hours=LENGTHS[step])
    since = datetime.fromisoformat(f"{change}T00:20+00:00") - length * 0.4
    window = Window(since, since + length, zone_of(zone))
    steps = steps_of(window)
    assert steps.name == step
    assert list(steps.begins) == sorted(set(steps.begins))
    assert steps.begins[0] <= window.since and window.end <= steps.begins[-1]
    place, calls = steps.place(window), 1500
    sql = f"""
        select started_at, {steps.column} from (
            select started_at, {selected(window, (), TIMES)} from (
                select *, cast(started_at as date) as date from (
                    select make_timestamp($since_us + number * $every_us) as started_at from range({calls}) t(number)
                )
            )
        )"""
    asked = {
        "since_us": (window.since - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1),
        "every_us": length // timedelta(microseconds=1) // calls,
    }
    for started_at, value in duckdb.execute(sql, asked).fetchall():
        number = place(value)
        assert number is not None, (started_at, value)
        assert steps.begins[number] <= started_at.replace(tzinfo=UTC) < steps.begins[number + 1]
