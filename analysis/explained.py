"""The rows of a call with the arithmetic of its cost, for `heliograph explain` and for the dashboard."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from addon.storage.record import RequestRow
from analysis.by_id import ALL_DAYS
from analysis.lake import Connection


def request_rows(connection: Connection, request_id: str, on: date | None = None) -> list[RequestRow]:
    """As they were made, oldest first: ids may repeat. `on`: those of that day alone."""
    condition = "request_id = $id and date between $first and $last"
    select = f"select {selected_row('requests')} from requests where {condition} order by requests.started_at"
    first, last = (on, on) if on else ALL_DAYS
    found = connection.execute(select, {"id": request_id.lower(), "first": first, "last": last}).fetchall()
    return [as_row(row) for row in found]


NAMES: Final = tuple(field.name for field in dataclasses.fields(RequestRow))


def selected_row(view: str) -> str:
    """The columns of `view` that `as_row` makes a row of. A time as DuckDB gives it would need pytz."""
    return ", ".join(f"epoch_us({view}.{name})" if name == "started_at" else f"{view}.{name}" for name in NAMES)


def as_row(values: Sequence[Any]) -> RequestRow:
    """The row of one line of such an answer."""
    return RequestRow(**_known(dict(zip(NAMES, values, strict=True))))


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """As the row was made. Columns that a file of an older version lacks are NULL: an empty map here."""
    for name in ("usage_units", "price_factors", "properties"):
        row[name] = dict(row[name] or {})
    return row | {
        "finish_reasons": tuple(row["finish_reasons"] or ()),
        "started_at": datetime.fromtimestamp(row["started_at"] / 1_000_000, UTC),
    }
