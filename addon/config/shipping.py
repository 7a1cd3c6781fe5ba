"""How much of the calls stays on this disk, where they are shipped to a lake in a bucket."""

from dataclasses import dataclass
from typing import Final

USUAL_BYTES: Final = 20 * 2**30
USUAL_DAYS: Final = 35  # budgets of a month are counted from the rows that are here
LEAST_DAYS: Final = 32


@dataclass(frozen=True, slots=True)
class Shipping:
    """Days older than `keep_local_days` go from this disk once the lake has them; above `max_local_bytes` the bodies of shipped
    days do, the oldest first. What is not shipped stays."""

    max_local_bytes: int = USUAL_BYTES
    keep_local_days: int = USUAL_DAYS
