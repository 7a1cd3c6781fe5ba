"""The colour of each name in charts and bars: the same on every page, as long as the server runs."""

from collections.abc import Mapping, Sequence
from typing import Final

from analysis.faces.palette import MOST_SERIES, place_of

MOST_DIMENSIONS: Final = 64  # a property of any name can be charted


class Colours:
    """Of each dimension (`model`) the first eight names have a colour of their own. Every other name takes one that is
    free in its chart."""

    def __init__(self) -> None:
        self._owned: dict[str, dict[str, int]] = {}

    def of(self, dimension: str, ranked: Sequence[str]) -> Mapping[str, str]:
        """For each name `1` to `8`, a colour of the palette. `ranked`: the names of one chart, the most called ones first;
        or of all charts of a page, so that its most called names have colours of their own."""
        owned = self._owned.get(dimension, {})
        if len(self._owned) < MOST_DIMENSIONS:
            owned = self._owned.setdefault(dimension, owned)
        for name in ranked:
            if name not in owned and len(owned) < MOST_SERIES:
                owned[name] = place_of(name, owned.values())
        places = {name: owned[name] for name in ranked if name in owned}
        for name in ranked:
            if name not in places:
                places[name] = place_of(name, places.values())
        return {name: str(place + 1) for name, place in places.items()}
