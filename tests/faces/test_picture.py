"""PNG, SVG and the inline SVG of a page."""

import re
from datetime import date
from xml.etree import ElementTree

import pytest

from analysis.faces.chart import Chart, chart_of
from analysis.faces.drawing import Words
from analysis.faces.picture import NARROW, SLIDE, WIDE, inline_svg, png, svg
from analysis.table import Table

HOSTILE = "<script>alert(1)</script> & $\\frac{1}{$ \"'_"
DAYS = [date(2026, 11, day) for day in range(1, 15)]
CHARTS = {
    "columns": chart_of(Table(("day", "cost_usd"), [(day, 1.5) for day in DAYS])),
    "stacked": chart_of(
        Table(("day", "model", "cost_usd"), [(day, name, 1.0) for day in DAYS for name in ("a", HOSTILE, "c" * 99)])
    ),
    "lines": chart_of(
        Table(("day", "model", "p95_ms"), [(day, name, 900) for day in DAYS[::2] for name in ("a", "b")]), "p95_ms"
    ),
    "bars": chart_of(Table(("user_id", "cost_usd"), [(HOSTILE, 1.0), ("x" * 500, None), (None, -0.1)])),
    "nothing known": chart_of(Table(("user_id", "cost_usd", "calls"), [("a", None, 0)]), "cost_usd"),
    "one zero": chart_of(Table(("day", "calls"), [(DAYS[0], 0)])),
}
WORDS = Words(HOSTILE, "since 2026-11-01, UTC", "3 calls without a price")


@pytest.fixture(params=CHARTS)
def chart(request: pytest.FixtureRequest) -> Chart:
    return CHARTS[request.param]


def test_a_png_is_of_a_slide_and_always_the_same(chart: Chart) -> None:
    made = png(chart, WORDS)
    assert made.startswith(b"\x89PNG")
    assert (int.from_bytes(made[16:20]), int.from_bytes(made[20:24])) == (SLIDE.width * 3 // 2, SLIDE.height * 3 // 2)
    assert made == png(chart, WORDS)


def test_an_svg_needs_no_font_has_no_date_and_is_always_the_same(chart: Chart) -> None:
    made = svg(chart, WORDS)
    ElementTree.fromstring(made)
    assert b"<text" not in made
    assert not re.search(rb"20\d\d-\d\d-\d\dT|[Mm]atplotlib v", made)
    assert made == svg(chart, WORDS)


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_the_svg_of_a_page_has_its_colours_and_font_and_nothing_of_the_caller_in_it_is_markup(
    chart: Chart, layout: object
) -> None:
    assert layout in (WIDE, NARROW)
    made = inline_svg(chart, WIDE if layout is WIDE else NARROW, "costs", f"A picture of {HOSTILE}")
    root = ElementTree.fromstring(made.replace("xlink:href", "href"))
    assert root.get("aria-label") == f"A picture of {HOSTILE}"
    assert not re.search(r"#[0-9a-f]{6}\b", made)
    assert "DejaVu" not in made
    assert "<script" not in made
    ids = [element.get("id", "costs-") for element in root.iter()]
    assert all(each.startswith("costs-") for each in ids)
