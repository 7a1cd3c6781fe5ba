"""How long one call may wait, by its headers."""

import pytest

from addon.sending.timeouts import Timeouts, call_timeouts, parse_timeouts

CONFIG = Timeouts(connect_s=10, first_byte_s=600, idle_s=300, total_s=3600)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "connect=5;first-byte=30;idle=20;total=120",
            {"connect_s": 5, "first_byte_s": 30, "idle_s": 20, "total_s": 120},
        ),
        ("idle=0.25", {"idle_s": 0.25}),
        (" Total = 7200 ; First-Byte = 1.5 ;", {"total_s": 7200, "first_byte_s": 1.5}),
        ("connect=3600;total=86400", {"connect_s": 3600, "total_s": 86400}),
    ],
)
def test_any_part_may_be_named_and_the_others_stay(text: str, named: dict[str, float]) -> None:
    assert parse_timeouts(text) == named
    assert call_timeouts(CONFIG, parse_timeouts(text), increased=False) == CONFIG._replace(**named)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("patience=5", "there are connect, first-byte, idle, total"),
        ("30", "there are connect"),
        ("first_byte=5", "there are connect"),
        (";", "names no timeout"),
        ("idle=0", "above 0 and up to 3600"),
        ("idle=0.0", "above 0"),
        ("idle=-1", "above 0"),
        ("idle=", "above 0"),
        ("idle=soon", "above 0"),
        ("idle=1e3", "above 0"),
        ("idle=inf", "above 0"),
        ("connect=3600.1", "up to 3600"),
        ("total=86401", "up to 86400"),
        ("idle=1;idle=2", "named twice"),
        ("idle=5;total=never", "above 0"),
    ],
)
def test_what_cannot_be_read_says_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_timeouts(text)


def test_more_time_is_thirty_minutes_for_what_waits_and_never_less_than_before() -> None:
    more = call_timeouts(CONFIG, {}, increased=True)
    assert more == Timeouts(connect_s=10, first_byte_s=1800, idle_s=1800, total_s=3600)
    patient = Timeouts(connect_s=1, first_byte_s=2000, idle_s=20, total_s=60)
    assert call_timeouts(patient, {}, increased=True) == Timeouts(1, 2000, 1800, 1800)


def test_a_part_that_is_named_wins_over_more_time() -> None:
    assert call_timeouts(CONFIG, {"idle_s": 5.0}, increased=True) == Timeouts(10, 1800, 5, 3600)
