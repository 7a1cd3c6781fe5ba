"""Draws a chart with characters: bars and columns in eighths of a character, lines in dots of Braille.

Without colours the series differ by their characters. A value that is not known leaves a gap.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import ceil, floor, isfinite, log10
from typing import Final

from rich.cells import cell_len, set_cell_size

from analysis.faces import palette
from analysis.faces.chart import Chart, Moment, Series, is_additive, label, short
from analysis.faces.time_ticks import time_ticks

# Numbers of ANSI colours: the terminal's own, so that they fit its background. In the order of palette.CATEGORICAL.
_ANSI: Final = dict(zip(palette.CATEGORICAL, (94, 31, 36, 35, 32, 95, 91, 33), strict=True)) | {palette.OTHERS: 90}
_EIGHTHS_RIGHT: Final = " ▏▎▍▌▋▊▉█"
_EIGHTHS_UP: Final = " ▁▂▃▄▅▆▇█"
_FILLS: Final = "█▒#░+o:."  # of series without colours, from dark to light
_POINTS: Final = "●○■□▲△◆◇"
_BRAILLE: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # bits of a cell's dots, from the top

LEAST_WIDTH: Final = 30
MOST_WIDTH: Final = 160  # wider pictures are harder to read, not easier
HEIGHT: Final = 16  # rows of a time axis
_MOST_LABEL: Final = 9  # characters of a value at the axis, as in $0.00012


@dataclass(frozen=True, slots=True)
class _Cell:
    """One character. `over`: the colour behind it."""

    text: str = " "
    colour: int | None = None
    over: int | None = None

    def __str__(self) -> str:
        codes = [] if self.colour is None else [str(self.colour)]
        codes += [] if self.over is None else [str(self.over + 10)]
        return f"\x1b[{';'.join(codes)}m{self.text}\x1b[0m" if codes else self.text


def plot(chart: Chart, width: int, has_colour: bool) -> str:
    """Lines of at most `width` characters (30 at least), each ends with a line feed."""
    width = min(max(width, LEAST_WIDTH), MOST_WIDTH)
    lines = _bars(chart, width, has_colour) if chart.kind == "bars" else _over_time(chart, width, has_colour)
    return "".join(f"{line.rstrip()}\n" for line in (label(chart.measure), *lines))


# Bars


def _bars(chart: Chart, width: int, has_colour: bool) -> Iterator[str]:
    values = chart.series[0].values
    shown = [short(chart.measure, value) for value in values]
    names = [str(position) for position in chart.positions]
    name_width = min(max(map(cell_len, names)), width * 2 // 5)
    room = width - name_width - max(map(len, shown)) - 2
    most = max((abs(value) for value in values if value is not None), default=0) or 1
    for name, value, text in zip(names, values, shown, strict=True):
        bar = _bar(abs(value or 0) / most * room)
        if value is not None and value < 0:
            bar = bar.replace("█", "▒")
        colour = (palette.BAD if value is not None and value < 0 else palette.CATEGORICAL[0]) if has_colour else None
        painted = _Cell(bar, None if colour is None else _ANSI.get(colour, 91)) if bar else _Cell("")
        yield f"{_fitted(name, name_width)} {painted}{' ' * bool(bar)}{text}"


def _bar(length: float) -> str:
    eighths = round(length * 8)
    return "█" * (eighths // 8) + _EIGHTHS_RIGHT[eighths % 8].strip()


def _fitted(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text)) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


# Over time


def _over_time(chart: Chart, width: int, has_colour: bool) -> Iterator[str]:
    moments = chart.positions
    chart, together = _fewer(chart, width - _MOST_LABEL - 2)
    top, step = _scale(chart)
    ticks = [step * i for i in range(int(top / step) + 1)]
    label_width = max(len(short(chart.measure, tick)) for tick in ticks)
    room = width - label_width - 2
    column = room // len(chart.positions) if chart.kind == "columns" else 0
    column = min(column, 8)
    colours = _colours(chart) if has_colour else [None] * len(chart.series)
    if chart.kind == "columns":
        used = column * len(chart.positions)
        rows = _columns(chart, top, column, colours)
        places = [i // together * column for i in range(len(moments))]
    else:
        used = room
        rows = _lines(chart, top, room, colours)
        places = [_at(i, len(moments), room * 2) // 2 for i in range(len(moments))]
    labels = {floor(tick / top * (HEIGHT - 1) + 0.5): short(chart.measure, tick) for tick in ticks}
    for row in range(HEIGHT - 1, -1, -1):
        mark = "┤" if row in labels else "│"
        yield f"{labels.get(row, ''):>{label_width}} {mark}" + "".join(map(str, rows[row]))
    yield " " * label_width + " └" + "─" * used
    yield " " * (label_width + 2) + _time_line(moments, places, used)
    yield from _key(chart, colours, width)
    if together > 1:
        yield f"A column is the sum of {together} {_bucket(moments)}."


def _scale(chart: Chart) -> tuple[float, float]:
    """The top of the axis and the distance of its labels: 1, 2 or 5 times a power of ten."""
    highest = _highest(chart)
    rough = highest / 4 or 1
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return (max(highest, step) if isfinite(highest) else 1.0), step


def _highest(chart: Chart) -> float:
    if chart.is_stacked:
        return max(sum(value or 0 for value in at) for at in zip(*(one.values for one in chart.series), strict=True))
    return max((value for one in chart.series for value in one.values if value is not None), default=0.0)


def _fewer(chart: Chart, room: int) -> tuple[Chart, int]:
    """A chart with no more columns than characters: neighbours are added up. Lines need no more room."""
    together = ceil(len(chart.positions) / room)
    if chart.kind == "lines" or together == 1:
        return chart, 1
    series = tuple(replace(one, values=tuple(_sums(one.values, together))) for one in chart.series)
    return replace(chart, positions=chart.positions[::together], series=series), together


def _sums(values: Sequence[float | None], together: int) -> Iterator[float | None]:
    for begin in range(0, len(values), together):
        known = [value for value in values[begin : begin + together] if value is not None]
        yield sum(known) if known else None


def _colours(chart: Chart) -> list[int | None]:
    if len(chart.series) == 1:
        return [_ANSI[palette.CATEGORICAL[0]]]
    assigned = palette.assign(one.name for one in chart.series if not one.is_others)
    return [_ANSI[palette.OTHERS if one.is_others else assigned[one.name]] for one in chart.series]


def _columns(chart: Chart, top: float, column: int, colours: Sequence[int | None]) -> list[list[_Cell]]:
    """Rows from the bottom, each one cell a character."""
    bars = column - 1 if column >= 3 else column
    rows: list[list[_Cell]] = [[] for _ in range(HEIGHT)]
    for place in range(len(chart.positions)):
        edges = _edges([one.values[place] for one in chart.series], HEIGHT / top)
        for row in range(HEIGHT):
            rows[row] += [_stacked_cell(edges, row, colours)] * bars + [_Cell()] * (column - bars)
    return rows


def _edges(values: Iterable[float | None], scale: float) -> list[float]:
    """Where each series of a column ends, in rows from the bottom."""
    edges, edge = [], 0.0
    for value in values:
        edge += (value or 0) * scale
        edges.append(edge)
    return edges


def _stacked_cell(edges: Sequence[float], row: int, colours: Sequence[int | None]) -> _Cell:
    """The character of one row of a column: the series that fills it, or the edge between two of them."""
    lower = next((i for i, edge in enumerate(edges) if edge > row), None)
    if lower is None:
        return _Cell()
    eighths = min(8, round((edges[lower] - row) * 8))
    if colours[lower] is None and len(edges) > 1:
        middle = next((i for i, edge in enumerate(edges) if edge >= row + 0.5), None)
        return _Cell() if middle is None else _Cell(_FILLS[middle])
    upper = next((i for i, edge in enumerate(edges) if edge >= row + 1), None)
    if eighths == 8 or upper is None or upper == lower:
        return _Cell(_EIGHTHS_UP[eighths], colours[lower])
    return _Cell(_EIGHTHS_UP[eighths], colours[lower], colours[upper])


def _lines(chart: Chart, top: float, room: int, colours: Sequence[int | None]) -> list[list[_Cell]]:
    """Rows from the bottom. Where lines cross, the later series is in front."""
    rows = [[_Cell()] * room for _ in range(HEIGHT)]
    for number, (one, colour) in enumerate(zip(chart.series, colours, strict=True)):
        as_points = colour is None and len(chart.series) > 1
        for x, y in _dots(one, top, room, between=not as_points):
            row, at = y // 4, x // 2
            if as_points:
                rows[row][at] = _Cell(_POINTS[number])
                continue
            there = rows[row][at]
            bits = ord(there.text) - 0x2800 if there.text >= "\u2800" and there.colour == colour else 0
            rows[row][at] = _Cell(chr(0x2800 + (bits | _BRAILLE[3 - y % 4][x % 2])), colour)
    return rows


def _dots(one: Series, top: float, room: int, between: bool) -> Iterator[tuple[int, int]]:
    """The dots of a series, two in each character from left to right and four from its bottom to its top."""
    last: tuple[int, int] | None = None
    for place, value in enumerate(one.values):
        if value is None:
            last = None
            continue
        x = _at(place, len(one.values), room * 2)
        y = max(0, min(HEIGHT * 4 - 1, round(value / top * (HEIGHT * 4 - 1))))
        yield x, y
        if last and between:
            steps = max(abs(x - last[0]), abs(y - last[1]), 1)
            for i in range(1, steps):
                yield round(last[0] + (x - last[0]) * i / steps), round(last[1] + (y - last[1]) * i / steps)
        last = x, y


def _at(place: int, count: int, room: int) -> int:
    return round(place * (room - 1) / (count - 1)) if count > 1 else room // 2


def _time_line(moments: Sequence[Moment], places: Sequence[int], used: int) -> str:
    line = ""
    for i, text in time_ticks(moments, max(2, used // 10)):
        begin = min(places[i], max(0, used - len(text)))
        if begin >= len(line) + (1 if line else 0):
            line += " " * (begin - len(line)) + text
    return line


def _bucket(moments: Sequence[Moment]) -> str:
    """What the columns were before they were added up."""
    return "hours" if isinstance(moments[0], datetime) else "days" if isinstance(moments[0], date) else "months"


def _key(chart: Chart, colours: Sequence[int | None], width: int) -> Iterator[str]:
    """The names of the series, as many on a line as fit."""
    if len(chart.series) == 1:
        return
    line, length = "", 0
    for number, (one, colour) in enumerate(zip(chart.series, colours, strict=True)):
        marks = _FILLS if chart.kind == "columns" else _POINTS
        total = f" {short(chart.measure, one.total)}" if is_additive(chart.measure) else ""
        name = _fitted(one.name, width - 4 - len(total)).rstrip()
        taken = 2 + cell_len(name) + len(total)
        if line and length + 2 + taken > width:
            yield line
            line, length = "", 0
        mark = _Cell("█" if colour is not None else marks[number], colour)
        line += f"{'  ' if line else ''}{mark} {name}{total}"
        length += taken + (2 if length else 0)
    yield line
