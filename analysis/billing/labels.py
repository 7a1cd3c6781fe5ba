"""Which key of a bill is which key of the rows. Bills name keys and projects, rows have a keyed hash: nothing but the amounts
tells which belong together."""

from collections.abc import Hashable, Mapping
from datetime import date
from typing import NamedTuple


class Label(NamedTuple):
    """Whose usage it is, as the bill says."""

    key: str | None
    project: str | None


Cell = tuple[date, str | None]  # day and model
Amounts = Mapping[Cell, tuple[int, ...]]  # tokens, or the cost in whole micro-dollars


def paired[Ours: Hashable](billed: Mapping[Label, Amounts], ours: Mapping[Ours, Amounts]) -> dict[Ours, Label]:
    """The label of each of our keys, as far as it can be told. No label is given twice.

    First those with the most equal days and models, then a key whose amounts fit into those of one label alone. A bill with one
    label and rows with one key are a pair.
    """
    if len(billed) == len(ours) == 1:
        return {next(iter(ours)): next(iter(billed))}
    pairs: dict[Ours, Label] = {}
    equal = {
        (own, label): sum(1 for cell, amounts in ours[own].items() if any(amounts) and theirs.get(cell) == amounts)
        for own in ours
        for label, theirs in billed.items()
    }
    for (own, label), cells in sorted(equal.items(), key=lambda item: -item[1]):
        if cells and own not in pairs and label not in pairs.values():
            pairs[own] = label
    for own in ours.keys() - pairs.keys():
        fitting = [label for label in billed if label not in pairs.values() and _fits(ours[own], billed[label])]
        if len(fitting) == 1:
            pairs[own] = fitting[0]
    return pairs


def _fits(ours: Amounts, theirs: Amounts) -> bool:
    """Whether all that we saw may be a part of what was billed."""
    return any(map(any, ours.values())) and all(
        cell in theirs and all(own <= their for own, their in zip(amounts, theirs[cell], strict=True))
        for cell, amounts in ours.items()
        if any(amounts)
    )
