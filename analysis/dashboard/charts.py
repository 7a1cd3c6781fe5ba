"""Charts over time: rows of a question, arranged for charts.js and for the table behind the picture. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from analysis.dashboard import formats
from analysis.dashboard.colours import looks
from analysis.dashboard.filters import exactly
from analysis.dashboard.steps import Steps
from analysis.dashboard.view import View
from analysis.faces.palette import MOST_SERIES

OTHERS: Final = "all others"
FORMATS: Final[Mapping[str, Callable[[float | None], str]]] = {
    "usd": formats.usd,
    "count": formats.count,
    "duration": formats.duration,
    "percent": formats.percent,
}


@dataclass(frozen=True, slots=True)
class Series:
    """`colour`: `1` to `8` of the palette, or `others`; `values`: one a step, None: unknown; `href`: the calls behind it;
    `texture`: see `colours.Look`."""

    name: str
    colour: str
    values: tuple[float | None, ...]
    href: str | None = None
    total: str | None = None
    texture: int = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """`unit`: a key of FORMATS; `is_stacked`: the series add up, and are drawn as bars on top of each other."""

    moments: tuple[datetime, ...]
    end: datetime
    series: tuple[Series, ...]
    unit: str
    is_stacked: bool = True
    locals: tuple[str, ...] = ()

    def json(self) -> str:
        """For the attribute data-chart."""
        return orjson.dumps(
            {
                "x": [int(moment.timestamp()) for moment in (*self.moments, self.end)],
                "unit": self.unit,
                "stacked": self.is_stacked,
                "series": [
                    {
                        "name": each.name,
                        "colour": each.colour,
                        "texture": each.texture,
                        "values": each.values,
                        "href": each.href,
                    }
                    for each in self.series
                ],
            }
        ).decode()

    def table(self) -> list[tuple[str, list[str]]]:
        """The time of each step with something in it, and the shown values."""
        show = FORMATS[self.unit]
        return [
            (self.locals[i], [show(each.values[i]) for each in self.series])
            for i in range(len(self.moments))
            if any(each.values[i] for each in self.series)
        ]


def stacked(
    rows: Sequence[Mapping[str, Any]],
    value: str,
    steps: Steps,
    view: View,
    unit: str,
    *,
    token: str | None,
) -> Chart:
    """Of rows with `at`, `series` and a value: the largest series, and all others as one. `token`: the filter that a
    series is."""
    place = steps.place(view.window)
    sums: dict[object, list[float]] = {}
    for row in rows:
        at = place(row["at"])
        if at is not None and row[value] is not None:
            sums.setdefault(row["series"], [0.0] * len(steps.moments))[at] += row[value]
    order = sorted(sums, key=lambda name: (-sum(sums[name]), str(name)))
    shown = order if len(order) <= MOST_SERIES else order[: MOST_SERIES - 1]
    show, look = FORMATS[unit], looks(formats.label(name) for name in shown)
    series = [
        Series(
            formats.label(name),
            look[formats.label(name)].colour,
            tuple(sums[name]),
            view.rows((token, exactly(name))) if token else view.rows(),
            show(sum(sums[name])),
            look[formats.label(name)].texture,
        )
        for name in shown
    ]
    if rest := order[len(shown) :]:
        values = tuple(sum(each) for each in zip(*(sums[name] for name in rest), strict=True))
        series.append(Series(f"{OTHERS} ({len(rest)})", "others", values, None, show(sum(values))))
    return Chart(steps.moments, steps.begins[-1], tuple(series), unit, True, _locals(steps, view))


def lines(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], steps: Steps, view: View, unit: str) -> Chart:
    """Of rows with `at`: a line for each of `columns`, by its name for people. Steps without a value are gaps."""
    place = steps.place(view.window)
    found: dict[str, list[float | None]] = {name: [None] * len(steps.moments) for name in columns}
    for row in rows:
        if (at := place(row["at"])) is not None:
            for name in columns:
                found[name][at] = row[name]
    series = tuple(
        Series(title, str(number), tuple(found[name]), view.rows())
        for number, (name, title) in enumerate(columns.items(), start=1)
        if any(value is not None for value in found[name])
    )
    return Chart(steps.moments, steps.begins[-1], series, unit, False, _locals(steps, view))


def _locals(steps: Steps, view: View) -> tuple[str, ...]:
    pattern = "%Y-%m-%d" if steps.name in ("day", "week", "month") else "%Y-%m-%d %H:%M"
    return tuple(view.zone.local(moment).strftime(pattern) for moment in steps.moments)
