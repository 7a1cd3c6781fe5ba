"""A chart as a PNG or SVG for a slide, and as the inline SVG of a page.

The same chart gives the same bytes on every machine: fonts are those that matplotlib brings along, and no date, version or
random name is written. matplotlib takes half a second to load, so this module is imported only where a picture is asked for.
"""

import io
import re
from dataclasses import replace
from typing import Any, Final

import matplotlib as mpl
from markupsafe import escape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG

from analysis.faces import palette
from analysis.faces.chart import Chart
from analysis.faces.drawing import DOTS_PER_INCH, Layout, Words, draw, height_of

SLIDE: Final = Layout(1280, 720, 18, 56, "right", 0.27)
WIDE: Final = Layout(960, 330, 14, 10, "right", 0.27)  # of a page on a desk
NARROW: Final = Layout(344, 230, 12, 6, "below", 0.42)  # of a page on a phone

_PNG_SCALE: Final = 1.5  # 1920 x 1080
_SETTINGS: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "text.parse_math": False,  # "$" is money, and names are the callers'
    "axes.unicode_minus": False,
    "svg.hashsalt": "heliograph",
}
_NO_METADATA: Final[dict[Any, Any]] = {"Date": None, "Creator": None, "Type": None, "Format": None}


def png(chart: Chart, words: Words) -> bytes:
    """A picture of 1920 x 1080 on white."""
    with mpl.rc_context(_SETTINGS):
        figure = draw(chart, SLIDE, words)
        figure.set_dpi(DOTS_PER_INCH * _PNG_SCALE)
        out = io.BytesIO()
        FigureCanvasAgg(figure).print_png(out, metadata={"Software": None, "Title": words.title})
        return out.getvalue()


def svg(chart: Chart, words: Words) -> bytes:
    """The same as vectors. Letters are shapes, so that it looks the same where the font is not installed."""
    with mpl.rc_context({**_SETTINGS, "svg.fonttype": "path"}):
        return _svg(chart, SLIDE, words).encode("utf-8")


def inline_svg(chart: Chart, layout: Layout, name: str, described: str) -> str:
    """An <svg> element: its colours are the variables of `palette.css`, its font is the page's. `name`: what its ids begin
    with, another one for each picture of a page. `described`: what is read out instead of the picture."""
    with mpl.rc_context({**_SETTINGS, "svg.fonttype": "none"}):
        text = _svg(chart, replace(layout, height=height_of(chart, layout)), Words())
    box = re.search(r'viewBox="([\d. ]+)"', text)
    assert box  # matplotlib writes one
    text = re.sub(r"^.*?<svg [^>]*>\s*(<title ?/>)?", "", text, flags=re.DOTALL)
    text = f'<svg viewBox="{box[1]}" role="img" aria-label="{escape(described)}">{text}'
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = text.replace(" font-family: 'DejaVu Sans';", "")
    for variable, colour in palette.NAMED.items():
        text = text.replace(colour.light, f"var(--{variable})")
    return text


def _svg(chart: Chart, layout: Layout, words: Words) -> str:
    out = io.StringIO()
    FigureCanvasSVG(draw(chart, layout, words)).print_svg(out, metadata={**_NO_METADATA, "Title": words.title})
    return re.sub(r"\s*<metadata>.*?</metadata>", "", out.getvalue(), flags=re.DOTALL)
