"""Rate limit policies: quota, window, unit and segment. Callers write one as text:

    quota;w=seconds[;u=request|cents][;s=user|<property>]      e.g. 500;w=3600;u=cents;s=user

Order and names are Helicone's. Windows of less than 60 seconds are our extension.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

Unit = Literal["request", "cents", "tokens"]

LEAST_WINDOW_S: Final = 1
LONGEST_WINDOW_S: Final = 365 * 86_400
# Outside this range a bucket's floats are no longer exact.
LEAST_QUOTA, LARGEST_QUOTA = Decimal("0.000001"), Decimal(10**12)
LONGEST_TEXT: Final = 200
EXAMPLE: Final = "quota;w=seconds[;u=request|cents][;s=user|<property>], e.g. 500;w=3600;u=cents;s=user"
_CALLERS_UNITS: Final[dict[str, Unit]] = {"request": "request", "cents": "cents"}
_GRAMMAR: Final = re.compile(
    r"(?P<quota>\d+(?:\.\d+)?);w=(?P<window>\d+)(?:;u=(?P<unit>\w+))?(?:;s=(?P<segment>[\w-]+))?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`quota` of `unit` in any `window_s` seconds. `str()` is its form in answer headers."""

    quota: Decimal
    window_s: int
    unit: Unit = "request"
    segment: str | None = None  # None: all calls of a key; "user"; else a property's name in lower case

    @property
    def limit(self) -> str:
        """The quota without trailing zeros."""
        return f"{self.quota.normalize():f}"

    def __str__(self) -> str:
        unit = "" if self.unit == "request" else f";u={self.unit}"
        return f"{self.limit};w={self.window_s}{unit}{f';s={self.segment}' if self.segment else ''}"


def parse_policy(text: str) -> Policy:
    """A caller's policy. Raises ValueError that says what is allowed. Tokens are for policies of the config only."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"{text[:20]!r}... is longer than any policy; write {EXAMPLE}")
    found = _GRAMMAR.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not {EXAMPLE}")
    unit = _CALLERS_UNITS.get((found["unit"] or "request").lower())
    if unit is None:
        raise ValueError(f"u={found['unit']}: allowed are {', '.join(f'u={name}' for name in _CALLERS_UNITS)}")
    return Policy(
        quota=checked_quota(Decimal(found["quota"])),
        window_s=checked_window(Decimal(found["window"])),
        unit=unit,
        segment=found["segment"].lower() if found["segment"] else None,
    )


def checked_quota(quota: Decimal) -> Decimal:
    """Raises ValueError where no bucket has such a size."""
    if not LEAST_QUOTA <= quota <= LARGEST_QUOTA:
        raise ValueError(f"a quota of {quota} is out of range; allowed are {LEAST_QUOTA:f} to {LARGEST_QUOTA:f}")
    return quota


def checked_window(seconds: Decimal) -> int:
    """Raises ValueError for a window of less than a second or more than a year."""
    if not LEAST_WINDOW_S <= seconds <= LONGEST_WINDOW_S:
        raise ValueError(
            f"a window of {seconds} s is out of range; allowed are {LEAST_WINDOW_S} to {LONGEST_WINDOW_S} (a year)"
        )
    return int(seconds)
