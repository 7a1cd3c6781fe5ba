"""What a person may type as a time, and the period that a report is compared with."""

from datetime import UTC, datetime, timedelta

import pytest

from analysis.reports.window import Window, before, parse_time, parse_window
from analysis.reports.zone import UTC_ZONE, zone_of

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", datetime(2026, 11, 21, 12, 0, tzinfo=UTC)),
        ("24h", datetime(2026, 11, 20, 12, 30, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 14, 12, 30, tzinfo=UTC)),
        ("2w", datetime(2026, 11, 7, 12, 30, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01T08:00:00Z", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01T08:00:00+02:00", datetime(2026, 11, 1, 6, tzinfo=UTC)),
        ("today", datetime(2026, 11, 21, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 11, 20, tzinfo=UTC)),
        ("this-week", datetime(2026, 11, 16, tzinfo=UTC)),
        ("last-week", datetime(2026, 11, 9, tzinfo=UTC)),
        ("this-month", datetime(2026, 11, 1, tzinfo=UTC)),
        ("last-month", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-02", datetime(2026, 2, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_span_back_from_now_a_word_a_month_a_date_or_an_iso_time(text: str, expected: datetime) -> None:
    assert parse_time(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "7", "d", "7y", "-7d", "tomorrow", "2026-13", "2026-13-01", "999999w", "0001-01-01T00:00+14:00"]
)
def test_a_text_that_is_not_a_time_is_named_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"30m, 24h, 7d|before the calendar begins"):
        parse_time(text, NOW)


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="until 2026-11-01 is not after since 2026-11-02"):
        parse_window("2026-11-02", "2026-11-01", NOW)


def test_without_a_start_it_is_the_last_thirty_days_and_says_so() -> None:
    window = parse_window(None, None, NOW)
    assert window == Window(datetime(2026, 10, 22, 12, 30, tzinfo=UTC))
    assert str(window) == "since 2026-10-22 12:30"


@pytest.mark.parametrize(
    ("typed", "meant"), [("tody", "today"), ("yesterdya", "yesterday"), ("this-moth", "this-month")]
)
def test_a_mistyped_word_is_answered_with_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean '{meant}'"):
        parse_time(typed, NOW)


def test_a_window_in_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="since 2027-01-01 is in the future; it is 2026-11-21 12:30"):
        parse_window("2027-01", None, NOW)


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("Europe/Berlin", "today", datetime(2026, 11, 20, 23, tzinfo=UTC)),
        ("America/New_York", "this-month", datetime(2026, 11, 1, 4, tzinfo=UTC)),  # clocks go back that night
        ("America/New_York", "today", datetime(2026, 11, 21, 5, tzinfo=UTC)),
        ("Asia/Kolkata", "2026-11-01", datetime(2026, 10, 31, 18, 30, tzinfo=UTC)),
        ("Pacific/Kiritimati", "today", datetime(2026, 11, 21, 10, tzinfo=UTC)),  # its 22nd has begun
        ("Europe/Berlin", "2026-11-01T08:00Z", datetime(2026, 11, 1, 8, tzinfo=UTC)),
    ],
)
def test_words_dates_and_times_are_those_of_the_zone(zone: str, text: str, expected: datetime) -> None:
    assert parse_time(text, NOW, zone_of(zone)) == expected


@pytest.mark.parametrize(
    ("since", "until", "first", "end"),
    [
        ("this-month", None, "2026-10-01", "2026-10-21 12:30"),  # the same days of the month before
        ("last-month", "this-month", "2026-09-01", "2026-10-01"),  # 31 days, and a month of 30
        ("2026-09", "2026-11", "2026-07-01", "2026-09-01"),
        ("7d", None, "2026-11-07 12:30", "2026-11-14 12:30"),
        ("today", None, "2026-11-20 11:30", "2026-11-21"),
        ("2026-11-01", "2026-11-08", "2026-10-01", "2026-10-08"),
    ],
)
def test_the_period_before_has_the_same_months_else_the_same_length(
    since: str, until: str | None, first: str, end: str
) -> None:
    earlier = before(parse_window(since, until, NOW))
    assert (earlier.short(earlier.since), earlier.short(earlier.end)) == (first, end)


@pytest.mark.parametrize(
    ("zone", "since", "until", "hours", "hours_before"),
    [
        ("Europe/Berlin", "2026-10-25", "2026-10-26", 25, 24),  # days are days
        ("Europe/Berlin", "2026-03-30", "2026-03-31", 24, 23),
        ("America/New_York", "2026-11-02", "2026-11-03", 24, 25),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-06", 24.5, 24),
        ("Australia/Lord_Howe", "2026-10-05", "2026-10-06", 24, 23.5),
        ("Africa/Cairo", "2026-04-24", "2026-04-25", 23, 24),  # its midnight does not exist
        ("Europe/Berlin", "2026-10-24T12:00Z", "2026-10-25T12:00Z", 24, 24),  # and hours are hours
        ("America/New_York", "2026-03-07T12:00", "2026-03-08T12:00", 23, 23),
        ("Europe/Berlin", "2026-10-25", "2026-10-25T12:00", 13, 13),
        ("Europe/Berlin", "2026-10", "2026-11", 745, 720),
    ],
)
def test_the_period_before_is_as_long_where_clocks_change(
    zone: str, since: str, until: str, hours: float, hours_before: float
) -> None:
    window = parse_window(since, until, datetime(2027, 1, 1, tzinfo=UTC), zone_of(zone))
    earlier = before(window)
    assert window.end - window.since == timedelta(hours=hours)
    assert (earlier.end, earlier.end - earlier.since) == (window.since, timedelta(hours=hours_before))


def test_a_long_month_up_to_now_is_compared_with_all_of_a_shorter_one() -> None:
    earlier = before(parse_window("this-month", None, datetime(2026, 3, 31, 12, tzinfo=UTC)))
    assert str(earlier) == "since 2026-02-01 until 2026-03-01"


def test_a_window_without_an_end_has_nothing_of_its_length_before_it() -> None:
    assert before(Window(NOW)).until == NOW
    assert before(Window(NOW)).zone is UTC_ZONE


@pytest.mark.parametrize(
    "since", [datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 1, 5, tzinfo=UTC), datetime(4, 3, 1, tzinfo=UTC)]
)
@pytest.mark.parametrize("until", [datetime(9999, 12, 31, tzinfo=UTC), datetime(9999, 12, 1, tzinfo=UTC), None])
def test_the_period_before_the_calendar_begins_is_what_there_is(since: datetime, until: datetime | None) -> None:
    earlier = before(Window(since, until, asked_at=NOW))
    assert earlier.until == since
    assert Window(since, until).parameters()["since"] == since
