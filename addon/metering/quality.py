"""Checks a stated usage before it becomes a row: a part is never more than its whole.

What does not hold is said in words (column `usage_quality`). The numbers concerned are left out, the raw object stays:
we cannot know which of them is wrong, so such a call has no cost.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from addon.metering.units import PARTS
from addon.providers.fields import at, count
from addon.providers.model import Json, Usage


class Checked(NamedTuple):
    usage: Usage
    odd: str | None  # what is odd, in words
    priceable: bool = True


def check(usage: Usage, units: Mapping[str, Decimal | None], raw: Json) -> Checked:
    """The usage without the numbers that contradict each other."""
    odd = _odd_input(usage, units)
    if odd:
        usage = replace(
            usage,
            cache_read_input_tokens=None,
            cache_creation_input_tokens=None,
            cache_creation_1h_input_tokens=None,
        )
    if odd_output := _odd_output(usage, units):
        usage, odd = replace(usage, reasoning_output_tokens=None), "; ".join(filter(None, (odd, odd_output)))
    if odd:
        return Checked(usage, odd, priceable=False)
    return Checked(usage, _odd_total(usage, raw))


def _odd_input(usage: Usage, units: Mapping[str, Decimal | None]) -> str | None:
    read, created = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    if usage.input_tokens is not None and read + created > usage.input_tokens:
        return "cached tokens are more than the input tokens"
    if (usage.cache_creation_1h_input_tokens or 0) > created:
        return "cache writes for an hour are more than all cache writes"
    return _odd_parts("input_tokens", usage.input_tokens, units) or _odd_parts(
        "cache_read_input_tokens", usage.cache_read_input_tokens, units
    )


def _odd_output(usage: Usage, units: Mapping[str, Decimal | None]) -> str | None:
    if usage.output_tokens is not None and (usage.reasoning_output_tokens or 0) > usage.output_tokens:
        return "reasoning tokens are more than the output tokens"
    return _odd_parts("output_tokens", usage.output_tokens, units)


def _odd_parts(whole_name: str, whole: int | None, units: Mapping[str, Decimal | None]) -> str | None:
    if not units:
        return None
    parts = [(name, number) for name, number in units.items() if number and PARTS.get(name) == whole_name]
    if whole is None or sum(number for _, number in parts) <= whole:
        return None
    counted = dict(parts)
    names = ", ".join(name for name in PARTS if name in counted)
    return f"{names}: more than {whole_name}"


def _odd_total(usage: Usage, raw: Json) -> str | None:
    """A stated total that is not the sum: worth a look, yet the parts are what is billed."""
    total = count(at(raw, "total_tokens"))
    if total is None:
        total = count(at(raw, "totalTokenCount"))
    if total is None or usage.input_tokens is None:
        return None
    return None if total == usage.input_tokens + (usage.output_tokens or 0) else "the total is not input plus output"
