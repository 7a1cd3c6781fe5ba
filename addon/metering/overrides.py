"""Prices of the user's own, `[[prices]]` in heliograph.toml: for local servers, contracts and corrections. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from addon.metering.lines import Line
from addon.metering.unpriced import Unpriced
from addon.wildcard import matches

if TYPE_CHECKING:  # the settings need the class here, and no provider
    from addon.providers.model import Provider, Usage

MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOverride:
    """USD per million tokens. A None is charged as what it is a part of: cached tokens as input, and so on."""

    provider: str
    model: str  # `*` stands for anything
    input_usd_per_million: Decimal
    cached_input_usd_per_million: Decimal | None = None
    cache_creation_usd_per_million: Decimal | None = None
    cache_creation_1h_usd_per_million: Decimal | None = None
    output_usd_per_million: Decimal | None = None
    start: date | None = None  # UTC; None: always
    name: str

    def covers(self, provider: "Provider", model: str, on: date) -> bool:
        return (
            self.provider in (provider.name, *provider.aliases)
            and matches(self.model, model)
            and (self.start is None or self.start <= on)
        )

    def cost_usd(self, usage: "Usage") -> Decimal:
        """Raises Unpriced, as do the two below."""
        return sum((count * price for _, count, price in self._parts(usage)), Decimal(0)) / MILLION

    def lines(self, usage: "Usage") -> list[Line]:
        """The arithmetic."""
        return [
            Line(
                unit=unit,
                count=Decimal(count),
                price_usd=price,
                per=MILLION,
                usd=count * price / MILLION,
                source=f"override {self.name}",
                since=self.start,
            )
            for unit, count, price in self._parts(usage)
            if count
        ]

    def _parts(self, usage: "Usage") -> list[tuple[str, int, Decimal]]:
        """What is charged: unit, number of tokens, USD per million."""
        if usage.input_tokens is None:
            raise Unpriced("input tokens unknown")
        cached = usage.cache_read_input_tokens or 0
        created = usage.cache_creation_input_tokens or 0
        created_1h = usage.cache_creation_1h_input_tokens or 0
        plain = usage.input_tokens - cached - created
        if plain < 0 or created_1h > created:
            raise Unpriced("the parts of the input are more than the whole")
        if created_1h and self.cache_creation_1h_usd_per_million is None and self.cache_creation_usd_per_million:
            # The price of a five-minute write is not that of an hour.
            raise Unpriced(f"override {self.name}: no cache_creation_1h_usd_per_million")
        if usage.output_tokens and self.output_usd_per_million is None:
            raise Unpriced(f"override {self.name}: no output_usd_per_million")
        creation = _or(self.cache_creation_usd_per_million, self.input_usd_per_million)
        return [
            ("input_tokens", plain, self.input_usd_per_million),
            ("cache_read_tokens", cached, _or(self.cached_input_usd_per_million, self.input_usd_per_million)),
            ("cache_write_tokens", created - created_1h, creation),
            ("cache_write_1h_tokens", created_1h, _or(self.cache_creation_1h_usd_per_million, creation)),
            ("output_tokens", usage.output_tokens or 0, _or(self.output_usd_per_million, Decimal(0))),
        ]


def find_override(
    overrides: Sequence[PriceOverride], provider: "Provider", model: str, on: date
) -> PriceOverride | None:
    """The override that says most about this call: an exact name before a pattern, a long pattern before a short one,
    the latest start; of equals the one written last."""
    best: PriceOverride | None = None
    for override in overrides:
        if override.covers(provider, model, on) and (best is None or _weight(override) >= _weight(best)):
            best = override
    return best


def _weight(override: PriceOverride) -> tuple[bool, int, date]:
    return "*" not in override.model, len(override.model), override.start or date.min


def _or(price: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if price is None else price  # a price of 0 is a price
