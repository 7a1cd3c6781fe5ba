from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.metering.bill import Bill
from addon.metering.lines import nanousd, total_usd
from addon.metering.overrides import PriceOverride
from addon.metering.price import FREE, Cost, PriceList
from addon.providers import anthropic, openai, registry
from addon.providers.model import Provider, Reading, Usage
from tests.config.sections import section
from tests.providers.bodies import CHAT, MESSAGE, RESPONSE
from tests.providers.test_openai import read_json

NOVEMBER = datetime(2026, 11, 1, 12, tzinfo=UTC)
LISTED = f"genai-prices {genai_prices.__version__}"
PRICES = PriceList()


def cost(
    provider: Provider = openai.PROVIDER,
    model: str | None = "gpt-4o",
    usage: Usage | None = None,
    *,
    prices: PriceList = PRICES,
    host: str = "",
    units: Mapping[str, int | Decimal | None] | None = None,
    at: datetime = NOVEMBER,
    operation: str = "chat",
    **factors: str,
) -> Cost:
    usage = usage or Usage(input_tokens=1000, output_tokens=100)
    counts = {unit: None if number is None else Decimal(number) for unit, number in (units or {}).items()}
    bill = Bill(
        provider=provider,
        host=host,
        models=[None, model],
        usage=usage,
        units=counts,
        factors=factors,
        started_at=at,
        operation=operation,
    )
    priced = prices.price(bill)
    if priced.nanousd is not None:  # the arithmetic that `heliograph explain` prints is the cost
        assert nanousd(total_usd(prices.lines(bill)[0])) == priced.nanousd
    return priced


def cost_of(provider: Provider, reading: Reading, **more: Any) -> Cost:
    given: dict[str, Any] = {**reading.price_factors, **more}
    return cost(provider, reading.response_model, reading.usage, units=reading.units, **given)


def test_cached_tokens_of_openai_are_charged_once() -> None:
    # gpt-4o, USD per million: 2.50 in, 1.25 cached, 10 out: 86 * 2.5 + 1920 * 1.25 + 300 * 10 = 5615
    assert cost_of(openai.PROVIDER, read_json("/v1/chat/completions", CHAT)) == Cost(5_615_000, LISTED, None)


def test_a_response_is_charged_by_its_own_model() -> None:
    # gpt-5: 200 * 1.25 + 128 * 0.125 + 52 * 10 = 786
    assert cost_of(openai.PROVIDER, read_json("/v1/responses", RESPONSE)).nanousd == 786_000


def test_anthropics_hour_long_writes_and_searches_have_their_own_price() -> None:
    # claude-sonnet-4-5: 100 * 3 + 20000 * 0.3 + 1000 * 3.75 + 2000 * 6 + 503 * 15 = 29595, and one search of 0.01 USD
    assert cost_of(anthropic.PROVIDER, anthropic.read_json(MESSAGE)).nanousd == 29_595_000 + 10_000_000


def test_embeddings_have_no_output_to_charge() -> None:
    usage = Usage(input_tokens=8)
    assert cost(model="text-embedding-3-small", usage=usage, operation="embeddings").nanousd == 160
    assert cost(model="gpt-4o", usage=usage).reason == "output tokens unknown"


def test_the_price_is_that_of_the_day() -> None:
    assert cost(model="o3", at=datetime(2025, 5, 1, tzinfo=UTC)).nanousd == 14_000_000  # 10 in, 40 out
    assert cost(model="o3", at=datetime(2025, 7, 1, tzinfo=UTC)).nanousd == 2_800_000  # 2 in, 8 out


def test_a_long_prompt_has_the_price_of_long_prompts() -> None:
    usage = Usage(input_tokens=300_000, output_tokens=1000)
    assert cost(model="gpt-5.4", usage=usage).nanousd == (300_000 * 5 + 22_500) * 1000


def test_the_first_model_that_has_a_price_counts() -> None:
    priced = PRICES.price(
        Bill(
            provider=openai.PROVIDER,
            host="api.openai.com",
            models=[None, "my-deployment", "gpt-4o", "gpt-5"],
            usage=Usage(input_tokens=1_000_000, output_tokens=0),
            factors={},
            started_at=NOVEMBER,
            operation="chat",
        )
    )
    assert priced.nanousd == 2_500_000_000


def test_a_tier_has_its_price_from_the_day_it_is_known() -> None:
    assert cost(model="gpt-5", service_tier="flex").nanousd == (1000 * 625 + 100 * 5000)
    assert cost(model="gpt-5", service_tier="default") == cost(model="gpt-5")
    early = cost(model="gpt-5", service_tier="flex", at=datetime(2026, 9, 1, tzinfo=UTC))
    assert early == Cost(None, None, "no price for service_tier flex of model gpt-5 at that time")


def test_fast_and_us_inference_are_charged() -> None:
    assert cost(anthropic.PROVIDER, "claude-opus-5", speed="fast").nanousd == 1000 * 10_000 + 100 * 50_000
    assert cost(anthropic.PROVIDER, "claude-opus-4-6", inference_geo="us").nanousd == 8_250_000  # (5000 + 2500) * 1.1
    searched = cost(
        anthropic.PROVIDER,
        "claude-opus-4-6",
        inference_geo="us",
        units={"web_searches": 1},
    )
    assert searched.nanousd == 8_250_000 + 10_000_000  # the region's factor is for tokens only


def test_searches_of_openai_are_charged_by_their_number() -> None:
    assert cost(model="gpt-5", units={"web_searches": 2}).nanousd == 1_250_000 + 1_000_000 + 20_000_000


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"model": "my-own"}, "no price for model my-own"),
        ({"model": None}, "no model stated"),
        ({"usage": Usage(output_tokens=5)}, "input tokens unknown"),
        ({"usage": Usage(input_tokens=5, cache_read_input_tokens=6, output_tokens=1)}, "cannot exceed"),
        ({"model": "chatgpt-4o-latest", "region": "eu"}, "no price for region eu"),
        ({"host": "chatgpt.com"}, "paid by a plan"),
        ({"service_tier": "scale"}, "service_tier scale"),
        ({"tool": "code_interpreter_call"}, "code_interpreter_call"),
        ({"model": "gpt-4o-search-preview"}, "searches"),
        ({"model": "gpt-4o-mini", "units": {"web_searches": 1}}, "fixed block"),
        ({"units": {"web_searches": 1}, "web_search": "preview"}, "web_search preview"),
        (
            {"model": "gpt-4.1", "units": {"input_audio_tokens": 9}},
            "input_audio_tokens",
        ),
        ({"provider": anthropic.PROVIDER, "model": "claude-sonnet-5", "speed": "fast"}, "speed fast"),
        (
            {"provider": anthropic.PROVIDER, "model": "claude-sonnet-5", "service_tier": "priority"},
            "service_tier priority",
        ),
        ({"provider": anthropic.PROVIDER, "model": "claude-sonnet-5", "inference_geo": "eu"}, "inference_geo eu"),
        ({"provider": anthropic.PROVIDER, "model": "claude-sonnet-5", "iterations": "compaction"}, "compaction"),
        (
            {
                "provider": anthropic.PROVIDER,
                "model": "claude-sonnet-5",
                "units": {"code_executions": 1},
            },
            "code_executions",
        ),
        ({"provider": registry.BY_NAME["vllm"], "model": "gpt-4o"}, "no price list for provider vllm"),
    ],
)
def test_what_cannot_be_priced_costs_null_and_says_why(given: dict[str, Any], reason: str) -> None:
    unpriced = cost(**given)
    assert (unpriced.nanousd, unpriced.source) == (None, None)
    assert unpriced.reason and reason in unpriced.reason


def test_unknown_usage_has_no_cost_and_free_is_zero() -> None:
    unknown = PRICES.price(
        Bill(
            provider=openai.PROVIDER,
            host="",
            models=["gpt-4o"],
            usage=None,
            factors={},
            started_at=NOVEMBER,
            operation="chat",
        )
    )
    assert unknown == Cost(None, None, "usage unknown")
    assert Cost(0, "free", None) == FREE


RACK = {"provider": "vllm", "model": "llama-*", "input_usd_per_million": 0.2, "output_usd_per_million": 1}


def overridden(usage: Usage, *tables: dict[str, Any], model: str = "llama-3.3-70b", **more: Any) -> Cost:
    return cost(registry.BY_NAME["vllm"], model, usage, prices=PriceList(section("prices", tables)), **more)


def test_an_override_prices_what_no_list_knows() -> None:
    usage = Usage(input_tokens=1000, cache_read_input_tokens=600, output_tokens=10)
    assert overridden(usage, RACK) == Cost(210_000, "override vllm/llama-*", None)
    cached = RACK | {"cached_input_usd_per_million": 0.0, "name": "rack 4"}
    assert overridden(usage, cached) == Cost(90_000, "override rack 4", None)  # a price of 0 is a price
    assert overridden(usage, RACK, model="mistral").nanousd is None


def test_an_override_wins_over_the_list() -> None:
    table = {"provider": "oai", "model": "gpt-4o", "input_usd_per_million": 1, "output_usd_per_million": 0}
    assert cost(prices=PriceList(section("prices", [table]))) == Cost(1_000_000, "override oai/gpt-4o", None)


def test_an_override_does_not_win_over_a_stated_cost_where_it_has_nothing_to_price() -> None:
    table = {"provider": "oai", "model": "gpt-4o", "input_usd_per_million": 1, "output_usd_per_million": 0}
    bill = Bill(
        provider=openai.PROVIDER,
        host="",
        models=["gpt-4o"],
        usage=None,
        started_at=NOVEMBER,
        operation="chat",
        stated_nanousd=7,
    )
    prices = PriceList(section("prices", [table]))
    assert prices.price(bill) == Cost(7, "provider", None)
    lines, source = prices.lines(bill)
    assert (nanousd(total_usd(lines)), source) == (7, "provider")


def test_of_several_overrides_the_one_that_says_most_counts() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    tables: list[dict[str, Any]] = [
        RACK | {"name": "exact", "model": "Llama-3.3-70b", "from": NOVEMBER.date()},
        RACK | {"name": "wide"},
        RACK | {"name": "long", "model": "llama-3.3-*"},
    ]
    assert overridden(usage, *tables).source == "override exact"
    assert overridden(usage, *tables, at=datetime(2026, 10, 31, tzinfo=UTC)).source == "override long"
    assert overridden(usage, *tables, model="llama-4").source == "override wide"


def test_an_hour_long_write_is_not_priced_as_one_of_five_minutes() -> None:
    usage = Usage(input_tokens=10, cache_creation_input_tokens=10, cache_creation_1h_input_tokens=4, output_tokens=0)
    table = RACK | {"cache_creation_usd_per_million": 1}
    assert "cache_creation_1h_usd_per_million" in (overridden(usage, table).reason or "")
    assert overridden(usage, table | {"cache_creation_1h_usd_per_million": 2}).nanousd == 6 * 1000 + 4 * 2000


@pytest.mark.parametrize(("tokens", "nanousd"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_a_cost_is_rounded_once_half_to_even(tokens: int, nanousd: int) -> None:
    half = RACK | {"input_usd_per_million": 0.0005}  # half a nano-USD per token
    assert overridden(Usage(input_tokens=tokens, output_tokens=0), half).nanousd == nanousd


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"input": 1}, r"prices\[0\].input: no such key; allowed are provider, model"),
        ({"provider": ""}, r"prices\[0\].provider: '' is not a name"),
        ({"input_usd_per_million": -1}, r"prices\[0\].input_usd_per_million: -1 is not a price"),
        ({"output_usd_per_million": "free"}, r"output_usd_per_million: 'free' is not a price"),
        ({"output_usd_per_million": True}, r"true is not a price"),
        ({"output_usd_per_million": float("nan")}, r"nan is not a price"),
        ({"from": "2026-11-01"}, r"from: '2026-11-01' is not a date; write e.g. from = 2026-11-01"),
    ],
)
def test_a_wrong_override_is_named_with_what_is_allowed(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        section("prices", [RACK | change])


def test_an_override_without_a_price_is_refused() -> None:
    with pytest.raises(ValueError, match=r"prices\[0\].input_usd_per_million: missing"):
        section("prices", [{"provider": "vllm", "model": "*"}])


tokens = st.integers(0, 10**7) | st.none()


@given(tokens, tokens, tokens, tokens, tokens, st.sampled_from(["claude-sonnet-4-5", "claude-haiku-5-5", "claude-2"]))
def test_any_numbers_give_a_cost_or_a_reason(
    whole: int | None, read: int | None, made: int | None, made_1h: int | None, out: int | None, model: str
) -> None:
    usage = Usage(
        input_tokens=whole,
        cache_read_input_tokens=read,
        cache_creation_input_tokens=made,
        cache_creation_1h_input_tokens=made_1h,
        output_tokens=out,
    )
    override = PriceOverride(provider="vllm", model="*", input_usd_per_million=Decimal(1), name="x")
    for priced in (
        cost(anthropic.PROVIDER, model, usage),
        cost(registry.BY_NAME["vllm"], "m", usage, prices=PriceList([override])),
    ):
        assert (priced.nanousd is None) == (priced.reason is not None)
        assert priced.nanousd is None or priced.nanousd >= 0


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_cached_token_never_costs_more_than_a_fresh_one(fresh: int, cached: int) -> None:
    with_cache = cost(usage=Usage(input_tokens=fresh + cached, cache_read_input_tokens=cached, output_tokens=0)).nanousd
    without = cost(usage=Usage(input_tokens=fresh + cached, output_tokens=0)).nanousd
    assert with_cache is not None and without is not None and with_cache <= without
