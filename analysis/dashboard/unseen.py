"""Characters that change what a person sees and are themselves not seen: they are named where they stand. Pure.

Marks that turn the direction of what follows can make a text read as another one; tag characters hide whole sentences, which
models read. Marks that a text in Arabic or Hebrew needs (U+200E, U+200F, U+061C) and flags of regions stay as they are.
"""

import re
from typing import Final

from markupsafe import Markup, escape

_FLAG: Final = "\N{WAVING BLACK FLAG}"  # with tags: the flag of a region, like England's
_LAST_TAG: Final = "\N{CANCEL TAG}"
_LONGEST_FLAG: Final = 8  # characters
_TAGS_BEGIN: Final = 0xE0000
_UNSEEN: Final = re.compile(f"(?P<direction>[\u202a-\u202e\u2066-\u2069])|{_FLAG}?(?P<tags>[\U000e0000-\U000e007f]+)")


def named(text: str) -> str:
    """U+202E as `⟨U+202E⟩`, and a text of tag characters as `⟨hidden: text⟩`."""
    return text if text.isascii() else _UNSEEN.sub(_name, text)


def finalized(value: object) -> object:
    """For all that templates put out. What is markup already is left alone: so a template has a text exactly by `|e`."""
    return named(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def shown(text: str) -> Markup:
    """The same as markup."""
    return escape(named(text))


def _name(found: re.Match[str]) -> str:
    if direction := found["direction"]:
        return f"⟨U+{ord(direction):04X}⟩"
    text, tags = found[0], found["tags"]
    if text != tags and text.endswith(_LAST_TAG) and len(text) <= _LONGEST_FLAG:
        return text
    hidden = "".join(chr(ord(each) - _TAGS_BEGIN) for each in tags)
    return f"{text.removesuffix(tags)}⟨hidden: {''.join(each if each.isprintable() else '·' for each in hidden)}⟩"
