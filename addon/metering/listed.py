"""genai-prices: the price of a model at a moment, and what its units cost. Exact decimals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import genai_prices
from genai_prices import data_snapshot
from genai_prices import types as listed
from genai_prices.data_units import unit_data

from addon.metering.lines import Line
from addon.metering.tariff import Tier
from addon.metering.unpriced import Unpriced

# Their batches read the cache at the standard price, where the list has no other: so its comments say for each model.
CACHE_AT_STANDARD: Final = frozenset({"google"})
_INSTALLED: Final = f"genai-prices {genai_prices.__version__}"
_name = _INSTALLED
# Every unit it can price: usage key -> (price key, how many of them a price is for).
UNITS: Final[dict[str, tuple[str, int]]] = {key: (unit["price_key"], unit["per"]) for key, unit in unit_data.items()}
# A part of the tokens without a price of its own is charged as the whole it belongs to. Right for cached tokens (no
# discount), cache writes (free where they have no price), text, images and video that are sent; wrong for these.
NEEDS_OWN_PRICE: Final = frozenset(
    {
        *("input_tokens", "output_tokens", "cache_write_1h_tokens"),
        *("input_audio_tokens", "output_audio_tokens", "output_image_tokens", "output_video_tokens"),
        *(key for key, unit in unit_data.items() if unit["dimensions"]["family"] != "tokens"),
    }
)
# What is charged beside tokens, characters and seconds.
FEES: Final = frozenset(
    {"web_searches_kcount", "storage_searches_kcount", "social_searches_kcount", "code_executions_kcount"}
)


def list_name() -> str:
    """The list in use, as `cost_source` names it."""
    return _name


def name_list(name: str | None) -> None:
    """Names the list that takes the place of the installed one; None: the installed one is in use."""
    global _name
    _name = name or _INSTALLED


@dataclass(frozen=True, slots=True)
class Listed:
    """A model of the list at a moment. `context` picks the variant of its prices: tier, speed, batch."""

    seller: listed.Provider
    model: listed.ModelInfo
    at_time: datetime
    context: Mapping[str, str]
    requests: int = 1  # over which the counts are spread: prices that depend on the length mean that of one request

    @property
    def prices(self) -> listed.ModelPrice:
        return self.model.get_prices(self.at_time, dict(self.context) or None)

    def has(self, unit: str) -> bool:
        """Whether the list can charge this unit here, by its own price or rightly as a part of another."""
        if unit not in UNITS:
            return False
        if UNITS[unit][0] in FEES and not self._is_sellers_own:
            return False  # Azure sells OpenAI's models at their token prices; its searches have prices of their own
        return unit not in NEEDS_OWN_PRICE or getattr(self.prices, UNITS[unit][0]) is not None

    def has_variant(self, key: str, value: str) -> bool:
        # For a model of another seller genai-prices would leave the variants out without a word.
        return self._is_sellers_own and bool(_variants(self.model, {key: value}, self.at_time))

    def tier(self, input_tokens: Decimal) -> Tier:
        """The lengths around this one that have the same prices."""
        starts = {Decimal(tier.start) for price in self._tiered().values() for tier in price.tiers}
        below = [start for start in starts if start < input_tokens]
        above = [start for start in starts if start >= input_tokens]
        return Tier(max(below, default=None), min(above, default=None))

    def _tiered(self) -> dict[str, listed.TieredPrices]:
        return {key: price for key, price in vars(self.prices).items() if isinstance(price, listed.TieredPrices)}

    @property
    def _is_sellers_own(self) -> bool:
        return any(self.model is model for model in self.seller.models)

    def usd(self, counts: Mapping[str, Decimal]) -> Decimal:
        """What these units cost. Raises Unpriced for counts that contradict each other."""
        return self._usd(counts, self.model, self.context)

    def lines(self, counts: Mapping[str, Decimal]) -> list[Line]:
        """The same in parts: each unit with a price of its own, at the count that is charged at that price."""
        resolved = self.prices
        prices = {
            key: price for key, (price_key, _) in UNITS.items() if (price := getattr(resolved, price_key)) is not None
        }
        nothing = {UNITS[key][0]: Decimal(0) for key in prices}
        found: list[Line] = []
        for key, price in prices.items():
            price_key, per = UNITS[key]
            # One USD for each unit and nothing for the others: the cost is then the count.
            count = self._usd(counts, self._only({**nothing, price_key: Decimal(per)}), {})
            usd = self._usd(counts, self._only({**nothing, price_key: price}), {})
            if count:
                unit_price = usd * per / count
                found.append(
                    Line(
                        unit=key,
                        count=count,
                        price_usd=unit_price,
                        per=per,
                        usd=usd,
                        source=list_name(),
                        since=self._since(),
                        note=", ".join(f"{name} {value}" for name, value in self.context.items()),
                    )
                )
        return found

    def _only(self, prices: Mapping[str, Decimal | listed.TieredPrices]) -> listed.ModelInfo:
        """The model with other prices."""
        return replace(self.model, prices=listed.ModelPrice(**prices), price_variants=None)

    def _usd(self, counts: Mapping[str, Decimal], model: listed.ModelInfo, context: Mapping[str, str]) -> Decimal:
        each = {key: number / self.requests for key, number in counts.items()}
        whole: dict[str, Any] = {key: int(number) if number == int(number) else number for key, number in each.items()}
        try:
            return (
                model.calc_price(
                    listed.Usage(**whole),
                    self.seller,
                    genai_request_timestamp=self.at_time,
                    price_context=dict(context) or None,
                ).total_price
                * self.requests
            )
        except ValueError as error:  # counts that contradict each other, or that its units cannot tell apart
            raise Unpriced(str(error)) from error

    def _since(self) -> date | None:
        if isinstance(self.model.prices, listed.ModelPrice):
            return None
        starts = [
            item.constraint.start_date
            for item in self.model.prices
            if isinstance(item.constraint, listed.StartDateConstraint) and item.constraint.active(self.at_time)
        ]
        return max(starts, default=None)

    def refuse_partial_variant(self, counts: Mapping[str, Decimal]) -> None:
        """A tier's price list that leaves a kind of token out would charge it as the standard tier does."""
        standard = self.model.get_prices(self.at_time)
        variants = _variants(self.model, self.context, self.at_time)
        for key in (
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "cache_write_1h_tokens",
        ):
            price_key = UNITS[key][0]
            listed_there = any(getattr(variant.prices, price_key) is not None for variant in variants)
            if key == "cache_read_tokens" and self.seller.id in CACHE_AT_STANDARD:
                continue
            if counts.get(key) and getattr(standard, price_key) is not None and not listed_there:
                tier = ", ".join(f"{name} {value}" for name, value in self.context.items())
                raise Unpriced(f"no price for {key} of model {self.model.id} with {tier}")


def find(prices: str | None, names: Sequence[str], at_time: datetime) -> Listed | None:
    """The first of the names that the list has for this provider id."""
    if prices is None:
        return None
    snapshot = data_snapshot.get_snapshot()
    for name in names:
        try:
            seller, model = snapshot.find_provider_model(name, None, prices, None)
        except LookupError:
            continue
        return Listed(seller, model, at_time, {})
    return None


def with_context(found: Listed, context: Mapping[str, str]) -> Listed:
    return replace(found, context=context)


def without_requests(found: Listed) -> Listed:
    """The same without a fee by the call, which genai-prices would charge unasked: our own table has it."""
    prices = {unit: price for unit, price in vars(found.prices).items() if unit != "requests_kcount"}
    model = replace(found.model, prices=listed.ModelPrice(**prices), price_variants=None)
    return replace(found, model=model, context={})


def within_tier(found: Listed, input_tokens: Decimal) -> Listed:
    """The same with the prices of an input of that length for every length."""
    flat = {
        key: next((tier.price for tier in reversed(price.tiers) if input_tokens > tier.start), price.base)
        for key, price in found._tiered().items()
    }
    if not flat:
        return found
    model = replace(found.model, prices=listed.ModelPrice(**vars(found.prices) | flat), price_variants=None)
    return replace(found, model=model, context={})


def over_requests(found: Listed, requests: int) -> Listed:
    """The same prices for the counts of several requests together, e.g. of a batch."""
    return replace(found, requests=requests)


def _variants(model: listed.ModelInfo, context: Mapping[str, str], at_time: datetime) -> list[listed.PriceVariant]:
    return [
        variant
        for variant in model.price_variants or ()
        if variant.when == context and (variant.constraint is None or variant.constraint.active(at_time))
    ]
