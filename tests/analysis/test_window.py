"""What a person may type as a time."""

from datetime import UTC, datetime

import pytest

from analysis.window import Window, parse_time, parse_window

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
    ],
)
def test_a_time_is_a_span_back_from_now_a_date_or_an_iso_time(text: str, expected: datetime) -> None:
    assert parse_time(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "7", "d", "7y", "-7d", "yesterday", "2026-13-01", "999999w", "0001-01-01T00:00+14:00"]
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
