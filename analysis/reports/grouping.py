"""Other groups for a report than its own: --by and --every put columns in the lines of its SQL that end in `-- by`."""

import re
from collections.abc import Sequence
from typing import Final

from analysis.quoting import quoted
from analysis.reports.dimensions import TIMES

_BY: Final = re.compile(r"^(?P<indent>[ \t]*)(?P<items>\S.*?)(?P<comma>,?)[ \t]+-- by[ \t]*$", re.MULTILINE)
_KEY: Final = re.compile(r"^[ \t]*(?P<items>\S.*?),?[ \t]+-- key[ \t]*$", re.MULTILINE)
_PARTS: Final = re.compile(r"""'[^']*'|"[^"]*"|[^'"]""")
_ORDER: Final = re.compile(r"^(?P<indent>[ \t]*)order\s+by\s+(?P<columns>.*)$", re.MULTILINE | re.IGNORECASE)
_FIRST_COLUMNS: Final = re.compile(r"(?<=, )1(, \d+)*$")
_LIMITED: Final = re.compile(r"^[ \t]*order\s+by\s+(?P<columns>.*)\n[ \t]*limit\b", re.MULTILINE | re.IGNORECASE)


def own_groups(sql: str) -> tuple[str, ...] | None:
    """The names of the columns that the SQL groups by; None: it has no line that ends in `-- by`."""
    line = _BY.search(sql)
    return tuple(map(_dimension, _items(line["items"]))) if line else None


def own_keys(sql: str) -> tuple[str, ...]:
    """The columns that tell the rows of a group apart, from lines that end in `-- key`."""
    return tuple(_column(item) for line in _KEY.finditer(sql) for item in _items(line["items"]))


def own_columns(sql: str) -> tuple[str, ...]:
    """The columns of the answer that `own_groups` become: `model as response_model` is response_model."""
    line = _BY.search(sql)
    return tuple(map(_column, _items(line["items"]))) if line else ()


def grouped_by(sql: str, by: Sequence[str], every: str | None = None, *, keeps_newest: bool = True) -> str:
    """The SQL with these columns of `calls` in place of its own; none: its own, but the times if `every` is given.

    Times are first in the order of the rows, the newest last. `keeps_newest`: those are also the rows that the limit of the
    SQL leaves; it orders by nothing but its columns then, and its first are those that tell rows apart: an order that ends
    in the first of them goes on with the others, so that equal rows have the same order each time.
    """
    default = own_groups(sql) or ()
    own_times = [name for name in default if name in TIMES]
    times = [name for name in by or (() if every else own_times) if name in TIMES and name != every]
    if every:
        times.insert(0, every)
    kept = [name for name in by or default if name != every and (by or not every or name not in TIMES)]
    apart = len(kept) + (every is not None) + len(own_keys(sql)) if keeps_newest and default else 0
    return _ordered_by(_with_groups(sql, by, every), own_times, times, apart, keeps_newest=keeps_newest)


def limit_keeps_newest(sql: str) -> bool:
    """Whether a limit leaves the newest of rows with a time: `sessions` picks by cost before it orders its rows."""
    limited = {line["columns"].strip() for line in _LIMITED.finditer(sql)}
    return len(limited) == 1


def with_columns(sql: str, columns: Sequence[str]) -> str:
    """The SQL with these expressions in its lines that end in `-- by`."""
    return _BY.sub(lambda line: f"{line['indent']}{', '.join(columns)}{line['comma']}", sql)


def _with_groups(sql: str, by: Sequence[str], every: str | None) -> str:
    def line_with_groups(line: re.Match[str]) -> str:
        own = [item for item in _items(line["items"]) if not (every and _dimension(item) in TIMES)]
        groups = [quoted(name) for name in by if name != every] or own
        if by and set(by) == {every}:
            groups = []
        return f"{line['indent']}{', '.join([quoted(every), *groups] if every else groups)}{line['comma']}"

    return _BY.sub(line_with_groups, sql)


def _ordered_by(sql: str, own_times: Sequence[str], times: Sequence[str], apart: int, *, keeps_newest: bool) -> str:
    """The SQL with `times` in place of its own at the beginning of its last `order by`, and of all others that read the same.
    `apart`: its first columns, so many, tell rows apart; 0: not known."""
    orders = [line["columns"] for line in _ORDER.finditer(sql) if not line["indent"]]
    if not orders:
        return sql
    last = others = orders[-1]
    for name in own_times:
        others = re.sub(rf'^"?{name}"?(\s+desc)?\s*(?:,\s*|$)', "", others, count=1, flags=re.IGNORECASE)
    if apart:
        others = _FIRST_COLUMNS.sub(", ".join(map(str, range(1, apart + 1))), others)
    newest_last = ", ".join([*map(quoted, times), others])
    newest_first = ", ".join([*(f"{quoted(name)} desc" for name in times), others])
    order = newest_first if keeps_newest else newest_last
    text = _ORDER.sub(
        lambda line: line[0].removesuffix(last) + order if line["columns"] == last else line[0],
        sql,
    )
    return f"select * from (\n{text}\n) order by {newest_last}" if times and keeps_newest else text


def _items(line: str) -> list[str]:
    """The columns of a line: a comma in brackets or in quotes parts none."""
    items, depth = [""], 0
    for part in _PARTS.findall(line):
        depth += (part in "([{") - (part in ")]}")
        if part == "," and not depth:
            items.append("")
        else:
            items[-1] += part
    return [item.strip() for item in items]


def _dimension(item: str) -> str:
    """`model` of `model as response_model`."""
    return re.split(r"\s+as\s+", item, flags=re.IGNORECASE)[0].strip('"')


def _column(item: str) -> str:
    """`response_model` of `model as response_model`; `why` of the last line of an expression, `end as why`."""
    return re.split(r"\s+as\s+", item, flags=re.IGNORECASE)[-1].rpartition(".")[2].strip('"')
