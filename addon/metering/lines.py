"""The arithmetic of a cost, line by line."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

NANO: Final = Decimal(10) ** 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`count` units at `price_usd` for each `per` of them; a share of other lines has the unit "x" and no count."""

    unit: str
    count: Decimal
    price_usd: Decimal
    per: int
    usd: Decimal  # count * price_usd / per, times the factors that apply
    source: str  # list and version, or a link
    since: date | None = None  # the price's first day, where it is known
    note: str = ""  # the factors that apply: "x 1.1 inference_geo us"


def total_usd(lines: Iterable[Line]) -> Decimal:
    return sum((line.usd for line in lines), Decimal(0))


def nanousd(usd: Decimal) -> int:
    """Rounded once, half to even."""
    return int((usd * NANO).to_integral_value(ROUND_HALF_EVEN))
