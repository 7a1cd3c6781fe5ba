"""The paths of an operation as a regular expression that is compiled when a path is first matched against it.

The providers have more than a thousand of them: compiling all took half of the time to import the providers, in every process,
and a process matches those of few providers.
"""

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class PathPattern:
    """As `re.compile(pattern)`, as far as a path needs it."""

    pattern: str

    def fullmatch(self, path: str) -> re.Match[str] | None:
        return _compiled(self.pattern).fullmatch(path)


@cache  # as many as the providers have: patterns are ours, never a caller's
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
