"""Calls that several models worked on: what each model used beside the one that answered.

A share is a part of the call's `usage`. It stands in `units` under names such as "output_tokens of claude-opus-5", so that
the row keeps it and each share is priced at its own model's price.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Final

from addon.providers.model import Usage

_OF: Final = " of "
COLUMNS: Final = tuple(item.name for item in fields(Usage))
# A share without these has no price.
_ALWAYS: Final = ("input_tokens", "output_tokens")


def share_units(shares: Mapping[str, Usage]) -> dict[str, Decimal | None]:
    """The units of each model's share. None: the answer names the model, but not how many tokens it used."""
    units: dict[str, Decimal | None] = {}
    for model, usage in shares.items():
        for column in COLUMNS:
            number = getattr(usage, column)
            if number is not None or column in _ALWAYS:
                units[f"{column}{_OF}{model}"] = None if number is None else Decimal(number)
    return units


def share_of(unit: str) -> tuple[str, str] | None:
    """The column and the model of such a unit; None for every other unit."""
    column, of, model = unit.partition(_OF)
    return (column, model) if of and column in COLUMNS else None


def by_model(stated: Iterable[tuple[str, Usage]]) -> dict[str, Usage]:
    """What each model used, in the order of their first use."""
    shares: dict[str, Usage] = {}
    for model, usage in stated:
        shares[model] = added(shares.get(model), usage)
    return shares


def added(one: Usage | None, other: Usage) -> Usage:
    """A count that neither states stays unknown."""
    if one is None:
        return other
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in COLUMNS}
    return Usage(
        **{name: None if pair == (None, None) else (pair[0] or 0) + (pair[1] or 0) for name, pair in pairs.items()}
    )


def larger(one: Usage, other: Usage) -> Usage:
    """The larger count of each kind: totals that leave a part out, and the sum of parts that leave others out."""
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in COLUMNS}
    return Usage(**{name: max((n for n in pair if n is not None), default=None) for name, pair in pairs.items()})
