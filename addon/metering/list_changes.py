"""What differs between two price lists, model by model. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from genai_prices import types as listed

ADDED: Final = "added"
REMOVED: Final = "removed"
CHANGED: Final = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`old` and `new`: the price of a unit as text, per million tokens or as the unit's name says; "" where there is none."""

    kind: str  # added | removed | changed
    provider: str  # its id in genai-prices
    model: str
    price: str = ""  # input_mtok, output_mtok, ...; "" of a model that came or went
    old: str = ""
    new: str = ""


def changes(before: Sequence[listed.Provider], after: Sequence[listed.Provider], at: datetime) -> list[Change]:
    """Models that came and went, and prices that differ at this moment, sorted. Prices of other days, and of tiers that differ
    alone, are one line "other days or tiers"."""
    old, new = _models(before), _models(after)
    found = [Change(kind=REMOVED, provider=provider, model=model) for provider, model in old.keys() - new.keys()]
    for name, model in new.items():
        provider, model_id = name
        earlier = old.get(name)
        if earlier is None:
            found.append(Change(kind=ADDED, provider=provider, model=model_id))
        else:
            found += _changed(provider, earlier, model, at)
    return sorted(found, key=lambda change: (change.provider, change.model, change.kind, change.price))


def _models(providers: Sequence[listed.Provider]) -> dict[tuple[str, str], listed.ModelInfo]:
    return {(provider.id, model.id): model for provider in providers for model in provider.models}


def _changed(provider: str, earlier: listed.ModelInfo, later: listed.ModelInfo, at: datetime) -> list[Change]:
    if earlier.prices == later.prices and earlier.price_variants == later.price_variants:
        return []
    old, new = _told(earlier.get_prices(at)), _told(later.get_prices(at))
    found = [
        Change(
            kind=CHANGED,
            provider=provider,
            model=later.id,
            price=price,
            old=old.get(price, ""),
            new=new.get(price, ""),
        )
        for price in sorted(old.keys() | new.keys())
        if old.get(price) != new.get(price)
    ]
    return found or [Change(kind=CHANGED, provider=provider, model=later.id, price="other days or tiers")]


def _told(prices: listed.ModelPrice) -> dict[str, str]:
    return {name: _text(price) for name, price in vars(prices).items() if price is not None}


def _text(price: Decimal | listed.TieredPrices) -> str:
    if isinstance(price, Decimal):
        return f"{price.normalize():f}"
    steps = ", ".join(f"{_text(tier.price)} above {tier.start:,}" for tier in price.tiers)
    return f"{_text(price.base)} ({steps})"
