"""What is to be redacted, as the settings say it. Light: the engine is imported only where something is redacted."""

from dataclasses import dataclass
from typing import Final

from addon.redaction.patterns import USUAL_PATTERNS, PatternName

# A word of the pseudonym that no pattern of the user's own may have, beside the built-in kinds.
USER: Final = "user"


@dataclass(frozen=True, slots=True)
class OwnPattern:
    name: str  # the word in the pseudonym
    pattern: str  # in RE2's syntax


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    patterns: tuple[PatternName, ...] = USUAL_PATTERNS
    own: tuple[OwnPattern, ...] = ()
    users: bool = False  # every user id becomes a pseudonym, whatever it looks like
    before_journal: bool = False  # bodies are redacted in the proxy, before they reach the journal
