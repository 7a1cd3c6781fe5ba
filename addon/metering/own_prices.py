"""Our own price table, `prices.toml` beside this file: what genai-prices lacks, each entry with its source and dates.

[[price]]  the price of units: provider, models (`*` stands for anything), usd = {unit = price}, source, read;
           per (1; for tokens 1,000,000), from, until (exclusive), when = {factor = value};
           instead = true: wins over genai-prices, where that list has another price or lacks a discount
[[factor]] what a price factor does: provider, name, values, multiply, source, read; models, from, until,
           of = "tokens" (default: everything); variant = "batch": the price of that variant of genai-prices' list
[[as_whole]] a part of the tokens that costs what the whole does, which genai-prices has no word for: provider, models,
           units, source, read
[[alias]]  another name of a model: provider, pattern (a regular expression, matched whole), name (a template), source
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

TABLE: Final = Path(__file__).parent / "prices.toml"
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPrice:
    provider: str
    models: tuple[str, ...]
    usd: Mapping[str, Decimal]  # unit -> price of `per` of them
    per: int | None = None
    when: Mapping[str, str] = field(default_factory=dict)
    start: date | None = None  # UTC
    until: date | None = None  # exclusive
    instead: bool = False  # of what genai-prices says
    source: str
    read: date  # when somebody read it there

    def per_of(self, unit: str) -> int:
        return self.per or (MILLION if unit.endswith("_tokens") else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    provider: str  # `*`: every one
    name: str
    values: tuple[str, ...]
    multiply: Decimal
    of: str = "all"  # or tokens
    variant: str | None = None  # of genai-prices' list, under `processing`
    models: tuple[str, ...] = ("*",)
    start: date | None = None
    until: date | None = None
    source: str
    read: date


@dataclass(frozen=True, slots=True, kw_only=True)
class AsWhole:
    provider: str
    models: tuple[str, ...]
    units: tuple[str, ...]
    source: str
    read: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    provider: str
    pattern: re.Pattern[str]
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class OwnPrices:
    prices: tuple[OwnPrice, ...]
    factors: tuple[Factor, ...]
    aliases: tuple[Alias, ...]
    as_whole: tuple[AsWhole, ...] = ()

    def find(
        self,
        provider: str,
        models: Iterable[str],
        unit: str,
        factors: Mapping[str, str],
        on: date,
        *,
        instead: bool = False,
    ) -> OwnPrice | None:
        """The price of a unit; of several the one with most conditions, then the latest start. `instead`: only those that
        win over genai-prices."""
        for model in models:
            fitting = [
                price
                for price in self.prices
                if unit in price.usd
                and price.provider == provider
                and (price.instead or not instead)
                and covers(price.models, model)
                and price.when.items() <= factors.items()
                and _holds(price.start, price.until, on)
            ]
            if fitting:
                return max(fitting, key=lambda price: (len(price.when), price.start or date.min))
        return None

    def factor(self, provider: str, models: Iterable[str], name: str, value: str, on: date) -> Factor | None:
        names = tuple(models)
        for factor in self.factors:
            if (
                factor.name == name
                and factor.provider in (provider, "*")
                and covers(factor.values, value)
                and (factor.models == ("*",) or any(covers(factor.models, model) for model in names))
                and _holds(factor.start, factor.until, on)
            ):
                return factor
        return None

    def costs_as_whole(self, provider: str, models: Iterable[str], unit: str) -> bool:
        """Whether this part of the tokens costs what the whole does."""
        names = tuple(models)
        return any(
            entry.provider == provider and unit in entry.units and any(covers(entry.models, name) for name in names)
            for entry in self.as_whole
        )

    def names(self, provider: str, model: str) -> list[str]:
        """The model's name and its other names, the given one first."""
        names = [model]
        for name in names:  # grows while it is read: an alias may have an alias
            for alias in self.aliases:
                match = alias.pattern.fullmatch(name) if alias.provider in (provider, "*") else None
                if match and (other := match.expand(alias.name)) not in names:
                    names.append(other)
        return names


def covers(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the patterns is the name; `*` stands for anything, case does not matter."""
    return any(_pattern(pattern).fullmatch(name.lower()) is not None for pattern in patterns)


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.lower().split("*")), re.DOTALL)


def _holds(start: date | None, until: date | None, on: date) -> bool:
    return (start is None or start <= on) and (until is None or on < until)


@cache
def own_prices() -> OwnPrices:
    return parse_own_prices(TABLE.read_text())


def parse_own_prices(text: str) -> OwnPrices:
    """Raises ValueError, KeyError or TypeError for an entry that is wrong: the table is ours, a test reads it."""
    tables = tomllib.loads(text, parse_float=Decimal)
    return OwnPrices(
        prices=tuple(_price(table) for table in tables.get("price", ())),
        factors=tuple(_factor(table) for table in tables.get("factor", ())),
        aliases=tuple(Alias(**{**table, "pattern": re.compile(table["pattern"])}) for table in tables.get("alias", ())),
        as_whole=tuple(
            AsWhole(**{**table, "models": tuple(table["models"]), "units": tuple(table["units"])})
            for table in tables.get("as_whole", ())
        ),
    )


def _price(table: dict[str, Any]) -> OwnPrice:
    given = _dated(table)
    usd = {unit: Decimal(price) for unit, price in given.pop("usd").items()}
    return OwnPrice(models=tuple(given.pop("models")), usd=usd, **given)


def _factor(table: dict[str, Any]) -> Factor:
    given = _dated(table)
    return Factor(
        values=tuple(given.pop("values")),
        multiply=Decimal(given.pop("multiply", 1)),
        models=tuple(given.pop("models", ("*",))),
        **given,
    )


def _dated(table: dict[str, Any]) -> dict[str, Any]:
    given = dict(table)
    if "from" in given:
        given["start"] = given.pop("from")
    return given
