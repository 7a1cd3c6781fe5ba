"""Prices of the user's own: `[[prices]]` tables in heliograph.toml, for local servers, contracts and corrections.

[[prices]]
provider = "vllm"                  # as in the column provider_name
model = "llama-3.3-*"              # `*` stands for anything
input_usd_per_million = 0.20
output_usd_per_million = 0.60
cached_input_usd_per_million = 0.02      # the rest is optional
from = 2026-11-01
name = "rack 4"
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from addon.providers.model import Provider, Usage
from addon.wildcard import matches

PRICES: Final = (
    "input_usd_per_million",
    "cached_input_usd_per_million",
    "cache_creation_usd_per_million",
    "cache_creation_1h_usd_per_million",
    "output_usd_per_million",
)
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

    def covers(self, provider: Provider, model: str, on: date) -> bool:
        return (
            self.provider in (provider.name, *provider.aliases)
            and matches(self.model, model)
            and (self.start is None or self.start <= on)
        )

    def cost_usd(self, usage: Usage) -> Decimal | str:
        """The cost, or why there is none."""
        if usage.input_tokens is None:
            return "input tokens unknown"
        cached = usage.cache_read_input_tokens or 0
        created = usage.cache_creation_input_tokens or 0
        created_1h = usage.cache_creation_1h_input_tokens or 0
        plain = usage.input_tokens - cached - created
        if plain < 0 or created_1h > created:
            return "the parts of the input are more than the whole"
        if created_1h and self.cache_creation_1h_usd_per_million is None and self.cache_creation_usd_per_million:
            # The price of a five-minute write is not that of an hour.
            return f"override {self.name}: no cache_creation_1h_usd_per_million"
        if usage.output_tokens and self.output_usd_per_million is None:
            return f"override {self.name}: no output_usd_per_million"
        creation = _or(self.cache_creation_usd_per_million, self.input_usd_per_million)
        per_million = (
            plain * self.input_usd_per_million
            + cached * _or(self.cached_input_usd_per_million, self.input_usd_per_million)
            + (created - created_1h) * creation
            + created_1h * _or(self.cache_creation_1h_usd_per_million, creation)
            + (usage.output_tokens or 0) * _or(self.output_usd_per_million, Decimal(0))
        )
        return per_million / MILLION


def parse_overrides(tables: Sequence[Mapping[str, Any]]) -> tuple[PriceOverride, ...]:
    """The tables as tomllib reads them. Raises ValueError that names key and value and says what is allowed."""
    return tuple(_parse(f"prices[{index}]", table) for index, table in enumerate(tables))


def find_override(overrides: Sequence[PriceOverride], provider: Provider, model: str, on: date) -> PriceOverride | None:
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


def _parse(where: str, table: Mapping[str, Any]) -> PriceOverride:
    allowed = ("provider", "model", "name", "from", *PRICES)
    if unknown := sorted(set(table) - set(allowed)):
        raise ValueError(f"{where}.{unknown[0]}: no such key; allowed are {', '.join(allowed)}")
    for key in ("provider", "model", "input_usd_per_million"):
        if key not in table:
            raise ValueError(f"{where}.{key}: missing; every price needs provider, model and input_usd_per_million")
    provider, model = _text(where, table, "provider"), _text(where, table, "model")
    prices = {key: _price(where, key, table[key]) for key in PRICES if key in table}
    start = table.get("from")
    if start is not None and (not isinstance(start, date) or isinstance(start, datetime)):
        raise ValueError(f"{where}.from: {start!r} is not a date; write e.g. from = 2026-11-01, without quotes")
    name = _text(where, table, "name") if "name" in table else f"{provider}/{model}"
    return PriceOverride(provider=provider, model=model, start=start, name=name, **prices)


def _text(where: str, table: Mapping[str, Any], key: str) -> str:
    value = table[key]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'{where}.{key}: {value!r} is not a name; write e.g. {key} = "gpt-4o"')
    return value.strip()


def _price(where: str, key: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"{where}.{key}: {value!r} is not a price; write USD per million tokens, from 0 on, e.g. 0.25")
    return Decimal(str(value))  # 0.1 as it is written, not as the nearest binary fraction
