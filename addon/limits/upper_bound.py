"""The most that a call may cost: reserved when it is admitted, charged where its real cost never becomes known. Pure.

The bound is generous and finite: the prices of the model that is really asked for (never those of a name in a header),
the length of the request as input tokens, and the most output that the request allows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from addon.providers.fields import at
from addon.wildcard import matches

BYTES_PER_TOKEN: Final = 3  # English has 4, Chinese and Japanese about 3
MOST_INPUT_TOKENS: Final = 1_000_000  # no model has a longer context
# For requests without a limit. Few answers are longer, and requests for longer ones usually set a limit.
USUAL_OUTPUT_TOKENS: Final = 8_192
MOST_OUTPUT_TOKENS: Final = 200_000
_OUTPUT_LIMITS: Final = (
    ("max_completion_tokens",),
    ("max_tokens",),
    ("max_output_tokens",),
    ("generationConfig", "maxOutputTokens"),
    ("inferenceConfig", "maxTokens"),
)


@dataclass(frozen=True, slots=True)
class Rates:
    """Nano-USD per token."""

    input_nanousd: int
    output_nanousd: int

    def cost_nanousd(self, input_tokens: int, output_tokens: int) -> int:
        return input_tokens * self.input_nanousd + output_tokens * self.output_nanousd


FREE: Final = Rates(0, 0)
# The highest list price so far (o1-pro: 150 and 600 USD per million), until the settler has written the price list.
DEAREST: Final = Rates(150_000, 600_000)

# provider -> name of a model, or a pattern with `*` of the user's own prices -> its rates
RateTable = Mapping[str, Mapping[str, Rates]]


@dataclass(frozen=True, slots=True)
class UpperBound:
    nanousd: int
    tokens: int


def rates_of(table: RateTable, provider: str, model: str | None, *, has_price_list: bool) -> Rates:
    """By pattern, else by the longest known name that the model's name starts with; for an unknown model the provider's highest
    rates. A provider without any price (a server of the user's own) is free."""
    known = table.get(provider, {})
    name = (model or "").lower()
    for pattern, rates in known.items():
        if "*" in pattern and matches(pattern, name):
            return rates
    begins = [listed for listed in known if "*" not in listed and name.startswith(listed.lower())]
    if begins:
        return known[max(begins, key=len)]
    if not has_price_list:
        return FREE
    if not known:
        return DEAREST
    return Rates(
        max(rates.input_nanousd for rates in known.values()), max(rates.output_nanousd for rates in known.values())
    )


def upper_bound(rates: Rates, body: Any, body_bytes: int) -> UpperBound:
    """`body` is the request, parsed; `body_bytes` its decoded length."""
    input_tokens = min(body_bytes // BYTES_PER_TOKEN + 1, MOST_INPUT_TOKENS)
    output_tokens = _most_output_tokens(body)
    return UpperBound(rates.cost_nanousd(input_tokens, output_tokens), input_tokens + output_tokens)


def _most_output_tokens(body: Any) -> int:
    limits = [number for path in _OUTPUT_LIMITS if (number := _count(at(body, *path))) is not None]
    each = max(limits, default=USUAL_OUTPUT_TOKENS)
    return min(each * max(1, _count(at(body, "n")) or 1), MOST_OUTPUT_TOKENS)


def _count(value: Any) -> int | None:
    """A whole number above 0. Providers refuse or ignore anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def model_of_override(overrides: Mapping[str, str]) -> str | None:
    """The model that a fallback sets in the body; its values are JSON texts."""
    value = json.loads(overrides["model"]) if "model" in overrides else None
    return value if isinstance(value, str) else None
