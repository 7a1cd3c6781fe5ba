"""Reports as one HTML page that needs no network and no script: pictures are inline SVG, colours follow the system.

Everything in it is escaped by Jinja2, names of models, users and properties are the callers'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.faces import palette
from analysis.faces.chart import Chart, label, short
from analysis.faces.render import cell, is_number, printable
from analysis.table import Table, unique

FEW_ROWS: Final = 15  # a longer table under a picture is folded up
_AS_NUMBERS: Final = ("share", "change")  # written as text, set like numbers
MOST_ROWS: Final = 100  # of a table on a page; the picture and --json have the others


@dataclass(frozen=True, slots=True)
class Section:
    """One report: `scope` says which calls it is about, `note` what its sums leave out. Times of `table` are local."""

    name: str
    title: str
    scope: str
    table: Table
    chart: Chart | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """A table as a page shows it: its cells are text."""

    title: str
    columns: tuple[Column, ...]
    rows: list[list[str]]
    caption: str  # how many rows


def page(sections: Sequence[Section]) -> str:
    """The whole document."""
    first = sections[0]
    title = printable(first.title) if len(sections) == 1 else "Reports: " + ", ".join(one.name for one in sections)
    scopes = {one.scope for one in sections}
    notes = {one.note for one in sections}
    shown = [
        _shown(one, is_alone=len(sections) == 1, is_same=len(scopes) == 1, has_one_note=len(notes) == 1)
        for one in sections
    ]
    subtitle = first.scope if len(scopes) == 1 else "Which calls each is about stands below its title."
    note = first.note if len(notes) == 1 else ""
    return render("reports.html", title=title, subtitle=subtitle, sections=shown, note=note)


def render(template: str, **values: Any) -> str:
    """A page of `templates/`, with the colours."""
    return _environment().get_template(template).render(colours=Markup(palette.css()), **values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("analysis.faces"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(section: Section, is_alone: bool, is_same: bool, has_one_note: bool) -> dict[str, Any]:
    wide, narrow = pictures(section.chart, section.name, section.title) if section.chart else ("", "")
    return {
        "name": section.name,
        "title": "" if is_alone else section.title,
        "scope": "" if is_alone or is_same else section.scope,
        "wide": wide,
        "narrow": narrow,
        "table": as_rows(section.table, section.title),
        "is_folded": bool(section.chart) and len(section.table.rows) > FEW_ROWS,
        "note": "" if has_one_note else section.note,
    }


def pictures(chart: Chart, name: str, title: str) -> tuple[Markup, Markup]:
    """The picture of a desk and that of a phone. `name` is what its ids begin with."""
    from analysis.faces.picture import NARROW, WIDE, inline_svg

    described = f"{title} {described_values(chart)}"
    return (
        Markup(inline_svg(chart, WIDE, f"{name}-wide", described)),
        Markup(inline_svg(chart, NARROW, f"{name}-narrow", described)),
    )


def described_values(chart: Chart) -> str:
    """What a picture shows, in words: for people who do not see it."""
    if chart.kind == "bars":
        pairs = zip(chart.positions, chart.series[0].values, strict=True)
        shown = [f"{name} {short(chart.measure, value)}" for name, value in pairs]
    else:
        shown = [f"{one.name or 'all'} {short(chart.measure, one.last)} at the end" for one in chart.series]
    return f"{label(chart.measure)}: {', '.join(shown)}."


def as_rows(table: Table, title: str, most: int = MOST_ROWS) -> Rows:
    """The first rows of a table, as text."""
    names = unique(table.columns)
    numeric = [name in _AS_NUMBERS or is_number([row[i] for row in table.rows]) for i, name in enumerate(names)]
    columns = tuple(Column(_heading(name), number) for name, number in zip(names, numeric, strict=True))
    rows = [[cell(name, value) for name, value in zip(names, row, strict=True)] for row in table.rows[:most]]
    count = f"{len(table.rows):,} rows"
    caption = f"The first {most} of {count}" if len(table.rows) > most else count
    return Rows(title, columns, rows, caption)


def _heading(column: str) -> str:
    return printable(column.removesuffix("_usd").replace("_", " "))
