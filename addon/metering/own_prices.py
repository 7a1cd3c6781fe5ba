"""Our own price table, `prices.toml` beside this file: what genai-prices lacks, each entry with its source and dates.

[[price]]  the price of units: provider, models (`*` stands for anything), usd = {unit = price}, source, read;
           per (1; for tokens 1,000,000), from, until (exclusive), when = {factor = value or [values]} (`*` as in models);
           beside = "audio_seconds": holds only where that unit is counted as well, e.g. tokens that cost 0 since the seconds
           are charged;
           instead = true: wins over genai-prices, where that list has another price or lacks a discount
[[factor]] what a price factor does: provider, name, values, multiply, source, read; models, from, until,
           of = "tokens" (default: everything); variant = "batch": the price of that variant of genai-prices' list
[[as_whole]] a part of the tokens that costs what the whole does, which genai-prices has no word for: provider, models,
           units, source, read; times = 2: it costs twice that
[[alias]]  another name of a model: provider, pattern (a regular expression, matched whole), name (a template), source
"""

import re
import tomllib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

TABLE: Final = Path(__file__).parent / "prices.toml"
MILLION: Final = 1_000_000
MOST_NAMES: Final = 20  # of one model: an alias that matches what it makes has no end


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPrice:
    provider: str
    models: tuple[str, ...]
    usd: Mapping[str, Decimal]  # unit -> price of `per` of them
    per: int | None = None
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    start: date | None = None  # UTC
    until: date | None = None  # exclusive
    beside: str | None = None  # a unit that must be counted as well
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
    times: Decimal = Decimal(1)


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
    problems: tuple[str, ...] = ()  # entries that were left out, and why

    def find(
        self,
        provider: str,
        models: Iterable[str],
        unit: str,
        factors: Mapping[str, str],
        on: date,
        *,
        counted: Container[str] = (),
        instead: bool = False,
    ) -> OwnPrice | None:
        """The price of a unit; of several the one with most conditions, then the latest start. `counted`: all units of the
        call. `instead`: only those that win over genai-prices."""
        for model in models:
            fitting = [
                price
                for price in self.prices
                if unit in price.usd
                and price.provider == provider
                and (price.instead or not instead)
                and (price.beside is None or price.beside in counted)
                and covers(price.models, model)
                and all(name in factors and covers(values, factors[name]) for name, values in price.when.items())
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

    def sells(self, provider: str) -> bool:
        """Whether the table has prices of the provider's models."""
        return any(price.provider == provider for price in self.prices)

    def times_whole(self, provider: str, models: Iterable[str], unit: str) -> AsWhole | None:
        """How many times the price of the whole this part of the tokens costs; None: the table does not say."""
        names = tuple(models)
        for entry in self.as_whole:
            if entry.provider == provider and unit in entry.units and any(covers(entry.models, name) for name in names):
                return entry
        return None

    def names(self, provider: str, model: str) -> list[str]:
        """The model's name and its other names, the given one first."""
        names = [model]
        for name in islice(names, MOST_NAMES):  # grows while it is read: an alias may have an alias
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
    try:
        return parse_own_prices(TABLE.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        return OwnPrices((), (), (), problems=(f"{TABLE}: cannot be read ({error}); what it prices has no price",))


def parse_own_prices(text: str) -> OwnPrices:
    """The table. An entry that is wrong is left out and named in `problems`: the others still price calls."""
    problems: list[str] = []
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        return OwnPrices((), (), (), problems=(f"{TABLE}: {error}; what it prices has no price",))
    return OwnPrices(
        prices=tuple(_entries(tables, "price", _price, problems)),
        factors=tuple(_entries(tables, "factor", _factor, problems)),
        aliases=tuple(_entries(tables, "alias", _alias, problems)),
        as_whole=tuple(_entries(tables, "as_whole", _as_whole, problems)),
        problems=tuple(problems),
    )


def _entries[T: (OwnPrice, Factor, Alias, AsWhole)](
    tables: dict[str, Any], section: str, read: Callable[[dict[str, Any]], T], problems: list[str]
) -> Iterator[T]:
    entries = tables.get(section, [])
    for index, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        try:
            yield _checked(read(dict(entry)))
        except KeyError as error:
            problems.append(f"{TABLE}: {section}[{index}]: {error} is missing; skipped")
        except (TypeError, ValueError, AttributeError, ArithmeticError, re.error) as error:
            problems.append(f"{TABLE}: {section}[{index}]: {error}; skipped")


def _checked[T: (OwnPrice, Factor, Alias, AsWhole)](entry: T) -> T:
    """Raises ValueError for a value of a wrong type: it would fail when a call is priced by it."""
    for item in fields(entry):
        value = getattr(entry, item.name)
        if not _FITS[item.name](value):
            raise ValueError(f"{item.name} is {value!r:.80}")
    return entry


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _are_texts(value: tuple[object, ...]) -> bool:
    return bool(value) and all(map(_is_text, value))


def _is_amount(value: object) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and value >= 0


def _is_day(value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _is_day_or_none(value: object) -> bool:
    return value is None or _is_day(value)


_FITS: Final[dict[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("provider", "name", "source"), _is_text),
    **dict.fromkeys(("models", "units"), _are_texts),
    "values": lambda values: bool(values) and all(isinstance(value, str) for value in values),
    "usd": lambda usd: bool(usd) and all(map(_is_text, usd)) and all(map(_is_amount, usd.values())),
    "per": lambda per: per is None or (type(per) is int and per > 0),
    "when": lambda when: all(map(_is_text, when)) and all(map(_are_texts, when.values())),
    "start": _is_day_or_none,
    "until": _is_day_or_none,
    "read": _is_day,
    "beside": lambda beside: beside is None or _is_text(beside),
    "instead": lambda instead: isinstance(instead, bool),
    **dict.fromkeys(("multiply", "times"), _is_amount),
    "of": lambda of: of in ("all", "tokens"),
    "variant": lambda variant: variant is None or _is_text(variant),
    "pattern": lambda pattern: isinstance(pattern, re.Pattern),
}


def _price(given: dict[str, Any]) -> OwnPrice:
    usd = {unit: Decimal(price) for unit, price in given.pop("usd").items()}
    when = {
        name: _listed([values] if isinstance(values, str) else values) for name, values in given.pop("when", {}).items()
    }
    return OwnPrice(models=_listed(given.pop("models")), usd=usd, when=when, **_dated(given))


def _factor(given: dict[str, Any]) -> Factor:
    return Factor(
        values=_listed(given.pop("values")),
        multiply=Decimal(given.pop("multiply", 1)),
        models=_listed(given.pop("models", ["*"])),
        **_dated(given),
    )


def _as_whole(given: dict[str, Any]) -> AsWhole:
    times = Decimal(given.pop("times", 1))
    return AsWhole(models=_listed(given.pop("models")), units=_listed(given.pop("units")), times=times, **given)


def _alias(given: dict[str, Any]) -> Alias:
    alias = Alias(pattern=re.compile(given.pop("pattern")), **given)
    alias.pattern.sub(alias.name, "")  # raises for a template that names no group of the pattern
    return alias


def _listed(value: object) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.80} is not a list")
    return tuple(value)


def _dated(given: dict[str, Any]) -> dict[str, Any]:
    if "from" in given:
        given["start"] = given.pop("from")
    return given
