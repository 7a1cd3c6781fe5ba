"""Our table of prices: a wrong entry is named and left out, the others stay."""

from datetime import date

import pytest

from addon.metering.own_prices import MOST_NAMES, own_prices, parse_own_prices

GOOD = """
[[price]]
provider = "openai"
models = ["painter-*"]
usd = { images = 0.04 }
source = "https://example.org"
read = 2026-11-21
"""
WRONG = {
    "no unit": GOOD.replace("usd = { images = 0.04 }", ""),
    "a price in words": GOOD.replace("0.04", '"four cents"'),
    "a negative price": GOOD.replace("0.04", "-0.04"),
    "not a number": GOOD.replace("0.04", "nan"),
    "no list of models": GOOD.replace('["painter-*"]', '"painter-*"'),
    "a model that is a number": GOOD.replace('["painter-*"]', "[4]"),
    "a moment as a day": GOOD.replace("2026-11-21", "2026-11-21T00:00:00Z"),
    "a condition that is a number": GOOD + "when = { quality = 1 }",
    "a condition that nothing fulfils": GOOD + "when = { quality = [] }",
    "a condition that is a list of numbers": GOOD + "when = { quality = [1] }",
    "an unknown key": GOOD + "instaed = true",
    "a factor without values": '[[factor]]\nprovider = "*"\nname = "route"\nmultiply = 2',
    "a pattern that is none": '[[alias]]\nprovider = "*"\npattern = "("\nname = "x"\nsource = "s"',
    "a template without its group": '[[alias]]\nprovider = "*"\npattern = "a"\nname = \'\\2\'\nsource = "s"',
    "a part without models": '[[as_whole]]\nprovider = "openai"\nunits = ["input_text_tokens"]\nsource = "s"',
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_entry_is_named_and_the_others_stay(wrong: str) -> None:
    for text in (GOOD + wrong, wrong + "\n" + GOOD):
        table = parse_own_prices(text)
        assert len(table.prices) == 1 and not table.factors and not table.aliases and not table.as_whole
        (problem,) = table.problems
        assert "prices.toml: " in problem and problem.endswith("; skipped")


def test_a_table_that_is_not_toml_is_named_and_empty() -> None:
    table = parse_own_prices(GOOD + "[[price")
    assert table.prices == () and len(table.problems) == 1
    assert parse_own_prices("price = 3").problems


def test_the_shipped_table_has_no_wrong_entry() -> None:
    assert own_prices().problems == ()


def test_an_alias_that_matches_its_own_name_has_an_end() -> None:
    alias = '[[alias]]\nprovider = "*"\npattern = "(.*)"\nname = \'\\1x\'\nsource = "s"'
    assert len(parse_own_prices(alias).names("openai", "m")) == MOST_NAMES + 1


@pytest.mark.parametrize(
    ("region", "holds"),
    [("eu-west-1", True), ("eu-", True), ("ap-south-1", True), ("ap-south-2", False), ("", False), (None, False)],
)
def test_a_condition_holds_for_each_of_its_values(region: str | None, holds: bool) -> None:
    table = parse_own_prices(GOOD + 'when = { region = ["eu-*", "ap-south-1"] }')
    factors = {} if region is None else {"region": region}
    found = table.find("openai", ["painter-1"], "images", factors, date(2026, 11, 23))
    assert (found is not None) is holds
