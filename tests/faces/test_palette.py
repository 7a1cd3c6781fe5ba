"""Colours: enough contrast in light and dark, and the same for a name everywhere."""

import itertools
import random

import pytest

from analysis.faces import palette
from analysis.faces.palette import Colour


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("background", [palette.BACKGROUND, palette.PANEL])
def test_every_series_stands_out_from_every_background(background: Colour) -> None:
    for colour in (*palette.CATEGORICAL, palette.OTHERS):
        assert contrast(colour.light, background.light) >= 3
        assert contrast(colour.dark, background.dark) >= 3


@pytest.mark.parametrize("background", [palette.BACKGROUND, palette.PANEL])
@pytest.mark.parametrize("text", [palette.TEXT, palette.MUTED, palette.LINK, palette.GOOD, palette.BAD])
def test_every_text_can_be_read_on_every_background(text: Colour, background: Colour) -> None:
    assert contrast(text.light, background.light) >= 4.5
    assert contrast(text.dark, background.dark) >= 4.5


def test_names_of_one_picture_have_different_colours() -> None:
    names = [f"model-{number}" for number in range(palette.MOST_SERIES)]
    assert len(set(palette.assign(names).values())) == palette.MOST_SERIES


def test_the_order_of_the_names_does_not_matter() -> None:
    names = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "acme-1", "\ud800"]
    wanted = palette.assign(names)
    for order in itertools.islice(itertools.permutations(names), 30):
        assert palette.assign(order) == wanted


def test_a_name_keeps_its_colour_when_it_is_alone() -> None:
    alone = {name: palette.assign([name])[name] for name in ("gpt-4o", "acme-1", "claude-sonnet-4-5")}
    assert palette.assign(["gpt-4o"]) == {"gpt-4o": alone["gpt-4o"]}
    first = min(alone)
    assert palette.assign(alone)[first] == alone[first]


def test_many_names_share_the_colours_evenly() -> None:
    names = [str(random.Random(1).random() + number) for number in range(3 * palette.MOST_SERIES)]
    found = list(palette.assign(names).values())
    assert {found.count(colour) for colour in palette.CATEGORICAL} == {3}
