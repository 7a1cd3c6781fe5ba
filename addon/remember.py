"""Remembers what pure functions of a text answer."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Final

_LONGEST_TEXT: Final = 256  # characters: hosts, paths and names of ordinary calls are shorter


def remember_short[Answer](most: int) -> Callable[[Callable[[str], Answer]], Callable[[str], Answer]]:
    """Remembers the answers for the `most` texts that were asked for last. Long texts are worked out each time: callers
    choose these texts, and must not fill the memory with them."""

    def decorate(function: Callable[[str], Answer]) -> Callable[[str], Answer]:
        remembered = lru_cache(maxsize=most)(function)

        @wraps(function)
        def answer(text: str) -> Answer:
            return remembered(text) if len(text) <= _LONGEST_TEXT else function(text)

        return answer

    return decorate
