"""Bills beside rows: the lines of one provider's exports and its calls, grouped by the same day, model, key or project."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from analysis.billing.exports import Export
from analysis.billing.files import WrongFile
from analysis.billing.group import Group, Stated
from analysis.billing.labels import Amounts, Label, paired
from analysis.billing.line import TOKENS, BillLine, Tokens
from analysis.billing.names import same_names
from analysis.billing.reasons import Verdict, verdicts
from analysis.lake import Connection
from analysis.reports.grouping import with_columns
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import Window
from analysis.reports.zone import Zone, zone_of
from analysis.table import fetch

BY: Final = ("day", "model", "key", "project")
_SQL: Final = (Path(__file__).parent / "sql" / "compared.sql").read_text(encoding="utf-8")
_MONEY: Final = pa.decimal128(38, 15)
_SMALLEST: Final = Decimal(10) ** -15
_MICRO: Final = Decimal(10) ** 6


@dataclass(frozen=True, slots=True)
class Bill:
    """All lines of one provider, and the days that they are about, first and last."""

    provider_name: str
    lines: list[BillLine]
    zone: Zone
    first: date
    last: date
    stated: Stated

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Those of BY that the lines state."""
        return tuple(name for name in BY if any(getattr(line, name) is not None for line in self.lines))


@dataclass(frozen=True, slots=True)
class Comparison:
    bill: Bill
    groups: list[Group]
    verdicts: list[Verdict]


def bills(exports: Sequence[Export]) -> list[Bill]:
    """The exports by provider. Raises WrongFile for two that state the same usage, or the same costs, twice."""
    names = dict.fromkeys(line.provider_name for export in exports for line in export.lines)
    return [_bill(name, [export for export in exports if _lines_of(export, name)]) for name in names]


def _lines_of(export: Export, provider_name: str) -> list[BillLine]:
    return [line for line in export.lines if line.provider_name == provider_name]


def _bill(provider_name: str, exports: Sequence[Export]) -> Bill:
    usage = [export for export in exports if not _has_costs(export)]
    costs = [export for export in exports if _has_costs(export)]
    for same in (usage, costs):
        _refuse_overlaps(same, provider_name)
    lines = [line for export in usage for line in _lines_of(export, provider_name)]
    for export in costs:
        of_costs = _lines_of(export, provider_name)
        # Tokens of both would count twice; an export of usage knows them better.
        lines += map(_without_tokens, of_costs) if usage else of_costs
    days = [line.day for line in lines]
    return Bill(provider_name, lines, zone_of(exports[0].format.zone), min(days), max(days), _stated(lines))


def _has_costs(export: Export) -> bool:
    return any(line.cost_usd is not None for line in export.lines)


def _refuse_overlaps(exports: Sequence[Export], provider_name: str) -> None:
    """Two exports of one kind may be parts of one: other days, or other projects. Else their lines count twice."""
    for number, one in enumerate(exports):
        for other in exports[:number]:
            mine, theirs = _lines_of(one, provider_name), _lines_of(other, provider_name)
            if not {line.day for line in mine} & {line.day for line in theirs}:
                continue
            if one.format is not other.format or _dimensions(mine) != _dimensions(theirs):
                raise WrongFile(
                    f"{other.path} and {one.path} are about the same days of {provider_name}, grouped in different ways:"
                    " they would count twice. Give one of them"
                )


def _dimensions(lines: Iterable[BillLine]) -> set[str]:
    return {name for line in lines for name in BY if getattr(line, name) is not None}


def _without_tokens(line: BillLine) -> BillLine:
    return replace(line, requests=None, tokens=Tokens())


def _stated(lines: Sequence[BillLine]) -> Stated:
    return Stated(
        frozenset(name for name in TOKENS if any(getattr(line.tokens, name) is not None for line in lines)),
        any(line.cost_usd is not None for line in lines),
        any(line.requests is not None for line in lines),
    )


def window_of(bill: Bill, since: datetime | None, until: datetime | None) -> Window:
    """The days of the bill, as far as they are within `since` and `until`. Raises ValueError where none is."""
    first, last = bill.first, bill.last
    if since is not None:
        first = max(first, bill.zone.local(since).date())
    if until is not None:
        last = min(last, bill.zone.local(until - timedelta(microseconds=1)).date())
    if last < first:
        raise ValueError(
            f"the export of {bill.provider_name} is about {bill.first} to {bill.last}; no day of it is between --since and --until"
        )
    return Window(bill.zone.midnight(first), bill.zone.midnight(last + timedelta(days=1)), bill.zone)


def compare(connection: Connection, bill: Bill, window: Window, by: Sequence[str]) -> Comparison:
    """On a connection of `Lake.ask`. `by`: of BY."""
    first, last = (bill.zone.local(moment).date() for moment in (window.since, window.end))
    lines = [line for line in bill.lines if first <= line.day < last]
    open_scope(connection, Scope(window, f"provider_name = '{bill.provider_name}'"))
    models = [
        row["model"] for row in fetch(connection, "select distinct model from calls where model is not null").records()
    ]
    names = same_names(bill.provider_name, {line.model for line in lines if line.model}, models, window.since)
    named = [replace(line, model=names.get(line.model, line.model) if line.model else None) for line in lines]
    _register(connection, "bill", _SCHEMA, ({name: _cell(line, name) for name in _SCHEMA.names} for line in named))
    _register(connection, "our_names", _NAMES, ({"model": name, "name": names[name]} for name in models))
    _register(connection, "our_labels", _LABELS, _label_rows(connection, bill, named))
    table = fetch(connection, with_columns(_SQL, [f'"{name}"' for name in by]))
    groups = [
        Group({name: row[name] for name in by}, {name: row[name] for name in row if name not in by}, bill.stated)
        for row in table.records()
    ]
    return Comparison(bill, groups, verdicts(groups, bill.last))


def _label_rows(connection: Connection, bill: Bill, lines: Sequence[BillLine]) -> list[dict[str, str | None]]:
    """The key and project of each of our keys. A key that has no label of the bill is shown by its hash."""
    labels = {Label(line.key, line.project) for line in lines}
    if labels <= {Label(None, None)}:
        return []
    ours = _our_amounts(connection, bill)
    pairs = paired(_billed_amounts(bill, lines), ours)
    return [
        {"api_key_hash": own, "key": label.key, "project": label.project}
        for own in ours
        for label in [pairs.get(own) or Label(f"hash {(own or 'none')[:12]}", None)]
    ]


def _our_amounts(connection: Connection, bill: Bill) -> dict[str | None, Amounts]:
    sql = f"""select api_key_hash, day, our_names.name as model, {_sums(bill)} from calls
        left join our_names on our_names.model is not distinct from calls.model where attempts > 0 group by all"""
    ours: dict[str | None, dict[tuple[date, str | None], tuple[int, ...]]] = {}
    for row in fetch(connection, sql).records():
        ours.setdefault(row["api_key_hash"], {})[row["day"], row["model"]] = (int(row["one"]), int(row["two"]))
    return dict(ours)


def _sums(bill: Bill) -> str:
    """Two amounts that a call is known again by: tokens, or the cost in micro-dollars where the bill has no tokens."""
    if bill.stated.tokens:
        return "coalesce(sum(input_tokens), 0) as one, coalesce(sum(output_tokens), 0) as two"
    return "round(coalesce(sum(cost_nanousd), 0) / 1000) as one, 0 as two"


def _billed_amounts(bill: Bill, lines: Sequence[BillLine]) -> dict[Label, Amounts]:
    sums: dict[Label, dict[tuple[date, str | None], list[Decimal]]] = {}
    for line in lines:
        amounts = sums.setdefault(Label(line.key, line.project), {}).setdefault(
            (line.day, line.model), [Decimal(0)] * 2
        )
        if bill.stated.tokens:
            amounts[0] += line.tokens.input_tokens or 0
            amounts[1] += line.tokens.output_tokens or 0
        else:
            amounts[0] += (line.cost_usd or 0) * _MICRO
    return {
        label: {cell: tuple(round(amount) for amount in amounts) for cell, amounts in cells.items()}
        for label, cells in sums.items()
    }


_TYPES: Final[Mapping[str, pa.DataType]] = {
    "day": pa.date32(),
    **dict.fromkeys((*TOKENS, "requests"), pa.int64()),
    **dict.fromkeys(("cost_usd", "rounding_usd", "credit_usd"), _MONEY),
    "is_final": pa.bool_(),
}
_FIELDS: Final = (*(each.name for each in fields(BillLine) if each.name != "tokens"), *TOKENS)
_SCHEMA: Final = pa.schema([(name, _TYPES.get(name, pa.string())) for name in _FIELDS])
_NAMES: Final = pa.schema([("model", pa.string()), ("name", pa.string())])
_LABELS: Final = pa.schema([("api_key_hash", pa.string()), ("key", pa.string()), ("project", pa.string())])


def _cell(line: BillLine, name: str) -> Any:
    """Money to a millionth of a nano-dollar: exports have up to thousands of decimals."""
    value = getattr(line.tokens if name in TOKENS else line, name)
    return value.quantize(_SMALLEST) if isinstance(value, Decimal) else value


def _register(connection: Connection, name: str, schema: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> None:
    connection.register(name, pa.Table.from_pylist(list(rows), schema=schema))
