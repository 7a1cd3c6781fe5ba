"""Which model of a bill is which model of the rows. Bills write names in their own ways: "Claude Sonnet 4.5",
"USE1-Claude4.6Sonnet", "gemini-2.5-flash", "gpt-4o-mini-2024-07-18".

Two names mean the same model if the price list says so, or if they have the same words and numbers in any order.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from addon.metering import listed
from addon.metering.model_names import plain_name
from addon.providers import registry

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
# Parts that some write and others leave out, without a meaning of their own. "0": Claude Sonnet 4.0, Nova 2.0.
_NOISE: Final = frozenset({"0", "v", "instruct", "preview", "latest", "regional", "models", "it"})


def same_names(provider_name: str, billed: Iterable[str], ours: Iterable[str], at: datetime) -> dict[str, str]:
    """For each name of either side the one that both are shown by: ours, the shortest, where the calls have that model."""
    shown: dict[tuple[str, ...], str] = {}
    names = {name: _same(provider_name, name, at) for name in (*ours, *billed)}
    for name in (*sorted(set(ours), key=lambda one: (len(one), one)), *sorted(set(billed))):
        shown.setdefault(names[name], name)
    return {name: shown[words] for name, words in names.items()}


def _same(provider_name: str, name: str, at: datetime) -> tuple[str, ...]:
    """Equal for names of the same model."""
    # Bedrock's list has a model once for each region, and bills do not tell the region in the model's name.
    prices = None if provider_name == "bedrock" else registry.by_name(provider_name).prices
    found = listed.find(prices, [name, re.sub(r"[\s.]+", "-", name.strip().lower())], at)
    return _words(found.model.id if found else name)


def _words(name: str) -> tuple[str, ...]:
    plain = name if name != name.lower() else plain_name(name)  # only lower-case names have dates and makers
    words = (word.lower() for word in _WORDS.findall(plain))
    return tuple(sorted(word for word in words if word not in _NOISE)) or (plain,)
