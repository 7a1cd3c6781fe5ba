"""What a call used, counted under the names that prices have."""

from collections.abc import Container, Mapping
from decimal import Decimal
from operator import attrgetter
from typing import Final

from addon.metering.units import WHOLE_OF
from addon.metering.unpriced import Unpriced
from addon.providers.model import Usage

Counts = Mapping[str, Decimal]  # unit -> number, under genai-prices' names

# Columns of a row under genai-prices' names.
TOKEN_UNITS: Final = {
    "input_tokens": "input_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "cache_creation_1h_input_tokens": "cache_write_1h_tokens",
    "output_tokens": "output_tokens",
    "reasoning_output_tokens": "output_reasoning_tokens",
}


_UNITS: Final = tuple(TOKEN_UNITS.values())
_numbers_of: Final = attrgetter(*TOKEN_UNITS)


def counts_of(usage: Usage | None, units: Mapping[str, Decimal | None]) -> dict[str, Decimal]:
    """The counts of a call. One that is not stated is left out: genai-prices would infer a 0. Raises Unpriced for a unit
    whose number nobody knows."""
    counts = decimals(tokens_of(usage))
    for unit, count in units.items():
        if count is None:
            raise Unpriced(f"the number of {unit} is in no answer")
        counts[unit] = count
    return counts


def tokens_of(usage: Usage | None) -> dict[str, int]:
    """The counts of a call that states nothing beside its tokens, as whole numbers: quicker to make and to multiply with."""
    if usage is None:
        return {}
    return {unit: number for unit, number in zip(_UNITS, _numbers_of(usage), strict=True) if number is not None}


def decimals(numbers: Mapping[str, Decimal | int]) -> dict[str, Decimal]:
    return {unit: Decimal(number) for unit, number in numbers.items()}


def less_parts(unit: str, counts: Counts, priced: Container[str]) -> Decimal:
    """A count without the parts of it that have prices of their own (`priced`); genai-prices knows its own parts."""
    parts = sum((counts[part] for part in counts if part in priced and _next_priced(part, unit, priced)), Decimal(0))
    return counts[unit] - parts


def _next_priced(part: str, unit: str, priced: Container[str]) -> bool:
    """Whether `part` belongs to `unit`, and to no part of `unit` that is priced itself."""
    whole = WHOLE_OF.get(part)
    while whole is not None and whole != unit:
        if whole in priced:
            return False
        whole = WHOLE_OF.get(whole)
    return whole == unit
