"""What a call cost, in nano-USD: by the user's own prices, else by genai-prices at the time of the call.

Exact decimals, rounded once, half to even. What we know to change the price and cannot price makes the cost None, with
the reason; a None is listed by `heliograph doctor`, a wrong number by nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import genai_prices
from genai_prices import data_snapshot
from genai_prices import types as listed

from addon.metering.overrides import PriceOverride, find_override
from addon.providers.fields import at, count
from addon.providers.model import Json, Provider, Usage

LIST_NAME: Final = f"genai-prices {genai_prices.__version__}"
NANO: Final = Decimal(10) ** 9
# Tiers and speeds that mean the list's standard price. `auto` is what was asked for, not what was served.
STANDARD: Final = frozenset({"auto", "default", "standard", "on_demand"})
# Anthropic: US-only inference is 1.1 times all token prices. https://platform.claude.com/docs/en/about-claude/pricing
US_INFERENCE: Final = Decimal("1.1")


@dataclass(frozen=True, slots=True)
class Cost:
    """`nanousd` None means unknown, and `reason` then says why."""

    nanousd: int | None
    source: str | None
    reason: str | None


FREE: Final = Cost(0, "free", None)


def stated(nanousd: int | None, otherwise: str) -> Cost:
    """The cost that a call is said to have; `otherwise` is the reason why it has none."""
    return Cost(None, None, otherwise) if nanousd is None else Cost(nanousd, "provider", None)


class _Unpriced(Exception):
    """The reason why this call has no price."""


class PriceList:
    def __init__(self, overrides: Sequence[PriceOverride] = ()) -> None:
        self._overrides = tuple(overrides)
        self._list = data_snapshot.get_snapshot()

    def price(
        self,
        *,
        provider: Provider,
        host: str,
        models: Sequence[str | None],
        usage: Usage | None,
        usage_raw: Json,
        factors: Mapping[str, str],
        started_at: datetime,
        operation: str,
        stated_nanousd: int | None = None,
    ) -> Cost:
        """`models`: the names to try, best first; `host`: the one the caller named; `factors`: Reading.price_factors;
        `stated_nanousd`: what the call is said to have cost."""
        names = [name for name in models if name]
        if usage is None:
            return stated(stated_nanousd, "usage unknown")
        for name in names:
            if override := find_override(self._overrides, provider, name, started_at.astimezone(UTC).date()):
                usd = override.cost_usd(usage)
                return Cost(None, None, usd) if isinstance(usd, str) else _cost(usd, f"override {override.name}")
        if stated_nanousd is not None:
            return stated(stated_nanousd, "")
        try:
            _refuse_host(provider, host)
            seller, model = self._find(provider, names)
            _refuse_tools(factors, usage_raw, model)
            context = _context(factors, seller, model, started_at)
            counts = _counts(usage, usage_raw, factors)
            _refuse_gaps(counts, model.get_prices(started_at, context), operation, model)
            if context:
                _refuse_partial_variant(counts, context, model, started_at)
            return _cost(_usd(counts, model, seller, started_at, context, factors), LIST_NAME)
        except _Unpriced as unpriced:
            return Cost(None, None, str(unpriced))

    def _find(self, provider: Provider, names: Sequence[str]) -> tuple[listed.Provider, listed.ModelInfo]:
        if provider.prices is None:
            raise _Unpriced(f"no price list for provider {provider.name}")
        for name in names:
            try:
                return self._list.find_provider_model(name, None, provider.prices, None)
            except LookupError:
                continue
        raise _Unpriced(f"no price for model {names[0]}" if names else "no model stated")


def _cost(usd: Decimal, source: str) -> Cost:
    return Cost(int((usd * NANO).to_integral_value(ROUND_HALF_EVEN)), source, None)


def _usd(
    counts: Mapping[str, int],
    model: listed.ModelInfo,
    seller: listed.Provider,
    started_at: datetime,
    context: Mapping[str, str],
    factors: Mapping[str, str],
) -> Decimal:
    def total(of: Mapping[str, int]) -> Decimal:
        try:
            usage = listed.Usage(**of)
            return model.calc_price(
                usage, seller, genai_request_timestamp=started_at, price_context=context
            ).total_price
        except ValueError as error:  # counts that contradict each other, or that its units cannot tell apart
            raise _Unpriced(str(error)) from error

    match factors.get("inference_geo"):
        case None | "" | "global" | "not_available":
            return total(counts)
        case "us":
            of_tokens = total({key: number for key, number in counts.items() if key.endswith("_tokens")})
            return of_tokens * US_INFERENCE + (total(counts) - of_tokens)
        case region:
            raise _Unpriced(f"no price for inference_geo {region}")


def _counts(usage: Usage, raw: Json, factors: Mapping[str, str]) -> dict[str, int]:
    """The stated counts under genai-prices' names. One that is not stated is left out: it would infer a 0."""
    details_in = at(raw, "prompt_tokens_details") or at(raw, "input_tokens_details")
    details_out = at(raw, "completion_tokens_details") or at(raw, "output_tokens_details")
    searches = count(at(raw, "server_tool_use", "web_search_requests")) or int(factors.get("web_searches", 0))
    stated = {
        "input_tokens": usage.input_tokens,
        "cache_read_tokens": usage.cache_read_input_tokens,
        "cache_write_tokens": usage.cache_creation_input_tokens,
        "cache_write_1h_tokens": usage.cache_creation_1h_input_tokens,
        "output_tokens": usage.output_tokens,
        "output_reasoning_tokens": usage.reasoning_output_tokens,
        "input_audio_tokens": count(at(details_in, "audio_tokens")) or None,
        "output_audio_tokens": count(at(details_out, "audio_tokens")) or None,
        "web_searches": searches or None,
        "storage_searches": int(factors.get("file_searches", 0)) or None,
    }
    return {key: number for key, number in stated.items() if number is not None}


def _context(
    factors: Mapping[str, str], seller: listed.Provider, model: listed.ModelInfo, started_at: datetime
) -> dict[str, str]:
    """What picks a price variant. A variant that the list does not have at that time makes the call unpriced."""
    wanted = {key: value for key in ("service_tier", "speed") if (value := factors.get(key, "default")) not in STANDARD}
    if wanted.get("service_tier") == "batch":
        del wanted["service_tier"]
        wanted["processing"] = "batch"
    for key, value in wanted.items():
        # For a model of another seller genai-prices would leave the variants out without a word.
        if not any(model is own for own in seller.models) or not _variants(model, {key: value}, started_at):
            raise _Unpriced(f"no price for {key} {value} of model {model.id} at that time")
    if len(wanted) > 1:
        raise _Unpriced(f"no price for {' with '.join(f'{key} {value}' for key, value in wanted.items())}")
    return wanted


def _variants(model: listed.ModelInfo, context: Mapping[str, str], at_time: datetime) -> list[listed.PriceVariant]:
    return [
        variant
        for variant in model.price_variants or ()
        if variant.when == context and (variant.constraint is None or variant.constraint.active(at_time))
    ]


def _refuse_host(provider: Provider, host: str) -> None:
    if provider.name != "openai" or host in ("", "api.openai.com"):
        return
    if host.endswith(".api.openai.com"):
        raise _Unpriced(f"no price for the regional host {host}")
    raise _Unpriced(f"calls to {host} are paid by a plan, not by tokens")


def _refuse_tools(factors: Mapping[str, str], raw: Json, model: listed.ModelInfo) -> None:
    """Fees whose size the answer does not tell. https://openai.com/api/pricing, https://platform.claude.com/docs pricing"""
    used = at(raw, "server_tool_use")
    for name, uses in used.items() if isinstance(used, dict) else ():
        if count(uses) and name not in ("web_search_requests", "web_fetch_requests"):  # a fetch costs its tokens only
            raise _Unpriced(f"no price for {name}")
    if tool := factors.get("tool"):
        raise _Unpriced(f"no price for {tool}: it is charged beside the tokens")
    if kinds := factors.get("iterations"):
        raise _Unpriced(f"no price for {kinds} iterations: their tokens are not in the total")
    if factors.get("web_search") == "preview":
        raise _Unpriced("no price for web_search_preview: its fee differs between models")
    if "web_searches" in factors and model.id in ("gpt-4o-mini", "gpt-4.1-mini"):
        raise _Unpriced(f"no price for web searches of {model.id}: a fixed block of tokens each, in no usage")
    if "-search-" in model.id:
        raise _Unpriced(f"no price for the searches of {model.id}: their number is in no answer")


def _refuse_gaps(counts: Mapping[str, int], prices: listed.ModelPrice, operation: str, model: listed.ModelInfo) -> None:
    """genai-prices charges a part without a price of its own as the whole it belongs to. Right for cached tokens (no
    discount) and cache writes (free where they have no price), wrong for these."""
    needed = {
        "input_tokens": prices.input_mtok,
        "output_tokens": prices.output_mtok,
        "cache_write_1h_tokens": prices.cache_write_1h_mtok,
        "input_audio_tokens": prices.input_audio_mtok,
        "output_audio_tokens": prices.output_audio_mtok,
        "web_searches": prices.web_searches_kcount,
        "storage_searches": prices.storage_searches_kcount,
    }
    for key, price in needed.items():
        if counts.get(key) and price is None:
            raise _Unpriced(f"no price for {key} of model {model.id}")
    if "input_tokens" not in counts:
        raise _Unpriced("input tokens unknown")
    if "output_tokens" not in counts and operation != "embeddings":
        raise _Unpriced("output tokens unknown")


def _refuse_partial_variant(
    counts: Mapping[str, int], context: Mapping[str, str], model: listed.ModelInfo, started_at: datetime
) -> None:
    """A tier's price list that leaves a kind of token out would charge it as the standard tier does."""
    standard = model.get_prices(started_at)
    variants = _variants(model, context, started_at)
    for key, price_key in (
        ("input_tokens", "input_mtok"),
        ("output_tokens", "output_mtok"),
        ("cache_read_tokens", "cache_read_mtok"),
        ("cache_write_tokens", "cache_write_mtok"),
        ("cache_write_1h_tokens", "cache_write_1h_mtok"),
    ):
        listed_there = any(getattr(variant.prices, price_key) is not None for variant in variants)
        if counts.get(key) and getattr(standard, price_key) is not None and not listed_there:
            tier = ", ".join(f"{name} {value}" for name, value in context.items())
            raise _Unpriced(f"no price for {key} of model {model.id} with {tier}")
