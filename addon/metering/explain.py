"""How a row's cost came about: the arithmetic, made again from the row alone. Pure but for the price list."""

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Final

from addon.metering.bill import Bill
from addon.metering.lines import Line, nanousd, total_usd
from addon.metering.model_names import MODEL_OVERRIDE, priced_models
from addon.metering.price import PriceList, priced_as
from addon.metering.unpriced import Unpriced
from addon.providers import registry
from addon.providers.model import Usage
from addon.storage.record import RequestRow

# Costs that no price made.
_WITHOUT_PRICE: Final = {
    "free": "nothing is charged: an error or a refusal before anything was generated, or a free operation",
    "cache": "answered from the cache",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`nanousd`: the sum of the lines, rounded; None without a price, and `reason` then says why.

    It differs from the row's where prices have changed since the row was written: `heliograph reprice` is for that.
    """

    lines: list[Line]
    nanousd: int | None
    source: str | None
    reason: str | None = None


def explain_row(row: RequestRow, prices: PriceList) -> Explanation:
    if row.cost_source in _WITHOUT_PRICE:
        return Explanation(lines=[], nanousd=0, source=row.cost_source, reason=_WITHOUT_PRICE[row.cost_source])
    if row.list_cost_nanousd is None and row.cost_nanousd is None and row.cost_missing and not row.usage_source:
        return Explanation(lines=[], nanousd=None, source=None, reason=row.cost_missing)
    try:
        lines, source = prices.lines(bill_of(row))
    except Unpriced as unpriced:
        return Explanation(lines=[], nanousd=None, source=None, reason=str(unpriced))
    if row.list_cost_nanousd is not None:
        return Explanation(lines=lines, nanousd=None, source=source, reason=row.cost_missing)
    return Explanation(lines=lines, nanousd=nanousd(total_usd(lines)), source=source)


def bill_of(row: RequestRow) -> Bill:
    """What the row was priced by."""
    usage = {item.name: getattr(row, item.name) for item in fields(Usage)}
    factors = dict(row.price_factors)
    override = factors.pop(MODEL_OVERRIDE, None)
    return Bill(
        provider=priced_as(
            registry.by_name(row.provider_name), row.host, row.path, row.request_model, row.response_model
        ),
        host=row.host,
        models=priced_models(override, row.response_model, row.request_model, None),
        usage=Usage(**usage) if any(value is not None for value in usage.values()) else None,
        units={unit: Decimal(count) if count else None for unit, count in row.usage_units.items()},
        factors=factors,
        started_at=row.started_at,
        operation=row.operation_name,
        stated_nanousd=row.cost_nanousd if row.cost_source == "provider" else None,
        odd=row.cost_missing
        if row.usage_quality and row.cost_missing and row.cost_missing in row.usage_quality
        else None,
    )
