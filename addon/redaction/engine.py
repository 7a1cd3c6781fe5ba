"""RE2: regular expressions without backtracking, so that no text and no pattern can make a search explode."""

from collections.abc import Iterable
from typing import Final

import re2

_MEMORY_BYTES: Final = 64 * 2**20  # for the states of one expression; only what is used is taken


def compiled(expression: str) -> "re2._Regexp":
    """An expression for text in UTF-8. Raises ValueError in the words of RE2."""
    try:
        return re2.compile(expression, _options())
    except re2.error as error:
        told = error.args[0]
        raise ValueError(told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)) from error


def set_of(expressions: Iterable[str]) -> "re2.Set":
    """Tells which of the expressions match at the beginning of a text."""
    found = re2.Set.MatchSet(_options())
    for expression in expressions:
        found.Add(expression)
    found.Compile()
    return found


def _options() -> "re2.Options":
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    return options
