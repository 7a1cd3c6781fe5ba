"""The section [redact] of `heliograph.toml`, as models.py has the others."""

from typing import Annotated

from pydantic import AfterValidator, Field, Strict

from addon.config.section import Section
from addon.config.values import Flag, says
from addon.redaction.patterns import USUAL_PATTERNS, PatternName
from addon.redaction.rules import OwnPattern, Rules


def _name(name: str) -> str:
    from addon.redaction.own_patterns import check_name

    return check_name(name)


def _pattern(pattern: str) -> str:
    from addon.redaction.own_patterns import check_pattern  # RE2, which few settings need

    return check_pattern(pattern)


class OwnPatternTable(Section):
    """
    [[redact.own]]
    name = "employee"
    pattern = "EMP-[0-9]{6}"
    """

    name: Annotated[str, Strict(), AfterValidator(_name), says("is not a name; write e.g. employee")] = Field(
        description="The word in the pseudonym: up to 32 lower-case letters, digits, - and _."
    )
    pattern: Annotated[str, Strict(), AfterValidator(_pattern), says("is not a pattern; write a text")] = Field(
        description="In RE2's syntax, which has no look-around and no back-references."
    )

    def made(self) -> OwnPattern:
        return OwnPattern(self.name, self.pattern)


class RedactTable(Section):
    """
    [redact]
    patterns = ["keys", "cards", "mail", "phone", "iban"]
    users = true

    [[redact.own]]
    name = "employee"
    pattern = "EMP-[0-9]{6}"
    """

    patterns: list[PatternName] = Field(
        default=list(USUAL_PATTERNS),
        description="Built-in patterns; `ip` has to be named. An empty list leaves the own ones.",
    )
    own: list[OwnPatternTable] = Field(
        default=[],
        description="Patterns of your own, each with a `name` and a `pattern` in RE2's syntax; they come before the built-in ones.",
    )
    users: Flag = Field(default=False, description="true: every user id becomes a pseudonym, whatever it looks like.")
    before_journal: Flag = Field(
        default=False,
        description="true: the proxy redacts before it writes the journal, too. It holds each answer in memory until its end.",
    )

    def made(self) -> Rules:
        return Rules(
            patterns=tuple(self.patterns),
            own=tuple(own.made() for own in self.own),
            users=self.users,
            before_journal=self.before_journal,
        )
