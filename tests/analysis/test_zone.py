"""Time zones: where days begin, and when clocks change."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from analysis.reports.zone import UTC_ZONE, zone_of

HOUR = timedelta(hours=1)


def test_offsets_change_at_the_second_when_clocks_do() -> None:
    year = datetime(2026, 1, 1, 7, 3, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    assert zone_of("Europe/Berlin").offsets(*year) == [
        (year[0], HOUR),
        (datetime(2026, 3, 29, 1, tzinfo=UTC), 2 * HOUR),
        (datetime(2026, 10, 25, 1, tzinfo=UTC), HOUR),
    ]
    assert zone_of("Asia/Kolkata").offsets(*year) == [(year[0], 5.5 * HOUR)]
    assert UTC_ZONE.offsets(*year) == [(year[0], 0 * HOUR)]


def test_a_window_without_bounds_is_looked_up_in_the_years_that_calls_have() -> None:
    ever = datetime(1970, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert len(zone_of("Europe/Berlin").offsets(*ever)) == 1 + 2 * 25


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Africa/Cairo", date(2026, 4, 24), 23),  # its midnight does not exist
        ("Europe/Berlin", date(2026, 11, 21), 24),
    ],
)
def test_a_day_is_as_long_as_clocks_make_it(zone: str, day: date, hours: int) -> None:
    found = zone_of(zone)
    assert found.midnight(day + timedelta(days=1)) - found.midnight(day) == hours * HOUR


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Belrin", "Europe/Berlin"),
        ("new_york", "America/New_York"),
    ],
)
def test_a_zone_that_does_not_exist_is_answered_with_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"is not a time zone; did you mean '{meant}'"):
        zone_of(typed)


@pytest.mark.parametrize("typed", ["", "../etc/passwd", "Nowhere/Atall", "\0", "+02:00"])
def test_what_is_nothing_like_a_zone_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        zone_of(typed)


def test_without_a_name_it_is_the_zone_of_this_machine() -> None:
    program = (
        "from datetime import date; from analysis.reports.zone import zone_of; z = zone_of(None);"
        "print(z.name, z.midnight(date(2026, 7, 1)), z.midnight(date(2026, 12, 1)))"
    )
    expected = {
        "Europe/Berlin": "Europe/Berlin 2026-06-30 22:00:00+00:00 2026-11-30 23:00:00+00:00\n",
        "EST5EDT,M3.2.0,M11.1.0": "EST5EDT,M3.2.0,M11.1.0 2026-07-01 04:00:00+00:00 2026-12-01 05:00:00+00:00\n",
    }
    home = Path(__file__).resolve().parents[2]
    for variable, said in expected.items():
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=home, env=os.environ | {"TZ": variable}, capture_output=True, text=True
        )
        assert done.stdout == said, done.stderr
