"""What a stored row costs by today's rules and the prices of its day. Pure but for the price list and the reader.

The tokens are read again from the bodies where they are kept, by the settler's own code. They replace those of the row only if
the reading has found the same usage object as before: then other tokens mean another rule, and not another body. A call that a
bug of ours did not read gets all that can be read now.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

from addon.metering.explain import bill_of
from addon.metering.price import PriceList
from addon.settling.reread import is_by_plan, was_not_read
from addon.storage.record import RequestRow

# Costs that no price list made: they stay.
STATED: Final = frozenset({"provider", "free", "cache"})
_USAGE: Final = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_1h_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "usage_units",
    "usage_quality",
)
_COST: Final = ("cost_nanousd", "cost_source", "cost_missing", "list_cost_nanousd")
_READ: Final = (
    *_USAGE,
    *_COST,
    *("usage_raw", "usage_source", "price_factors", "saved_nanousd", "error_type", "is_stream"),
    *("response_model", "response_id", "finish_reasons", "request_model", "user_id", "operation_name"),
)

Kept = Literal[
    "stated by the provider, free or cached", "no body to read again", "cannot be read yet", "no price today"
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`row`: what it becomes; the same where nothing changes. `kept`: why it could not be priced again; None: it was."""

    row: RequestRow
    kept: Kept | None = None


def repriced(row: RequestRow, reread: Callable[[], RequestRow | None], prices: PriceList, now: datetime) -> Outcome:
    """`reread`: the row that the settler makes of the bodies today; None: they are not there, or cannot be read."""
    if was_not_read(row):
        again = reread()
        if again is None:
            return Outcome(row, "no body to read again")
        if was_not_read(again):
            return Outcome(row, "cannot be read yet")
        new = replace(
            row,
            **{
                name: getattr(again, name)
                for name in _READ
                if getattr(again, name) is not None or name in ("error_type", *_COST)
            },
        )
        return Outcome(_with_history(row, new, _READ, now))
    if row.cost_source in STATED:
        return Outcome(row, "stated by the provider, free or cached")
    new = _priced(_with_usage(row, reread), prices)
    if row.cost_nanousd is not None and new.cost_nanousd is None:
        return Outcome(row, "no price today")
    return Outcome(_with_history(row, new, (*_USAGE, *_COST, "price_factors"), now))


def _with_usage(row: RequestRow, reread: Callable[[], RequestRow | None]) -> RequestRow:
    """The row with the tokens that today's rules read out of the same usage object."""
    if row.usage_source != "provider" or row.usage_raw is None:
        return row
    again = reread()
    if again is None or again.usage_source != "provider" or not _same_json(row.usage_raw, again.usage_raw):
        return row
    # What only a header told is not in the bodies: the row knows it still.
    factors = again.price_factors | row.price_factors
    return replace(row, **{name: getattr(again, name) for name in _USAGE}, price_factors=factors)


def _same_json(one: str, other: str | None) -> bool:
    try:
        return other is not None and bool(orjson.loads(one) == orjson.loads(other))
    except orjson.JSONDecodeError:
        return one == other


def _priced(row: RequestRow, prices: PriceList) -> RequestRow:
    cost = prices.price(replace(bill_of(row), paid_by_plan=is_by_plan(row)))
    return replace(
        row,
        cost_nanousd=cost.nanousd,
        cost_source=cost.source,
        cost_missing=cost.reason,
        list_cost_nanousd=cost.list_nanousd,
    )


def _with_history(row: RequestRow, new: RequestRow, columns: tuple[str, ...], now: datetime) -> RequestRow:
    """The new row, with what was there; the old one where no amount has changed."""
    changed = [name for name in columns if getattr(row, name) != getattr(new, name)]
    if not set(changed) - {"cost_source", "price_factors", "usage_quality"}:
        return row  # the same amounts by another version of the list
    was = {name: getattr(row, name) for name in changed}
    earlier: list[Any] = orjson.loads(row.repriced) if row.repriced else []
    history = [*earlier, {"at": now.astimezone(UTC).isoformat(timespec="seconds"), "was": was}]
    return replace(new, repriced=orjson.dumps(history).decode())


def changes(row: RequestRow, new: RequestRow) -> dict[str, Any]:
    """The columns that differ, with their new values."""
    names = (*_READ, "repriced")
    return {name: getattr(new, name) for name in names if getattr(new, name) != getattr(row, name)}
