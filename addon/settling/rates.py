"""What a token of each model costs at most, for the upper bounds of `limits/`. Read by the settler, which has the price
list, and written into the limits' store for the proxies, which must not carry it (90 MB)."""

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from genai_prices import data_snapshot
from genai_prices import types as listed

from addon.limits.upper_bound import Rates
from addon.metering.overrides import PriceOverride
from addon.providers import registry


def rate_table(overrides: Sequence[PriceOverride], at: datetime) -> dict[str, dict[str, Rates]]:
    """By provider and model; the user's own prices first. Of a model with several prices the dearest."""
    table: dict[str, dict[str, Rates]] = {}
    for override in overrides:
        output = override.output_usd_per_million or Decimal(0)
        rates = Rates(_nanousd_per_token(override.input_usd_per_million), _nanousd_per_token(output))
        table.setdefault(override.provider, {})[override.model] = rates
    sellers = {seller.id: seller for seller in data_snapshot.get_snapshot().providers}
    for provider in registry.PROVIDERS:
        seller = sellers.get(provider.prices or "")
        known = table.setdefault(provider.name, {})
        for model in seller.models if seller else ():
            prices = model.get_prices(at)
            known.setdefault(model.id, Rates(_most(prices.input_mtok), _most(prices.output_mtok)))
    return table


def _most(price: Decimal | listed.TieredPrices | None) -> int:
    if isinstance(price, listed.TieredPrices):
        return max(_nanousd_per_token(each) for each in (price.base, *(tier.price for tier in price.tiers)))
    return _nanousd_per_token(price or Decimal(0))


def _nanousd_per_token(usd_per_million: Decimal) -> int:
    """Rounded up: it is a bound."""
    return math.ceil(usd_per_million * 1000)
