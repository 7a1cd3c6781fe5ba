from datetime import UTC, datetime
from decimal import Decimal

import pytest

from addon.limits.policy import parse_policy
from addon.limits.rules import Budget, CallFacts, Limit, Match, budget_state, period_end, period_of

FACTS = CallFacts(
    user="u1", properties={"feature": "chat"}, model="GPT-4o-mini", key_hash="abc", helicone_key_hash="def"
)


@pytest.mark.parametrize(
    ("match", "covered"),
    [
        (Match(), True),
        (Match(user="u1", model="gpt-4*", key_hash="abc", properties=(("feature", "chat"),)), True),
        (Match(model="*mini"), True),
        (Match(model="gpt-4o"), False),
        (Match(model="gpt.4o*"), False),
        (Match(user="U1"), False),
        (Match(key_hash="def"), True),
        (Match(key_hash="ghi"), False),
        (Match(properties=(("feature", "search"),)), False),
        (Match(properties=(("team", "x"),)), False),
    ],
)
def test_a_rule_is_about_the_calls_that_match_all_of_it(match: Match, covered: bool) -> None:
    assert match.covers(FACTS) is covered


def test_what_a_call_leaves_out_matches_nothing_named() -> None:
    for match in (Match(user="u1"), Match(model="gpt*"), Match(key_hash="abc"), Match(properties=(("a", "b"),))):
        assert not match.covers(CallFacts())


@pytest.mark.parametrize(
    ("per", "key"),
    [
        ("all", "server|team||request"),
        ("key", "server|team|abc|request"),
        ("user", "server|team|u1|request"),
        ("model", "server|team|gpt-4o-mini|request"),
        ("property:feature", "server|team|chat|request"),
        ("property:other", "server|team||request"),
    ],
)
def test_each_has_a_bucket_of_its_own(per: str, key: str) -> None:
    assert Limit(name="team", policy=parse_policy("1;w=60"), per=per).key(FACTS) == key


def test_calls_without_a_name_share_one_bucket_so_leaving_it_out_does_not_avoid_the_limit() -> None:
    for per in ("key", "user", "model", "property:feature"):
        limit = Limit(name="team", policy=parse_policy("1;w=60"), per=per)
        assert limit.key(CallFacts()) == limit.key(CallFacts(helicone_key_hash="a fresh one for each call"))


def test_bytes_that_are_no_text_have_the_key_that_their_row_has() -> None:
    budget = Budget(name="b", usd=Decimal(1), period="day", per="user")
    assert budget.key(CallFacts(user="caf\udce9")) == budget.key(CallFacts(user="caf?")) == "budget|b|caf?"


@pytest.mark.parametrize(
    ("spent", "state"),
    [(0, "ok"), (7_999_999_999, "ok"), (8_000_000_000, "warn"), (9_999_999_999, "warn"), (10_000_000_000, "over")],
)
def test_a_budget_warns_before_it_is_over(spent: int, state: str) -> None:
    assert budget_state(Budget(name="b", usd=Decimal(10), period="day"), spent) == state


@pytest.mark.parametrize(
    ("at", "day", "month", "day_end", "month_end"),
    [
        ("2026-11-21T12:00:00+00:00", "2026-11-21", "2026-11", "2026-11-22", "2026-12-01"),
        ("2026-12-31T23:59:59.999999+00:00", "2026-12-31", "2026-12", "2027-01-01", "2027-01-01"),
        ("2027-01-01T00:00:00+00:00", "2027-01-01", "2027-01", "2027-01-02", "2027-02-01"),
        ("2028-02-29T23:30:00-01:00", "2028-03-01", "2028-03", "2028-03-02", "2028-04-01"),
        ("2026-11-01T00:30:00+01:00", "2026-10-31", "2026-10", "2026-11-01", "2026-11-01"),
    ],
)
def test_periods_are_those_of_utc(at: str, day: str, month: str, day_end: str, month_end: str) -> None:
    moment = datetime.fromisoformat(at)
    assert (period_of("day", moment), period_of("month", moment)) == (day, month)
    assert period_end("day", moment) == datetime.fromisoformat(day_end).replace(tzinfo=UTC)
    assert period_end("month", moment) == datetime.fromisoformat(month_end).replace(tzinfo=UTC)
