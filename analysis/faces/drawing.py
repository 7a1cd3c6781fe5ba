"""A chart as shapes and words on a matplotlib figure. `picture` turns the figure into a file.

Distances are in pixels from the top left, as on a page.
"""

import textwrap
from dataclasses import dataclass
from typing import Any, Final, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.faces import palette
from analysis.faces.chart import Chart, Series, is_additive, label, short
from analysis.faces.time_ticks import time_ticks

DOTS_PER_INCH: Final = 100  # one of our pixels is one dot
_POINTS: Final = 72 / DOTS_PER_INCH  # matplotlib counts letters and lines in points
_PROPERTIES: Final = FontProperties(family="DejaVu Sans", size=100)
_SINGLE: Final = palette.CATEGORICAL[0].light


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes in pixels. `key`: where the names of the series stand. `margin`: around everything."""

    width: int
    height: int
    font: float
    margin: int
    key: Literal["right", "below"]
    names: float  # most of the width that the names of bars may take, or those of series at the right


@dataclass(frozen=True, slots=True)
class Words:
    """What is written around a chart; empty where a page says it."""

    title: str = ""
    subtitle: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float


def draw(chart: Chart, layout: Layout, words: Words) -> Figure:
    """The whole picture in light colours; those of `palette`, so that a page can put its variables in their place."""
    figure = Figure(figsize=(layout.width / DOTS_PER_INCH, layout.height / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
    figure.patch.set_visible(bool(words.title))
    box = _write_words(figure, layout, words, chart)
    if chart.kind == "bars":
        _draw_bars(figure, layout, box, chart)
    else:
        _draw_over_time(figure, layout, box, chart)
    return figure


def height_of(chart: Chart, layout: Layout) -> int:
    """Pixels that a picture without words needs."""
    if chart.kind == "bars":
        return round(layout.font * (2.1 * len(chart.positions) + 3))
    lines = len(chart.series) if layout.key == "below" and len(chart.series) > 1 else 0
    return round(layout.height + lines * layout.font * 1.7)


def _text(figure: Figure, x: float, y: float, text: str, size: float, colour: palette.Colour, **how: Any) -> None:
    """`y` is the middle of the line."""
    width, height = figure.get_size_inches() * DOTS_PER_INCH
    figure.text(
        x / width,
        1 - y / height,
        text,
        fontsize=size * _POINTS,
        color=colour.light,
        **{"va": "center_baseline", "parse_math": False, **how},
    )


def _write_words(figure: Figure, layout: Layout, words: Words, chart: Chart) -> _Box:
    """Title, subtitle, note, and what is measured; returns the room that is left."""
    font, y = layout.font, float(layout.margin)
    if words.title:
        for line in _wrapped(words.title, font * 1.5, layout.width - 2 * layout.margin):
            _text(figure, layout.margin, y + font * 0.2, line, font * 1.5, palette.TEXT, weight="bold")
            y += font * 2.1
        _text(figure, layout.margin, y, words.subtitle, font, palette.MUTED)
        y += font * 2.8
    _text(figure, layout.margin, y, label(chart.measure), font * 0.9, palette.MUTED)
    bottom = float(layout.height - layout.margin)
    if words.note:
        _text(figure, layout.margin, bottom, words.note, font * 0.8, palette.MUTED)
        bottom -= font * 2
    return _Box(layout.margin, y + font * 1.4, layout.width - layout.margin, bottom)


def _wrapped(text: str, size: float, room: float) -> list[str]:
    """At most two lines. Bold letters are a sixth wider."""
    letters = int(len(text) * room / (width_of(text, size) * 1.17 or 1))
    first, *others = textwrap.wrap(text, max(letters, 10)) or [""]
    return [first, cut(" ".join(others), size, room / 1.17)] if others else [first]


def _axes(figure: Figure, layout: Layout, box: _Box) -> Axes:
    axes = figure.add_axes(
        (
            box.left / layout.width,
            1 - box.bottom / layout.height,
            (box.right - box.left) / layout.width,
            (box.bottom - box.top) / layout.height,
        )
    )
    axes.patch.set_visible(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=layout.font * 0.85 * _POINTS, labelcolor=palette.MUTED.light, pad=6)
    return axes


def width_of(text: str, size: float) -> float:
    """Pixels that a line of text takes."""
    width, _, _ = TextToPath().get_text_width_height_descent(text, _PROPERTIES, False)
    return float(width) * size / 100


def cut(text: str, size: float, room: float) -> str:
    """The text, or its beginning and an ellipsis where `room` pixels are too few."""
    if width_of(text, size) <= room:
        return text
    return next(
        (
            short
            for end in range(min(len(text), 200), 0, -1)
            if width_of(short := text[:end].rstrip() + "…", size) <= room
        ),
        "…",
    )


# Bars


def _draw_bars(figure: Figure, layout: Layout, box: _Box, chart: Chart) -> None:
    """Each bar with its name before it and its value behind it, so that it needs no axis."""
    names = [cut(str(position), layout.font, layout.width * layout.names) for position in chart.positions]
    values = chart.series[0].values
    shown = [short(chart.measure, value) for value in values]
    known = [value for value in values if value is not None]
    highest, lowest = max(0.0, *known, 0.0), min(0.0, *known, 0.0)
    name_width = max(width_of(name, layout.font) for name in names) + 14
    value_width = max(width_of(text, layout.font) for text in shown) + 12
    inner = _Box(box.left + name_width, box.top, box.right - value_width, box.bottom)
    axes = _axes(figure, layout, inner)
    axes.set_axis_off()
    axes.set_xlim(lowest, highest or 1)
    row = min((box.bottom - box.top) / len(names), layout.font * 2.6)
    axes.set_ylim((inner.bottom - inner.top) / row - 0.5, -0.5)
    for place, (name, value, text) in enumerate(zip(names, values, shown, strict=True)):
        is_others = place >= len(names) - 1 and name.startswith("others (")
        colour = palette.OTHERS.light if is_others else _SINGLE
        axes.barh(place, value or 0, height=0.66, color=colour, linewidth=0)
        y = box.top + (place + 0.5) * row
        _text(figure, inner.left - 10, y, name, layout.font, palette.TEXT, ha="right")
        end = inner.left + (max(value or 0, 0) - lowest) / ((highest or 1) - lowest) * (inner.right - inner.left)
        _text(figure, end + 8, y, text, layout.font, palette.TEXT if value is not None else palette.MUTED)


# Over time


def _draw_over_time(figure: Figure, layout: Layout, box: _Box, chart: Chart) -> None:
    colours = _colours(chart)
    has_key = len(chart.series) > 1
    key_width = layout.width * layout.names if has_key and layout.key == "right" else 0
    key_height = len(chart.series) * layout.font * 1.7 if has_key and layout.key == "below" else 0
    axis_room = _axis_room(chart, layout)
    inner = _Box(
        box.left + axis_room,
        box.top,
        box.right - key_width,
        box.bottom - key_height - layout.font * 1.8,
    )
    axes = _axes(figure, layout, inner)
    _draw_columns(axes, chart, colours) if chart.kind == "columns" else _draw_lines(axes, chart, colours, layout)
    _measure_axis(axes, chart)
    _time_axis(axes, chart, int((inner.right - inner.left) / (layout.font * 5.2)))
    if has_key:
        x = inner.right + layout.font * 1.6 if layout.key == "right" else box.left
        y = box.top + layout.font if layout.key == "right" else inner.bottom + layout.font * 2.9
        _write_key(figure, layout, chart, colours, x, y, box.right)


def _colours(chart: Chart) -> list[str]:
    if len(chart.series) == 1:
        return [_SINGLE]
    assigned = palette.assign(one.name for one in chart.series if not one.is_others)
    return [palette.OTHERS.light if one.is_others else assigned[one.name].light for one in chart.series]


def _axis_room(chart: Chart, layout: Layout) -> float:
    """Pixels for the labels of the measure's axis."""
    highest = _highest(chart)
    shown = [short(chart.measure, highest * part) for part in (0.25, 0.5, 0.75, 1)]
    return max(width_of(text, layout.font * 0.85) for text in shown) + 12


def _highest(chart: Chart) -> float:
    if chart.is_stacked:
        return max(sum(value or 0 for value in at) for at in zip(*(one.values for one in chart.series), strict=True))
    return max((value for one in chart.series for value in one.values if value is not None), default=0.0)


def _draw_columns(axes: Axes, chart: Chart, colours: list[str]) -> None:
    """The largest series stands on the axis. A value that is not known leaves a gap."""
    bottoms = [0.0] * len(chart.positions)
    width, seam = (0.8, 0.6) if len(chart.positions) <= 120 else (1.0, 0.0)
    edge = palette.BACKGROUND.light  # a seam between colours that lie on each other
    for one, colour in zip(chart.series, colours, strict=True):
        heights = [value or 0.0 for value in one.values]
        axes.bar(range(len(heights)), heights, width, bottoms, color=colour, edgecolor=edge, linewidth=seam)
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]


def _draw_lines(axes: Axes, chart: Chart, colours: list[str], layout: Layout) -> None:
    """A point that is alone between two gaps is a dot."""
    for one, colour in zip(chart.series, colours, strict=True):
        values = [float("nan") if value is None else value for value in one.values]
        axes.plot(values, color=colour, linewidth=layout.font * 0.15 * _POINTS, solid_joinstyle="round")
        alone = [i for i in range(len(values)) if _is_alone(one, i)]
        axes.plot(
            alone, [values[i] for i in alone], "o", color=colour, markersize=layout.font * 0.35 * _POINTS, linewidth=0
        )


def _is_alone(series: Series, place: int) -> bool:
    values = (None, *series.values, None)
    return values[place + 1] is not None and values[place] is None and values[place + 2] is None


def _measure_axis(axes: Axes, chart: Chart) -> None:
    lowest = min((value for one in chart.series for value in one.values if value is not None), default=0.0)
    if lowest >= 0:
        axes.set_ylim(0, _highest(chart) * 1.04 or 1)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], min_n_ticks=4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(chart.measure, value)))
    axes.yaxis.grid(True, color=palette.LINE.light, linewidth=0.8)
    axes.set_axisbelow(True)


def _time_axis(axes: Axes, chart: Chart, most: int) -> None:
    places = time_ticks(chart.positions, max(2, most))
    axes.set_xlim(-0.6, len(chart.positions) - 0.4)
    axes.set_xticks([place for place, _ in places], [text for _, text in places])


def _write_key(
    figure: Figure, layout: Layout, chart: Chart, colours: list[str], x: float, y: float, right: float
) -> None:
    """The names beside their colours, in the order in which they are stacked, with their sums where these mean something."""
    pairs = list(zip(chart.series, colours, strict=True))
    if layout.key == "right" and chart.is_stacked:
        pairs.reverse()
    size, font = layout.font * 0.75, layout.font * 0.9
    for series, colour in pairs:
        total = short(chart.measure, series.total) if is_additive(chart.measure) else ""
        room = right - x - size * 1.7 - (width_of(total, font) + font if total else 0)
        _square(figure, layout, x, y - size / 2, size, colour)
        _text(figure, x + size * 1.7, y, cut(series.name, font, room), font, palette.TEXT)
        _text(figure, right, y, total, font, palette.MUTED, ha="right")
        y += layout.font * 1.7


def _square(figure: Figure, layout: Layout, x: float, y: float, size: float, colour: str) -> None:
    width, height = layout.width, layout.height
    figure.patches.append(
        Rectangle(
            (x / width, 1 - (y + size) / height),
            size / width,
            size / height,
            transform=figure.transFigure,
            color=colour,
            linewidth=0,
        )
    )
