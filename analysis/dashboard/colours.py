"""The colour of each name in charts and bars: of the name alone, so it is the same on every page and in every process."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from analysis.faces.palette import place_of

TEXTURES: Final = 4  # solid, stripes up, stripes down, stripes across; drawn by dashboard.css and charts.js


@dataclass(frozen=True, slots=True)
class Look:
    """`colour`: `1` to `8` of the palette; `texture`: 0 for solid, up to TEXTURES."""

    colour: str
    texture: int


def colour_of(name: str) -> str:
    return str(place_of(name, ()) + 1)


def looks(names: Iterable[str]) -> Mapping[str, Look]:
    """Of the names of one chart. Of those that have the same colour only the first, by the alphabet, is solid."""
    seen = Counter[str]()
    found: dict[str, Look] = {}
    for name in sorted(set(names)):
        colour = colour_of(name)
        found[name] = Look(colour, seen[colour] % TEXTURES)
        seen[colour] += 1
    return found
