"""Files of other tools, and the rows that they become."""

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from addon.intake.importing.model import Imported
from addon.intake.importing.sources import source_of
from addon.metering.price import PriceList
from addon.settling.journal_reader import Call
from addon.settling.rows import make_rows
from addon.storage.record import BodyRow, RequestRow

PRICES = PriceList()


def lines(path: Path, records: Iterable[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def table(path: Path, records: list[dict[str, Any]]) -> Path:
    """A CSV as databases write it: tables in a column are JSON, NULL is empty."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        for record in records:
            writer.writerow({name: _text(value) for name, value in record.items()})
    return path


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value)
    return "" if value is None else str(value)


def calls(path: Path, source: str) -> list[Imported]:
    """The calls of a file, which must be taken for one of this tool."""
    found = source_of(path)
    assert found is not None
    assert found.name == source
    return list(found.read(path))


def rows(path: Path, source: str) -> list[RequestRow]:
    return [row_of(call)[0] for call in calls(path, source)]


def row_of(call: Imported) -> tuple[RequestRow, BodyRow]:
    logged = call.logged()
    made = Call(call_id=logged.id, start=logged.start, end=logged.end, request=logged.request, response=logged.response)
    return make_rows(made, PRICES)


def tokens(row: RequestRow) -> tuple[int | None, ...]:
    """(input, cache read, cache written, of it for an hour, output, reasoning)"""
    return (
        row.input_tokens,
        row.cache_read_input_tokens,
        row.cache_creation_input_tokens,
        row.cache_creation_1h_input_tokens,
        row.output_tokens,
        row.reasoning_output_tokens,
    )


def day(row: RequestRow) -> date:
    return row.started_at.date()


def without(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}
