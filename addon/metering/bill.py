"""All that a call is priced by, whole and for each model that worked on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from addon.metering.by_model import divided
from addon.metering.lines import Line
from addon.metering.model_names import LONGEST_MODEL
from addon.metering.unpriced import Unpriced
from addon.providers.model import Provider, Usage

# Factors of what was used beside the tokens, which the part of the answer's own model pays.
OF_TOOLS: Final = frozenset({"image_model", "container_memory"})


@dataclass(slots=True, kw_only=True)
class Bill:
    """All that a call is priced by. Nothing changes one; it is not frozen as each call has its own."""

    provider: Provider
    host: str  # the one that the caller named
    models: Sequence[str | None]  # names to try, best first
    usage: Usage | None
    units: Mapping[str, Decimal | None] = field(default_factory=dict)  # beside the tokens
    factors: Mapping[str, str] = field(default_factory=dict)  # Reading.price_factors and the region
    started_at: datetime
    operation: str
    stated_nanousd: int | None = None  # what the provider, or a log, says that it cost
    paid_by_plan: bool = False
    odd: str | None = None  # why the usage cannot be priced

    @property
    def on(self) -> date:
        return self.started_at.astimezone(UTC).date()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of what was used."""
        return self.usage is None and not self.units

    def by_model(self) -> "list[Bill]":
        """A bill for each model that worked on the call, the answer's own first. Raises Unpriced."""
        if not self.units or not (parts := divided(self.usage, self.units)):
            return [self]
        spread = {unit: count for unit, count in parts.units.items() if unit == "batch_requests"}
        own = [replace(self, usage=parts.usage, units=parts.units)] if parts.usage or spread != parts.units else []
        others = {model: usage for model, usage in parts.shares.items() if len(model) <= LONGEST_MODEL}
        if len(others) < len(parts.shares):
            raise Unpriced("no price for a model with so long a name")
        shared = replace(self, units=spread, factors={k: v for k, v in self.factors.items() if k not in OF_TOOLS})
        return [*own, *(replace(shared, models=(model,), usage=usage) for model, usage in others.items())]

    def line_of(self, part: "Bill", line: Line) -> Line:
        """A line of one part, with the name of its model where that is not the one that answered."""
        return line if part.models is self.models else replace(line, unit=f"{line.unit} of {part.models[0]}")
