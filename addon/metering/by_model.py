"""What a call used, divided among the models that worked on it: each share is priced at its own model's price."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from addon.metering.unpriced import Unpriced
from addon.providers.model import Usage
from addon.providers.shares import COLUMNS, share_of

Units = Mapping[str, Decimal | None]


class Divided(NamedTuple):
    usage: Usage | None  # of the answer's own model; None: it used nothing, or nobody knows
    units: Units  # beside the tokens
    shares: Mapping[str, Usage]  # of the other models


def divided(usage: Usage | None, units: Units) -> Divided | None:
    """None where one model did all of it. Raises Unpriced where a share is not known, or is more than the whole."""
    if not any(map(share_of, units)):
        return None
    shares: dict[str, Usage] = {}
    beside: dict[str, Decimal | None] = {}
    for unit, count in units.items():
        if share := share_of(unit):
            column, model = share
            if count is None:
                raise Unpriced(f"the number of {unit} is in no answer")
            setattr(shares.setdefault(model, Usage()), column, int(count))
        else:
            beside[unit] = count
    return Divided(_rest(usage, shares), beside, shares)


def _rest(usage: Usage | None, shares: Mapping[str, Usage]) -> Usage | None:
    """The whole less all shares."""
    if usage is None:
        return None
    rest: dict[str, int | None] = {}
    for column in COLUMNS:
        whole = getattr(usage, column)
        shared = sum(getattr(share, column) or 0 for share in shares.values())
        if shared > (whole or 0):
            raise Unpriced(f"the models' {column} are more than the whole")
        rest[column] = None if whole is None else whole - shared
    return Usage(**rest) if any(rest.values()) else None
