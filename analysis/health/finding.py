"""What the doctor finds: one line each."""

from dataclasses import dataclass
from typing import Final

GOOD, NOTE, BAD = "ok", "note", "WRONG"
MOST_NAMED: Final = 5  # of findings of one kind


@dataclass(frozen=True, slots=True)
class Finding:
    level: str
    subject: str
    says: str

    @property
    def line(self) -> str:
        return f"{self.level:>5}  {self.subject}: {self.says}"
