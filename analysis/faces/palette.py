"""The colours of every picture and page: reports, the terminal, the dashboard.

Each colour has a light and a dark form, for a light and a dark background. The eight categorical colours stay apart for
people who cannot tell red from green (at least 7.5 apart in Oklab x 100, normal, protan and deutan sight), and each has
a contrast of at least 3:1 with every background (WCAG 2.2, 1.4.11). Text colours have at least 4.5:1 (1.4.3).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2s
from typing import Final


@dataclass(frozen=True, slots=True)
class Colour:
    light: str  # "#rrggbb"
    dark: str


CATEGORICAL: Final = (
    Colour("#2842ab", "#89abfa"),  # blue
    Colour("#7d3417", "#d15e35"),  # rust
    Colour("#029995", "#2fd9d2"),  # teal
    Colour("#7f1e75", "#d25fb1"),  # plum
    Colour("#58710f", "#aadb4e"),  # olive
    Colour("#835dd7", "#7e68e7"),  # violet
    Colour("#d83f5f", "#fe9c98"),  # crimson
    Colour("#b88200", "#b3a400"),  # gold
)
OTHERS: Final = Colour("#808792", "#7d8490")  # what is summed up beside the named ones
MOST_SERIES: Final = len(CATEGORICAL)

# Of 60,000 tried this one gives most of the models, providers and users that are often seen together colours of their own.
_SPREAD: Final = (43241).to_bytes(8, "little")

BACKGROUND: Final = Colour("#ffffff", "#15181e")
PANEL: Final = Colour("#f6f7f9", "#1d2129")  # cards, heads of tables
LINE: Final = Colour("#dfe2e8", "#323844")  # grids and borders: they say nothing by themselves
TEXT: Final = Colour("#1b1f27", "#e8eaee")
MUTED: Final = Colour("#5a6270", "#a3abb8")  # units, notes
LINK: Final = Colour("#1a5fc4", "#89abfa")
GOOD: Final = Colour("#1a7f37", "#5fca7b")
BAD: Final = Colour("#b3261e", "#f4777f")

NAMED: Final[Mapping[str, Colour]] = {
    **{f"series-{number}": colour for number, colour in enumerate(CATEGORICAL, start=1)},
    "others": OTHERS,
    "background": BACKGROUND,
    "panel": PANEL,
    "line": LINE,
    "text": TEXT,
    "muted": MUTED,
    "link": LINK,
    "good": GOOD,
    "bad": BAD,
}


def assign(names: Iterable[str]) -> dict[str, Colour]:
    """A colour for each name. A name has the same one in every picture, unless an alphabetically earlier name of the same
    picture has it already. Of more than eight names some share a colour."""
    taken: set[int] = set()
    colours: dict[str, Colour] = {}
    for name in sorted(set(names)):
        if len(taken) == MOST_SERIES:
            taken.clear()
        place = place_of(name, taken)
        taken.add(place)
        colours[name] = CATEGORICAL[place]
    return colours


def place_of(name: str, taken: Collection[int]) -> int:
    """Which of the categorical colours a name has: always the same one, or the next that is not taken if one is free."""
    digest = blake2s(name.encode("utf-8", "surrogatepass"), digest_size=4, person=_SPREAD).digest()
    place = digest[0] % MOST_SERIES
    return next(
        (each % MOST_SERIES for each in range(place, place + MOST_SERIES) if each % MOST_SERIES not in taken), place
    )


def css() -> str:
    """All colours as CSS variables, `--series-1` to `--bad`; the system's setting chooses between light and dark."""
    light = "".join(f"--{name}:{colour.light};" for name, colour in NAMED.items())
    dark = "".join(f"--{name}:{colour.dark};" for name, colour in NAMED.items())
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        f"@media print{{:root{{color-scheme:light;{light}}}}}"
    )
