"""Limits and budgets of users whose ids become pseudonyms."""

from decimal import Decimal
from pathlib import Path

from addon.config.settings import load
from addon.limits.redacted import redacted_facts, redacted_rule
from addon.limits.rules import Budget, CallFacts, Match
from tests.redaction.redacting import SECRETS, redactor

REDACTOR = redactor()
MAIL = SECRETS["mail"]
FACTS = CallFacts(user=MAIL, properties={"customer": MAIL, "plan": "free"}, model="gpt-4o", repository="shop")


def test_keys_have_pseudonyms_in_the_place_of_secrets() -> None:
    facts = redacted_facts(REDACTOR, FACTS)
    for per in ("user", "property:customer"):
        key = Budget(name="each", usd=Decimal(1), period="day", per=per).key(facts)
        assert MAIL not in key
        assert key != Budget(name="each", usd=Decimal(1), period="day", per=per).key(
            redacted_facts(REDACTOR, CallFacts())
        )
    assert facts.properties["plan"] == "free"
    assert (facts.model, facts.repository) == ("gpt-4o", "shop")


def test_facts_of_a_call_and_of_its_row_have_the_same_keys() -> None:
    once = redacted_facts(REDACTOR, FACTS)
    assert redacted_facts(REDACTOR, once) == once


def test_a_rule_for_one_user_holds_for_that_users_pseudonym() -> None:
    match = Match(user=MAIL, properties=(("customer", MAIL),))
    rule = redacted_rule(REDACTOR, Budget(name="one", usd=Decimal(1), period="day", match=match))
    assert rule.match.covers(redacted_facts(REDACTOR, FACTS))
    assert not rule.match.covers(redacted_facts(REDACTOR, CallFacts(user="bob@example.org")))


def test_settings_redact_the_rules_that_name_somebody(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text(
        f"[redact]\n[[budgets]]\nname='one'\nusd=1\nperiod='day'\nmatch={{ user = '{MAIL}' }}\n"
    )
    (budget,) = load(tmp_path).budgets
    assert (budget.match.user or "").startswith("<mail:")
