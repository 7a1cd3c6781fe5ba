from decimal import Decimal
from pathlib import Path

import pytest

from addon.config.settings import ConfigError, Settings, load
from addon.limits.policy import Policy
from addon.limits.rules import Budget, Limit, Match

GOOD = """
[limits_store]
fail_closed = true

[[limits]]
name = "team"
quota = 1000
window = "1d"

[[limits]]
name = "chat tokens"
quota = 0.5
window_s = 60
unit = "tokens"
per = "property:Feature"
match = { user = "x", model = "gpt-4*", property.Feature = "y", key_hash = "abc" }

[[budgets]]
name = "company"
usd = 49.9
period = "month"

[[budgets]]
name = "people"
usd = 5
period = "day"
per = "user"
warn_at = 0.5
hard = false
"""


def loaded(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "heliograph.toml"
    path.write_text(text, encoding="utf-8")
    return load(tmp_path)


def test_limits_and_budgets_are_read(tmp_path: Path) -> None:
    settings = loaded(tmp_path, GOOD)
    assert settings.limits == (
        Limit(name="team", policy=Policy(quota=Decimal(1000), window_s=86_400)),
        Limit(
            name="chat tokens",
            policy=Policy(quota=Decimal("0.5"), window_s=60, unit="tokens", segment="feature"),
            per="property:feature",
            match=Match(user="x", model="gpt-4*", key_hash="abc", properties=(("feature", "y"),)),
        ),
    )
    assert settings.budgets == (
        Budget(name="company", usd=Decimal("49.9"), period="month"),
        Budget(name="people", usd=Decimal(5), period="day", per="user", warn_at=Decimal("0.5"), hard=False),
    )
    assert settings.limits_fail_closed


def test_without_any_nothing_is_limited(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.limits, settings.budgets, settings.limits_fail_closed) == ((), (), False)


LIMIT = '[[limits]]\nname = "a"\nquota = 1\nwindow_s = 60\n'
BUDGET = '[[budgets]]\nname = "a"\nusd = 1\nperiod = "day"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[limits]\nname = 1", "limits: a table is not a list of tables; write sections [[limits]]"),
        ("[[limits]]\nquota = 1", "limits[0].name: missing; needed are name, quota"),
        (LIMIT + LIMIT, "limits[1].name: 'a' is taken"),
        (LIMIT.replace('"a"', '"a|b"'), "limits[0].name: 'a|b' has a |"),
        (LIMIT.replace('"a"', '""'), "limits[0].name: '' is not a text"),
        (LIMIT.replace("quota = 1", 'quota = "many"'), "limits[0].quota: 'many' is not a number; write e.g. 10"),
        (
            LIMIT.replace("quota = 1", "quota = 0"),
            "limits[0].quota: a quota of 0 is out of range; allowed are 0.000001",
        ),
        (LIMIT.replace("quota = 1", "quota = inf"), "limits[0].quota: inf is not a number"),
        (LIMIT.replace("60", "0"), "limits[0].window_s: a window of 0 s is out of range; allowed are 1 to 31536000"),
        (LIMIT.replace("60", "1.5"), "limits[0].window_s: 1.5 is not a time"),
        (LIMIT.replace("window_s = 60", 'window = "1w"'), "limits[0].window: '1w' is not a time"),
        (LIMIT.replace("window_s = 60", 'window = "366d"'), "limits[0].window: a window of 31622400 s is out of range"),
        (LIMIT.replace("window_s = 60", ""), "limits[0].window: write one of window"),
        (LIMIT + 'window = "1m"', "limits[0].window: write one of window"),
        (LIMIT + 'unit = "usd"', "limits[0].unit: 'usd' is not a unit; allowed are request, cents, tokens"),
        (LIMIT + "unit = []", "limits[0].unit: [] is not a unit"),
        (
            LIMIT + 'per = "team"',
            "limits[0].per: 'team' is not one of all, key, user, model, repository, property:<name>",
        ),
        (LIMIT + 'per = "property:"', "limits[0].per: 'property:' is not one of"),
        (LIMIT + "per = 1", "limits[0].per: 1 is not one of"),
        (LIMIT + 'usd = "1"', "limits[0].usd: no such key; allowed are name, quota"),
        (LIMIT + 'match = "x"', "limits[0].match: 'x' is not a table"),
        (
            LIMIT + "match = { users = 1 }",
            "limits[0].match.users: no such key; did you mean 'user'; allowed are user, repository, model, key_hash",
        ),
        (LIMIT + "match = { user = 1 }", "limits[0].match.user: 1 is not a text"),
        (LIMIT + 'match = { property = "x" }', "limits[0].match.property: 'x' is not a table"),
        (LIMIT + "match = { property.x = 1 }", "limits[0].match.property.x: 1 is not a text"),
        ('[[budgets]]\nname = "a"\nusd = 1', "budgets[0].period: missing; needed are name, usd, period"),
        (BUDGET.replace("usd = 1", "usd = 0"), "budgets[0].usd: 0 is not a budget"),
        (BUDGET.replace("day", "week"), "budgets[0].period: 'week' is not a period; allowed are day, month"),
        (BUDGET + "warn_at = 80", "budgets[0].warn_at: 80 is not a share; write above 0 and up to 1"),
        (BUDGET + 'hard = "yes"', "budgets[0].hard: 'yes' is neither true nor false"),
        (BUDGET + BUDGET, "budgets[1].name: 'a' is taken"),
        ("[limits_store]\nfail_closed = 1", "limits_store.fail_closed: 1 is neither true nor false"),
        (
            "[limits_store]\nfail_open = true",
            "limits_store.fail_open: no such key; did you mean 'fail_closed'; allowed are fail_closed",
        ),
    ],
)
def test_a_mistake_is_named_with_file_key_value_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'heliograph.toml'}: {message}")
