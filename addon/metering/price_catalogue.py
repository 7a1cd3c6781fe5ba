"""What is known of a model's price on a day. For `heliograph prices`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final

from genai_prices import data_snapshot
from genai_prices import types as listed

from addon.metering import listed as price_list
from addon.metering.own_prices import OwnPrices, covers
from addon.providers.model import Provider

NOON: Final = time(12, tzinfo=UTC)
# What may come beside the price of a model's work, and is the same for a whole family of models, also for those to come.
_FEES: Final = frozenset(
    {"web_searches", "preview_web_searches", "map_searches", "social_searches", "storage_searches", "search_sources"}
    | {"code_executions", "container_sessions", "cache_storage_token_seconds"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One price. `usd` for each `per` units; `condition`: what must hold ("service_tier flex", "above 200,000 tokens")."""

    provider: str
    model: str
    unit: str
    usd: Decimal
    per: int
    condition: str = ""
    source: str
    is_mere_fee: bool = False  # of a family of models: it does not say that there is this one


def known_prices(providers: Iterable[Provider], model: str, on: date, own: OwnPrices) -> list[Known]:
    """Everything known of a model's price at noon UTC of a day, by provider."""
    at_time = datetime.combine(on, NOON)
    found: list[Known] = []
    for provider in providers:
        names = own.names(provider.name, model)
        if entry := price_list.find(provider.prices, names, at_time):
            found += _listed(provider.name, entry)
        found += [
            Known(
                provider=provider.name,
                model=model,
                unit=unit,
                usd=usd,
                per=price.per_of(unit),
                condition=", ".join(f"{name} {' or '.join(values)}" for name, values in price.when.items()),
                source=f"{price.source} (read {price.read})",
                is_mere_fee="*" in price.models or (unit in _FEES and not any(name in price.models for name in names)),
            )
            for price in own.prices
            if price.provider == provider.name and any(covers(price.models, name) for name in names)
            if (price.start is None or price.start <= on) and (price.until is None or on < price.until)
            for unit, usd in price.usd.items()
        ]
    return found


def model_names(providers: Iterable[Provider], own: OwnPrices) -> set[str]:
    """The models of these providers that have a price, for suggestions."""
    sellers = {provider.prices for provider in providers}
    names = {price.models[0] for price in own.prices if "*" not in price.models[0]}
    for seller in data_snapshot.get_snapshot().providers:
        if seller.id in sellers:
            names |= {model.id for model in seller.models}
    return names


def _listed(provider: str, entry: price_list.Listed) -> list[Known]:
    found = _of_prices(provider, entry.model.id, entry.prices, "")
    for variant in entry.model.price_variants or ():
        if variant.constraint is None or variant.constraint.active(entry.at_time):
            condition = ", ".join(f"{name} {value}" for name, value in variant.when.items())
            found += _of_prices(provider, entry.model.id, variant.prices, condition)
    return found


def _of_prices(provider: str, model: str, prices: listed.ModelPrice, condition: str) -> list[Known]:
    found: list[Known] = []
    for unit, (key, per) in price_list.UNITS.items():
        price = getattr(prices, key)
        if price is None:
            continue
        steps: Sequence[tuple[str, Decimal]] = (
            [("", price)]
            if isinstance(price, Decimal)
            else [("", price.base), *((f"above {tier.start:,} input tokens", tier.price) for tier in price.tiers)]
        )
        for step, usd in steps:
            both = ", ".join(part for part in (condition, step) if part)
            found.append(
                Known(
                    provider=provider,
                    model=model,
                    unit=unit,
                    usd=usd,
                    per=per,
                    condition=both,
                    source=price_list.list_name(),
                )
            )
    return found
