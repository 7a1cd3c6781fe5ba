"""A tariff is a shortcut: a call that is priced by one costs what it would have cost without it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from itertools import pairwise

import pytest
from genai_prices import data_snapshot
from genai_prices import types as listed

from addon.metering.bill import Bill
from addon.metering.listed import find
from addon.metering.price import Cost, PriceList
from addon.metering.tariff import MOST_KINDS, Tariffs, Tier, tariff_of
from addon.providers import registry
from addon.providers.model import Provider, Usage

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
USAGES = (
    Usage(input_tokens=1234, output_tokens=567),
    Usage(input_tokens=98_765, output_tokens=1, cache_read_input_tokens=0, reasoning_output_tokens=0),
    Usage(input_tokens=5000, output_tokens=321, cache_read_input_tokens=1920, reasoning_output_tokens=128),
    Usage(input_tokens=900, output_tokens=10, cache_read_input_tokens=900, reasoning_output_tokens=10),
    Usage(
        input_tokens=30_000,
        output_tokens=44,
        cache_read_input_tokens=11_000,
        cache_creation_input_tokens=7000,
        cache_creation_1h_input_tokens=2500,
    ),
    Usage(input_tokens=10, output_tokens=5, cache_read_input_tokens=700),  # a part that is more than its whole
)


def bill(
    provider: Provider, model: str, usage: Usage, factors: dict[str, str] | None = None, at: datetime = NOON
) -> Bill:
    return Bill(
        provider=provider, host="", models=[model], usage=usage, factors=factors or {}, started_at=at, operation="chat"
    )


def longer(usage: Usage) -> Usage:
    return replace(usage, input_tokens=(usage.input_tokens or 0) + 1_000_000)


def of_the_list() -> Iterator[tuple[Provider, listed.ModelInfo]]:
    """Some models of each seller, those with tiers, variants and several prices first."""
    sellers = {seller.id: seller for seller in data_snapshot.get_snapshot().providers}
    for provider in registry.PROVIDERS:
        models = sellers[provider.prices].models if provider.prices in sellers else []
        yield from ((provider, model) for model in sorted(models, key=_plainness)[:2])


def _plainness(model: listed.ModelInfo) -> tuple[bool, bool]:
    first = model.prices if isinstance(model.prices, listed.ModelPrice) else model.prices[-1].prices
    return not any(isinstance(price, listed.TieredPrices) for price in vars(first).values()), not model.price_variants


@pytest.mark.parametrize("factors", [{}, {"service_tier": "flex"}], ids=str)
def test_the_next_call_of_a_kind_costs_what_it_would_have_cost_as_the_first(factors: dict[str, str]) -> None:
    known = PriceList()
    for provider, model in of_the_list():
        for usage in USAGES:
            for size in (
                longer(usage),
                usage,
                replace(usage, output_tokens=usage.output_tokens and 777),
                longer(usage),
            ):
                asked = bill(provider, model.id, size, factors)
                assert known.price(asked) == PriceList().price(asked), (provider.name, model.id, size)


def test_units_of_our_own_and_factors_that_multiply_cost_the_same_too() -> None:
    known = PriceList()
    anthropic = registry.by_name("anthropic")
    for number in (0, 1, 500, 1000, 1001):
        audio = replace(
            bill(registry.by_name("openai"), "gpt-4o-audio-preview", Usage(input_tokens=1000, output_tokens=20)),
            units={"input_audio_tokens": Decimal(number), "output_audio_tokens": Decimal(min(number, 20))},
        )
        regional = bill(
            anthropic, "claude-opus-4-6", Usage(input_tokens=number, output_tokens=3), {"inference_geo": "us"}
        )
        for asked in (audio, regional):
            assert known.price(asked) == PriceList().price(asked)


def test_a_price_that_depends_on_the_hour_is_that_of_the_call() -> None:
    known = PriceList()
    provider = registry.by_name("deepseek")
    for hour in range(24):
        at = NOON.replace(hour=hour, minute=30)
        for model in ("deepseek-chat", "deepseek-reasoner"):
            asked = bill(provider, model, USAGES[0], at=at)
            assert known.price(asked) == PriceList().price(asked)


def test_no_price_of_the_list_begins_within_a_minute() -> None:
    constraints = (
        price.constraint
        for seller in data_snapshot.get_snapshot().providers
        for model in seller.models
        for price in (*(model.prices if isinstance(model.prices, list) else ()), *(model.price_variants or ()))
    )
    times = [
        moment
        for constraint in constraints
        if isinstance(constraint, listed.TimeOfDateConstraint)
        for moment in (constraint.start_time, constraint.end_time)
    ]
    assert times
    assert all((moment.second, moment.microsecond) == (0, 0) for moment in times if isinstance(moment, time))


def test_a_tier_holds_up_to_its_last_token() -> None:
    tiers = [
        model.tier(Decimal(length))
        for length in (1, 200_000, 200_001)
        if (model := find("google", ["gemini-2.5-pro"], NOON))
    ]
    assert tiers == [Tier(None, Decimal(200_000)), Tier(None, Decimal(200_000)), Tier(Decimal(200_000), None)]
    for one, other in pairwise(tiers[1:]):
        assert one.holds(Decimal(200_000)) and not other.holds(Decimal(200_000))


def test_a_cost_that_is_not_a_rate_for_each_token_gets_no_tariff() -> None:
    counts = {"input_tokens": Decimal(50), "output_tokens": Decimal(9)}
    assert tariff_of(counts, "list", Tier(), lambda counts: counts["input_tokens"] ** 2) is None
    assert tariff_of(counts, "list", Tier(), lambda counts: 2 * counts["input_tokens"] + 7) is not None
    assert tariff_of(counts, "list", Tier(), lambda _: None) is None


def test_kinds_are_forgotten_before_they_fill_the_memory() -> None:
    tariffs = Tariffs()
    for number in range(MOST_KINDS + 1):
        tariffs.has_no_price(number, "no price")
    assert tariffs.reason(0) is None
    assert tariffs.reason(MOST_KINDS) == "no price"


def test_why_there_is_no_price_is_the_same_for_each_call_of_a_kind() -> None:
    known = PriceList()
    asked = bill(registry.by_name("openai"), "no-such-model", USAGES[0])
    reasons = [known.price(asked) for _ in range(2)]
    assert reasons == [Cost(None, None, "no price for model no-such-model")] * 2
