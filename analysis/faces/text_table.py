"""A table on a terminal, in the width that it has."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Final, TextIO

from rich.cells import cell_len, set_cell_size

from analysis.faces.render import all_are, cell, is_number, printable
from analysis.table import Table, unique

_ENOUGH_TEXT: Final = 12  # characters of a text column that are worth showing; below that, columns are left out
_LEAST_TEXT: Final = 6  # where no column can be left out any more


def write_table(table: Table, out: TextIO, width: int | None, keep_numbers: bool) -> list[str]:
    """A table of `width` characters at most, None: as wide as it takes. Returns the columns for which there was no room.

    They go from the right; with `keep_numbers` only names and times do: numbers are what a report is for.
    """
    names = [printable(name) for name in unique(table.columns)]
    cells = [[cell(name, value) for name, value in zip(names, row, strict=True)] for row in table.rows]
    columns = list(zip(*table.rows, strict=True)) or [()] * len(names)
    numeric = [is_number(column) for column in columns]
    whole = [all_are(column, (int, float, Decimal, date, time)) for column in columns]  # half of it would mislead
    longest = [max((cell_len(row[i]) for row in cells), default=0) for i in range(len(names))]
    layout = _layout(names, longest, whole, [keep_numbers and number for number in numeric], width)
    headings = [names[i].split("_") if layout.tight else [names[i]] for i in layout.widths]
    height = max(map(len, headings), default=1)
    stacked = zip(*([""] * (height - len(lines)) + lines for lines in headings), strict=True)  # they stand on the rule
    between = " " * layout.gap

    def line(texts: Iterable[str]) -> str:
        placed = zip(layout.widths.items(), texts, strict=True)
        fitted = (_fit(text, column_width, to_right=numeric[i]) for (i, column_width), text in placed)
        return f"{between.join(fitted).rstrip()}\n"

    out.writelines(map(line, stacked))
    out.write("─" * (sum(layout.widths.values()) + layout.gap * (len(layout.widths) - 1)) + "\n")
    out.writelines(line(row[i] for i in layout.widths) for row in cells)
    return [name for i, name in enumerate(names) if i not in layout.widths]


def _fit(text: str, width: int, *, to_right: bool) -> str:
    """The text in as many cells of a terminal; a wide character takes two."""
    cells = cell_len(text)
    if cells > width:
        return set_cell_size(text, width - 1) + "…"
    blanks = " " * (width - cells)
    return blanks + text if to_right else text + blanks


@dataclass(frozen=True, slots=True)
class _Layout:
    """Columns shown (by index) and their widths; tight: headings in several lines and one blank between columns."""

    widths: dict[int, int]
    tight: bool

    @property
    def gap(self) -> int:
        return 1 if self.tight else 2


def _layout(names: list[str], longest: list[int], whole: list[bool], keep: list[bool], width: int | None) -> _Layout:
    """How to fit columns into `width` characters: `longest` cell of each, whether it is shown whole, and always."""
    natural = {i: max(length, len(names[i])) for i, length in enumerate(longest)}
    if width is None or sum(natural.values()) + 2 * (len(names) - 1) <= width:
        return _Layout(natural, tight=False)
    least = {
        i: max(length if whole[i] else min(length, _ENOUGH_TEXT), *map(len, names[i].split("_")))
        for i, length in enumerate(longest)
    }
    removable = [i for i in least if i >= 2 and not keep[i]]
    while removable and sum(least.values()) + len(least) - 1 > width:
        del least[removable.pop()]
    over = sum(least.values()) + len(least) - 1 - width
    while over > 0 and (texts := [i for i in least if not whole[i] and least[i] > _LEAST_TEXT]):
        least[max(texts, key=lambda i: least[i])] -= 1  # numbers are shown whole, so the longest text gives way
        over -= 1
    room = width - sum(least.values()) - len(least) + 1
    for i, least_width in least.items():  # what is left goes to the first columns that can use it
        more = max(0, min(room, longest[i] - least_width))
        least[i] += more
        room -= more
    return _Layout(least, tight=True)
