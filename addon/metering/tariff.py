"""Prices of tokens as formulas. Resolving a price (names, variants, tiers, factors) costs more than all other work on a
call; calls of one kind share the result.

Calls are of one kind when everything but the size of their counts is the same: provider, models, factors, minute, which
tokens were counted, and which of these counts are 0. The cost of such calls is `fixed_usd` and a rate for each token, as
long as the input's length stays within one tier of the list.
"""

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from genai_prices.data_units import unit_data
from genai_prices.units import UnitRegistry

from addon.metering.counts import TOKEN_UNITS, Counts
from addon.metering.units import WHOLE_OF

_TOKENS: Final = frozenset(TOKEN_UNITS.values())
MOST_KINDS: Final = 4096  # some hundred bytes each; one process sees few models in a minute
# Units inside another unit, by genai-prices and by our own table: whole -> its parts, at any depth.
_LIST: Final = UnitRegistry(unit_data)
_WHOLES: Final = {key: frozenset(_LIST.ancestor_usage_keys(key)) for key in _LIST.units}
# A probe's smallest count: large enough that one more of a part does not exceed what the whole has beside its parts.
_PROBE: Final = 1000


@dataclass(frozen=True, slots=True)
class Tier:
    """Lengths of the input with the same prices: more than `above`, at most `up_to` tokens."""

    above: Decimal | None = None
    up_to: Decimal | None = None

    def holds(self, input_tokens: Decimal | int) -> bool:
        return (self.above is None or input_tokens > self.above) and (self.up_to is None or input_tokens <= self.up_to)


@dataclass(frozen=True, slots=True)
class Tariff:
    """What calls of one kind cost. `parts`: whole and parts among the counts, for `usd` to check."""

    source: str
    tier: Tier
    fixed_usd: Decimal
    rates: tuple[tuple[str, Decimal], ...]  # USD for one
    parts: tuple[tuple[str, tuple[str, ...]], ...]

    def usd(self, counts: Mapping[str, Decimal | int]) -> Decimal | None:
        """None where the formula may not hold: another tier, or parts that are more than their whole."""
        if not self.tier.holds(counts["input_tokens"]):
            return None
        for whole, parts in self.parts:
            if sum([counts[part] for part in parts]) > counts[whole]:
                return None
        usd = self.fixed_usd
        for unit, rate in self.rates:
            usd += rate * counts[unit]
        return usd


class Tariffs:
    """The tariffs of the kinds seen lately, and the kinds that have no price."""

    def __init__(self) -> None:
        self._tariffs: dict[Hashable, tuple[Tariff, ...]] = {}
        self._reasons: dict[Hashable, str] = {}

    def reason(self, kind: Hashable) -> str | None:
        """Why calls of this kind have no price, where that is known."""
        return self._reasons.get(kind)

    def usd(self, kind: Hashable, counts: Mapping[str, Decimal | int]) -> tuple[Decimal, str] | None:
        """The cost and its source; None where no tariff of that kind is known."""
        for tariff in self._tariffs.get(kind, ()):
            if (usd := tariff.usd(counts)) is not None:
                return usd, tariff.source
        return None

    def has_no_price(self, kind: Hashable, reason: str) -> None:
        self._make_room()
        self._reasons[kind] = reason

    def add(self, kind: Hashable, tariff: Tariff) -> None:
        self._make_room()
        self._tariffs[kind] = (*self._tariffs.get(kind, ()), tariff)

    def _make_room(self) -> None:
        if len(self._tariffs) + len(self._reasons) >= MOST_KINDS:
            self._tariffs.clear()
            self._reasons.clear()


def is_by_token(units: Collection[str]) -> bool:
    """Whether a tariff can stand for the price: fees and seconds have minimums and steps."""
    return "input_tokens" in units and (_TOKENS.issuperset(units) or all(unit.endswith("_tokens") for unit in units))


def tariff_of(counts: Counts, source: str, tier: Tier, usd_of: Callable[[Counts], Decimal | None]) -> Tariff | None:
    """The tariff behind `usd_of`, which prices counts of one kind within one tier: found by asking for one token more of
    each unit. None where that does not give the cost of `counts` itself."""
    used = [unit for unit, count in counts.items() if count]
    parts = {whole: tuple(unit for unit in used if whole in _wholes(unit)) for whole in used}
    probe = dict(counts)
    for unit in sorted(used, key=lambda unit: len(parts[unit])):
        probe[unit] = _PROBE + sum((probe[part] for part in parts[unit]), Decimal(0))
    base = usd_of(probe)
    rates: list[tuple[str, Decimal]] = []
    for unit in used:
        more = usd_of(probe | {unit: probe[unit] + 1})
        if base is None or more is None:
            return None
        rates.append((unit, more - base))
    fixed = (base or Decimal(0)) - sum((rate * probe[unit] for unit, rate in rates), Decimal(0))
    tariff = Tariff(source, tier, fixed, tuple(rates), tuple((whole, found) for whole, found in parts.items() if found))
    return tariff if tariff.usd(counts) == usd_of(counts) else None


def _wholes(unit: str) -> frozenset[str]:
    """Every unit that this one is a part of."""
    own: set[str] = set()
    whole = WHOLE_OF.get(unit)
    while whole is not None:
        own.add(whole)
        whole = WHOLE_OF.get(whole)
    return _WHOLES.get(unit, frozenset()) | own
