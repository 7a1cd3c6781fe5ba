"""What a bill and the rows say of the same day, model, key or project."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from analysis.billing.line import TOKENS

_NANO: Final = Decimal(10) ** -9


@dataclass(frozen=True, slots=True)
class Stated:
    """What the exports of a provider state at all. What they do not state is not compared."""

    tokens: frozenset[str]  # of TOKENS
    cost: bool
    requests: bool


@dataclass(frozen=True, slots=True)
class Group:
    """One row of `sql/compared.sql`: `by` has its day, model, key, project, as far as they were asked for."""

    by: Mapping[str, Any]
    found: Mapping[str, Any]  # the other columns
    stated: Stated

    def number(self, column: str) -> int:
        return int(self.found[column] or 0)

    @property
    def is_billed(self) -> bool:
        return self.number("billed_lines") > 0

    @property
    def calls(self) -> int:
        """That went to the provider."""
        return self.number("calls")

    @property
    def requests(self) -> int | None:
        return self.number("billed_requests") if self.stated.requests else None

    def tokens(self, column: str) -> int:
        return self.number(column)

    def billed_tokens(self, column: str) -> int:
        return self.number(f"billed_{column}")

    def more_tokens(self) -> dict[str, int]:
        """How many more there are on the bill, by column; negative: fewer."""
        return {name: self.billed_tokens(name) - self.tokens(name) for name in TOKENS if name in self.stated.tokens}

    @property
    def has_tokens(self) -> bool:
        return bool(self.stated.tokens)

    @property
    def total_more(self) -> int:
        more = self.more_tokens()
        return more.get("input_tokens", 0) + more.get("output_tokens", 0)

    @property
    def cost_usd(self) -> Decimal | None:
        """Of the calls here that have a price; None: there are none."""
        nano = self.found["cost_nanousd"]
        return None if nano is None else Decimal(nano) * _NANO

    @property
    def billed_usd(self) -> Decimal | None:
        """None: the exports state no costs. Nothing billed is 0."""
        return Decimal(self.found["billed_usd"] or 0) if self.stated.cost else None

    @property
    def difference_usd(self) -> Decimal | None:
        billed = self.billed_usd
        return None if billed is None else billed - (self.cost_usd or 0)

    @property
    def is_same_cost(self) -> bool:
        """But for rounding: ours, half a nano-dollar a call, and the export's."""
        difference = self.difference_usd
        return difference is None or abs(difference) <= Decimal(self.found["rounding_usd"]) + self.calls * _NANO / 2
