"""Checks a pattern of the user's own, before anything is searched with it."""

import re
from typing import Final

from addon.redaction.engine import compiled
from addon.redaction.patterns import BUILT_IN

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
# The words that pseudonyms have already; a user's id is one as well.
_TAKEN: Final = {pattern.kind for patterns in BUILT_IN.values() for pattern in patterns} | {"user"}
LONGEST_PATTERN: Final = 1000
# A pattern that takes most of an ordinary sentence would leave nothing to read.
_SENTENCE: Final = b"Please summarise the 3 letters of Mr. Brown, then answer: who pays, and when is it due?"
_PROBES: Final = (b"", b"a", b"Z9", b" ", b"\n", b"a b", _SENTENCE)


def check_name(name: str) -> str:
    """Raises ValueError that says what is allowed."""
    if NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not a name; use up to 32 lower-case letters, digits, - and _, e.g. employee")
    if name in _TAKEN:
        raise ValueError(f"{name!r} is the name of a built-in pattern; choose another one")
    return name


def check_pattern(pattern: str) -> str:
    """Raises ValueError that says what is wrong: with patterns that need backtracking, too."""
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"it has {len(pattern)} characters; at most {LONGEST_PATTERN} are allowed")
    try:
        found = compiled(pattern)
    except ValueError as error:
        raise ValueError(
            f"{pattern!r} is not a pattern that RE2 can search: {error}; look-around and back-references are not allowed, see"
            " https://github.com/google/re2/wiki/Syntax"
        ) from error
    matches = [match for probe in _PROBES for match in found.finditer(probe)]
    if any(match.start() == match.end() for match in matches):
        raise ValueError(
            f"{pattern!r} matches the empty text, so it is everywhere; write + instead of *, or more around it"
        )
    taken = sum(match.end() - match.start() for match in found.finditer(_SENTENCE))
    if taken * 2 > len(_SENTENCE):
        raise ValueError(
            f"{pattern!r} matches most of an ordinary sentence; write what tells the secret from other words"
        )
    return pattern
