"""When a child process that ended is started again. Pure."""

from dataclasses import dataclass
from typing import Final

# One that served for so long did not fail at its start: its successor starts at once.
SETTLED_S: Final = 10.0
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 30.0


@dataclass(slots=True)
class Restarts:
    """Of one process, and those that take its place."""

    early: int = 0  # processes in a row that ended soon after their start

    def pause_s(self, lived_s: float) -> float:
        """Seconds until the next one is started, after one that lived for `lived_s`. The first early end costs no pause."""
        self.early = 0 if lived_s >= SETTLED_S else self.early + 1
        return 0.0 if self.early <= 1 else min(_FIRST_PAUSE_S * 2 ** (self.early - 2), _LONGEST_PAUSE_S)
