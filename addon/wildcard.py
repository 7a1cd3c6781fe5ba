"""Patterns in which `*` stands for any characters, also none. For model names in rules and prices."""

from typing import Final

# No real name is longer. Of a longer one only the two ends are compared, so that it can neither cost time nor slip
# past a pattern that begins or ends with a star.
_COMPARED_CHARACTERS: Final = 1024


def matches(pattern: str, text: str) -> bool:
    """Whether all of `text` fits; upper and lower case are one. Takes time linear in the two lengths."""
    if len(text) > _COMPARED_CHARACTERS:
        text = text[: _COMPARED_CHARACTERS // 2] + text[-_COMPARED_CHARACTERS // 2 :]
    text = text.lower()
    first, *rest = pattern.lower().split("*")
    if not rest:
        return text == first
    *middle, last = rest
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True
