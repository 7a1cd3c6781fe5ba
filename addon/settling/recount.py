"""What is spent of each budget in its present period, summed over all rows. Runs in the settler: it reads Parquet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from addon.limits.rules import PROPERTY, Budget, CallFacts, period_of
from addon.storage.folders import parse_day, parse_settled
from addon.storage.lake import visible_files

COST: Final = "cost_nanousd"
LOGGED: Final = "async"  # told by a program after the fact: it counts in reports, and must not block everybody
_COLUMNS: Final = {"user": "user_id", "model": "request_model", "repository": "client_repository"}
_KEYS: Final = ("api_key_hash", "helicone_key_hash")


def recount(
    data: Path,
    budgets: Sequence[Budget],
    at: datetime,
    say: Callable[[str], None],
    as_stored: Callable[[CallFacts], CallFacts] = lambda facts: facts,
) -> dict[tuple[str, str], int]:
    """Nano-USD by (budget key, period) for the periods that `at` is in. Files that cannot be read are named and skipped.
    `as_stored`: the facts of a row as a new row has them, where secrets have become pseudonyms since.

    Nobody may write rows meanwhile: only the settler does, and it is the one who asks.
    """
    spent: dict[tuple[str, str], int] = {}
    listing = visible_files(data, "requests")
    for path in (*listing.parquet, *listing.settled):
        day = _day(path)
        due = [budget for budget in budgets if day and day.isoformat().startswith(period_of(budget.period, at))]
        if not due:
            continue
        read = _parquet_groups if path.suffix == ".parquet" else _settled_rows
        try:
            for budget, given, nanousd in read(path, due):
                facts = as_stored(given)
                if budget.match.covers(facts):
                    key = budget.key(facts), period_of(budget.period, at)
                    spent[key] = spent.get(key, 0) + nanousd
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            say(f"{path}: cannot be read ({error!r:.200}); budgets lack what its calls cost")
    return spent


def _day(path: Path) -> date | None:
    """The day of all rows in a file of the lake or of settled rows."""
    if path.suffix == ".parquet":
        return parse_day(path.parent.name.removeprefix("date="))
    parsed = parse_settled(path.name)
    return parsed[1] if parsed else None


def _parquet_groups(path: Path, budgets: Sequence[Budget]) -> Iterator[tuple[Budget, CallFacts, int]]:
    """For each budget the rows that are equal in all it asks for, and the sum of their costs; a row group at a time."""
    columns = {budget.name: _asked(budget) for budget in budgets}
    names = {name: _properties(budget) for name, budget in zip(columns, budgets, strict=True)}
    wanted = [COST, "mode", *{column for asked in columns.values() for column in asked}]
    wanted += ["properties"] if any(names.values()) else []
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, columns=wanted)
            table = table.filter(pc.is_valid(table[COST]))
            passed = table.filter(pc.not_equal(table["mode"], LOGGED))
            for budget in budgets:
                counted = passed if budget.hard else table
                groups = {column: counted[column] for column in columns[budget.name]}
                for name in names[budget.name]:
                    groups[PROPERTY + name] = pc.map_lookup(counted["properties"], name, "first")
                sums = pa.table({COST: counted[COST]} | groups).group_by(list(groups)).aggregate([(COST, "sum")])
                for row in sums.to_pylist():
                    if (nanousd := row[f"{COST}_sum"]) is not None:
                        yield budget, _facts(row, {name: row[PROPERTY + name] for name in names[budget.name]}), nanousd


def _asked(budget: Budget) -> set[str]:
    """The columns, beside properties, that a budget's keys and matches depend on."""
    asked = {_COLUMNS[budget.per]} if budget.per in _COLUMNS else set()
    asked |= {_COLUMNS[name] for name in _COLUMNS if getattr(budget.match, name) is not None}
    return asked | set(_KEYS if budget.per == "key" or budget.match.key_hash is not None else ())


def _properties(budget: Budget) -> set[str]:
    asked = {name for name, _ in budget.match.properties}
    return asked | ({budget.per.removeprefix(PROPERTY)} if budget.per.startswith(PROPERTY) else set())


def _settled_rows(path: Path, budgets: Sequence[Budget]) -> Iterator[tuple[Budget, CallFacts, int]]:
    """The rows of a settled file for each budget; a torn last line is none yet."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        row = orjson.loads(line)
        if row[COST] is not None:
            facts = _facts(row, row["properties"] or {})
            for budget in budgets:
                if not (budget.hard and row["mode"] == LOGGED):
                    yield budget, facts, row[COST]


def _facts(row: Mapping[str, str | None], properties: Mapping[str, str | None]) -> CallFacts:
    return CallFacts(
        user=row.get("user_id"),
        properties={name: value for name, value in properties.items() if value is not None},
        model=row.get("request_model"),
        repository=row.get("client_repository"),
        key_hash=row.get("api_key_hash"),
        helicone_key_hash=row.get("helicone_key_hash"),
    )
