"""The rows of a call with the arithmetic of its cost, for `heliograph explain` and for the dashboard."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

from addon.storage.record import RequestRow
from analysis.lake import Connection


def request_rows(connection: Connection, request_id: str) -> list[RequestRow]:
    """As they were made, oldest first: ids may repeat."""
    names = [field.name for field in dataclasses.fields(RequestRow)]
    # A time as DuckDB gives it needs pytz.
    columns = ["epoch_us(started_at)" if name == "started_at" else name for name in names]
    select = f"select {', '.join(columns)} from requests where request_id = $id order by requests.started_at"
    found = connection.execute(select, {"id": request_id.lower()}).fetchall()
    return [RequestRow(**_known(dict(zip(names, row, strict=True)))) for row in found]


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """As the row was made. Columns that a file of an older version lacks are NULL: an empty map here."""
    for name in ("usage_units", "price_factors", "properties"):
        row[name] = dict(row[name] or {})
    return row | {
        "finish_reasons": tuple(row["finish_reasons"] or ()),
        "started_at": datetime.fromtimestamp(row["started_at"] / 1_000_000, UTC),
    }
