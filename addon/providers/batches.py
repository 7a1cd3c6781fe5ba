"""Many answers in one download: the sum of what they say, at the price of batches."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Final

from addon.providers.fields import added
from addon.providers.model import Json, Reading, Usage

SEVERAL: Final = "several"


def sum_of(answers: Sequence[Reading], longest_tokens: int | None = None) -> Reading:
    """One reading of all answers that state their usage; a free one where none does.

    `longest_tokens`: prices change above so many input tokens. With a longer request among them the sum has no price.
    """
    counted = [answer for answer in answers if answer.usage is not None or answer.units]
    if not counted:
        return Reading(is_free=True)
    return Reading(
        response_model=_common(answer.response_model or "" for answer in counted) or None,
        finish_reasons=tuple(sorted({reason for answer in counted for reason in answer.finish_reasons})),
        usage=_usage([answer.usage for answer in counted if answer.usage]),
        usage_raw=_raw([answer.usage_raw for answer in counted]),
        units=_units(counted),
        price_factors=_factors(counted) | _length(counted, longest_tokens),
        stated_cost_usd=_cost([answer.stated_cost_usd for answer in counted]),
    )


def _usage(usages: list[Usage]) -> Usage | None:
    """A count that no answer states stays unknown."""
    stated = {item.name: [getattr(usage, item.name) for usage in usages] for item in fields(Usage)}
    counts = {name: _whole(numbers) for name, numbers in stated.items()}
    return Usage(**counts) if usages else None


def _whole(numbers: list[int | None]) -> int | None:
    return sum(number or 0 for number in numbers) if any(number is not None for number in numbers) else None


def _units(answers: list[Reading]) -> dict[str, Decimal | None]:
    units: dict[str, Decimal | None] = {"batch_requests": Decimal(len(answers))}
    for answer in answers:
        for unit, number in answer.units.items():
            before = units.get(unit, Decimal(0))
            units[unit] = None if before is None or number is None else before + number
    return units


def _factors(answers: list[Reading]) -> dict[str, str]:
    """What changes the price of every answer; what differs among them, a model too, leaves the sum without a price."""
    names = {name for answer in answers for name in answer.price_factors} - {"service_tier"}
    factors = {name: _common(answer.price_factors.get(name, "") for answer in answers) for name in sorted(names)}
    models = {answer.response_model for answer in answers}
    return factors | {"processing": "batch"} | ({"models": SEVERAL} if len(models) > 1 else {})


def _length(answers: list[Reading], longest_tokens: int | None) -> dict[str, str]:
    longest = max((answer.usage.input_tokens or 0 for answer in answers if answer.usage), default=0)
    return {"context": "long"} if longest_tokens is not None and longest > longest_tokens else {}


def _cost(stated: list[Decimal | None]) -> Decimal | None:
    known = [cost for cost in stated if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(stated) else None


def _common(values: Iterable[str]) -> str:
    """The value that all share, else "several"."""
    found = set(values)
    return found.pop() if len(found) == 1 else SEVERAL


def _raw(stated: list[Json]) -> Json:
    """The usage objects added up, number by number."""
    total: Json = None
    for raw in stated:
        total = added(total, raw)
    return total
