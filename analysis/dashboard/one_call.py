"""The row of one call and its bodies, for the parts of its page."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from analysis.api.envelope import ApiError
from analysis.by_id import ALL_DAYS, days_of
from analysis.dashboard.pages import run
from analysis.lake import Connection

type Row = Mapping[str, Any]


def asked_id(request: Request) -> str:
    """The id in the address, as rows have it."""
    request_id: str = request.path_params["request_id"]
    return request_id.lower()


def row_of(connection: Connection, request_id: str) -> Row:
    """Raises ApiError 404."""
    if row := row_or_none(connection, request_id):
        return row
    raise ApiError(404, f"There is no call {request_id[:100]}. A call is found a second after it ended.")


def row_or_none(connection: Connection, request_id: str) -> Row | None:
    for first, last in filter(None, (days_of(request_id), ALL_DAYS)):
        variables = {"id": request_id, "first_day": first, "last_day": last}
        if found := next(run(connection, "one_request", variables).records(), None):
            return found
    return None


def bodies_of(connection: Connection, row: Row) -> Row:
    """None for each where the row of the bodies is gone: they may be kept for less time."""
    variables = {"id": row["request_id"], "started_us": row["started_us"]}
    table = run(connection, "one_request_bodies", variables)
    return next(table.records(), dict.fromkeys(table.columns))
