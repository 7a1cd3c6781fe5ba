from dataclasses import replace
from datetime import date
from decimal import Decimal

from addon.commands.explain import lines_of
from addon.metering.counts import TOKEN_UNITS
from addon.metering.explain import explain_row
from addon.metering.overrides import PriceOverride
from addon.metering.own_prices import own_prices, parse_own_prices
from addon.metering.price import PriceList
from addon.metering.price_catalogue import known_prices
from addon.metering.units import PARTS, UNITS
from addon.providers import registry
from addon.settling.rows import make_rows
from addon.storage.record import RequestRow
from tests.providers.cases.reading import FOLDER, read_case

PRICES = PriceList()


def row_of(case: str) -> RequestRow:
    return make_rows(read_case(FOLDER / case).call(), PRICES)[0]


def test_a_cost_is_told_unit_by_unit() -> None:
    explained = explain_row(row_of("openai/chat.toml"), PRICES)
    assert [(line.unit, line.count, line.price_usd, line.usd) for line in explained.lines] == [
        ("input_tokens", Decimal(86), Decimal("2.5"), Decimal("0.000215")),
        ("output_tokens", Decimal(300), Decimal(10), Decimal("0.003")),
        ("cache_read_tokens", Decimal(1920), Decimal("1.25"), Decimal("0.0024")),
    ]
    assert explained.nanousd == 5_615_000


def test_the_work_of_another_model_is_told_at_its_own_price() -> None:
    explained = explain_row(row_of("anthropic/messages_advisor.toml"), PRICES)
    assert [(line.unit, line.count, line.price_usd) for line in explained.lines] == [
        ("input_tokens", Decimal(1760), Decimal(1)),
        ("output_tokens", Decimal(531), Decimal(5)),
        ("cache_read_tokens", Decimal(412), Decimal("0.1")),
        ("input_tokens of claude-opus-4-8", Decimal(823), Decimal(5)),
        ("output_tokens of claude-opus-4-8", Decimal(1612), Decimal(25)),
    ]
    assert explained.nanousd == 48_871_200
    assert (explained.source or "").count("genai-prices") == 1


def test_a_users_price_of_one_of_several_models_is_its_own_only() -> None:
    row = row_of("anthropic/messages_advisor.toml")
    override = PriceOverride(
        provider="anthropic",
        model="claude-opus-4-8",
        input_usd_per_million=Decimal(1),
        output_usd_per_million=Decimal(2),
        name="contract",
    )
    explained = explain_row(row, PriceList([override]))
    assert explained.nanousd == 4_456_200 + 823_000 + 2 * 1_612_000
    assert (explained.source or "").endswith(" + override contract")


def test_what_multiplies_a_price_is_told_with_its_source() -> None:
    row = row_of("anthropic/messages_us_search.toml")
    explained = explain_row(row, PRICES)
    notes = {line.unit: line.note for line in explained.lines}
    assert notes["web_searches"] == ""
    assert "x 1.1 inference_geo us (https://" in notes["input_tokens"]
    assert lines_of(row, explained)[-1].startswith("  cost: 0.018250000 USD (genai-prices ")


def test_a_call_on_a_plan_says_what_it_would_have_cost() -> None:
    row = row_of("openai/codex_on_a_plan.toml")
    assert "would have cost 0.000786000 USD" in lines_of(row, explain_row(row, PRICES))[-1]


def test_without_a_price_the_reason_is_told() -> None:
    for case, reason in (
        ("openai/rate_limited.toml", "nothing is charged"),
        ("openai/usage_that_does_not_hold.toml", "reasoning tokens are more"),
        ("rack/rack.toml", "no price list for provider rack"),
    ):
        row = row_of(case)
        assert reason in (explain_row(row, PRICES).reason or "")


def test_every_entry_of_our_table_can_be_read_and_says_where_it_is_from() -> None:
    table = own_prices()
    assert all(price.source.startswith("https://") for price in table.prices)
    assert all(factor.source for factor in table.factors) and all(alias.source for alias in table.aliases)
    named = [*(price.provider for price in table.prices), *(factor.provider for factor in table.factors)]
    assert {*named, *(alias.provider for alias in table.aliases)} <= {"*", *registry.BY_NAME}
    units = {unit for price in table.prices for unit in price.usd}
    assert units <= {*UNITS, *PARTS, *TOKEN_UNITS.values()}


IMAGES = parse_own_prices("""
[[price]]
provider = "openai"
models = ["painter-*"]
usd = { images = 0.04 }
from = 2026-01-01
source = "https://example.org"
read = 2026-11-21

[[price]]
provider = "openai"
models = ["painter-*"]
when = { quality = "hd" }
usd = { images = 0.08 }
from = 2026-01-01
until = 2026-06-01
source = "https://example.org"
read = 2026-11-21
""")


def test_of_our_prices_the_one_with_most_conditions_counts_on_its_days() -> None:
    def price(quality: str, on: date) -> Decimal | None:
        found = IMAGES.find("openai", ["painter-3"], "images", {"quality": quality}, on)
        return found.usd["images"] if found else None

    assert price("hd", date(2026, 5, 31)) == Decimal("0.08")
    assert price("hd", date(2026, 6, 1)) == Decimal("0.04")
    assert price("standard", date(2026, 5, 31)) == Decimal("0.04")
    assert price("standard", date(2025, 12, 31)) is None


def test_a_model_has_other_names() -> None:
    assert own_prices().names("gemini", "models/gemini-2.5-pro")[1:] == ["gemini-2.5-pro"]
    assert own_prices().names("openrouter", "openai/gpt-4o:nitro")[1:] == ["openai/gpt-4o"]
    assert own_prices().names("openrouter", "openai/gpt-4o:free")[1:] == []


def test_what_is_known_of_a_model_depends_on_the_day() -> None:
    def of_input(on: date) -> Decimal:
        found = known_prices([registry.BY_NAME["openai"]], "o3", on, own_prices())
        return next(price.usd for price in found if price.unit == "input_tokens" and not price.condition)

    assert (of_input(date(2025, 5, 1)), of_input(date(2025, 7, 1))) == (Decimal(10), Decimal(2))


def test_a_cost_by_the_callers_name_of_the_model_is_explained_by_that_name() -> None:
    call = read_case(FOLDER / "openai/chat.toml").call()
    call = replace(call, start=replace(call.start, model_override="gpt-5"))
    row, _ = make_rows(call, PRICES)
    explained = explain_row(row, PRICES)
    assert row.price_factors["model_override"] == "gpt-5"
    assert explained.nanousd == row.cost_nanousd
    assert explained.lines[0].price_usd == Decimal("1.25")
