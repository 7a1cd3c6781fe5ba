"""Sessions. Source: Helicone's sessionController.ts. Times are UTC, whatever the caller's `timezoneDifference`."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.api.envelope import answer
from analysis.api.filter_columns import CALL_TABLES, SESSION_TABLES
from analysis.api.filters import ALL, Node, both, condition, read_filter, split
from analysis.api.given import (
    Given,
    body_schema,
    choice,
    filter_components,
    filter_field,
    flag,
    integer,
    read_given,
    text,
    window_ms,
)
from analysis.api.helicone_request import iso
from analysis.api.openapi import BOOLEAN, INTEGER, NUMBER, TEXT, TIME, Schema, documented, list_of, nullable, record
from analysis.api.question import fill, records
from analysis.api.state import Api

_TABLES: Final = {**CALL_TABLES, **SESSION_TABLES}
_QUANTILES: Final = {"p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
MOST_SESSIONS: Final = 1000
MOST_NAMES: Final = 1000

_FILTER: Final = filter_field(_TABLES, "SessionFilter")
_CALL_FILTER: Final = filter_field()
_WINDOW: Final = window_ms()
_SEARCH: Final = text("search")
_NAME_EQUALS: Final = text("nameEquals")
_NAME_CONTAINS: Final = text("nameContains")
_OFFSET: Final = integer("offset", 0, 0, 10**9)
_LIMIT: Final = integer("limit", 50, 0, MOST_SESSIONS)
_P_SIZE: Final = choice("pSize", list(_QUANTILES), "p75")
_USE_INTERQUARTILE: Final = flag("useInterquartile")

_COUNTED: Final = (_FILTER, _WINDOW, _SEARCH, _NAME_EQUALS)
_QUERY: Final = (*_COUNTED, _OFFSET, _LIMIT)
_NAMES: Final = (_CALL_FILTER, _WINDOW, _NAME_CONTAINS)
_METRICS: Final = (_FILTER, _WINDOW, _NAME_CONTAINS, _P_SIZE, _USE_INTERQUARTILE)

_COST: Final = nullable(NUMBER)
_SESSION: Final = record(
    session_id=TEXT,
    session_name=nullable(TEXT),
    created_at=TIME,
    latest_request_created_at=TIME,
    total_cost=_COST,
    total_requests=INTEGER,
    prompt_tokens=nullable(INTEGER),
    completion_tokens=nullable(INTEGER),
    total_tokens=nullable(INTEGER),
    avg_latency=nullable(NUMBER),
    user_ids=list_of(TEXT),
)
_NAME: Final = record(
    name=nullable(TEXT),
    created_at=TIME,
    first_used=TIME,
    last_used=TIME,
    session_count=INTEGER,
    avg_latency=nullable(NUMBER),
)
_SPREAD: Final = list_of(record(range_start=TEXT, range_end=TEXT, value=INTEGER))
_AVERAGE: Final = list_of(record(average=NUMBER))
_MEASURED: Final = ("session_count", "session_duration", "session_cost")


def routes(api: Api) -> list[Route]:
    async def query(request: Request) -> Response:
        given = await read_given(request, _QUERY)
        found = await ask("sessions", given, _named(given), {"limit": given[_LIMIT], "offset": given[_OFFSET]})
        return answer([_with_iso(row, "created_at", "latest_request_created_at") for row in found])

    async def count(request: Request) -> Response:
        given = await read_given(request, _COUNTED)
        (found,) = await ask("sessions_count", given, _named(given), {})
        return answer(found)

    async def names(request: Request) -> Response:
        given = await read_given(request, _NAMES)
        asked = condition(both(given[_CALL_FILTER], _like_name(given)))
        parameters = {**asked.parameters, **given[_WINDOW].parameters(), "limit": MOST_NAMES}
        found = await api.ask(lambda connection: records(connection, "session_names", parameters, calls=asked.sql))
        return answer([_with_iso(row, "created_at", "first_used", "last_used") for row in found])

    async def metrics(request: Request) -> Response:
        given = await read_given(request, _METRICS)
        high = _QUANTILES[given[_P_SIZE]]
        low = 1 - high if given[_USE_INTERQUARTILE] else 0.0
        rows = await ask("session_metrics", given, _like_name(given), {"low": min(low, high), "high": high})
        spread: dict[str, Any] = {name: [] for name in _MEASURED}
        average: dict[str, Any] = {name: [] for name in _MEASURED}
        for row in rows:
            ends = {name: f"{row[name]:g}" for name in ("range_start", "range_end")}
            spread[row["metric"]].append({**ends, "value": row["sessions"]})
            average[row["metric"]] = [{"average": row["average"]}]
        return answer({**spread, "average": average})

    async def has_session(_: Request) -> Response:
        (found,) = await api.ask(lambda connection: records(connection, "has_session"))
        return answer(found["has_session"])

    async def ask(name: str, given: Given, more: Node, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        """The answer to a question about gathered sessions."""
        of_calls, of_groups = split(both(given[_FILTER], more), SESSION_TABLES)
        calls, groups = condition(of_calls, "calls"), condition(of_groups, "groups")
        gathered = fill("gathered_sessions", calls=calls.sql, groups=groups.sql)
        bound = {**calls.parameters, **groups.parameters, **given[_WINDOW].parameters(), **parameters}
        return await api.ask(lambda connection: records(connection, name, bound, gathered=gathered))

    asked: dict[str, Any] = {
        "errors": (400, 413, 422),
        "components": {**filter_components(), **filter_components(_TABLES, "SessionFilter")},
    }
    measured: dict[str, Schema] = dict.fromkeys(_MEASURED, _SPREAD)
    averages = record(**dict.fromkeys(_MEASURED, _AVERAGE))
    return [
        documented(
            "/v1/session/query",
            query,
            summary="Sessions that fit a filter, the latest begun first",
            body=body_schema(_QUERY),
            data=list_of(_SESSION),
            **asked,
        ),
        documented(
            "/v1/session/count",
            count,
            summary="How many sessions fit, and what they come to; latency in ms",
            body=body_schema(_COUNTED),
            data=record(
                count=INTEGER,
                total_cost=_COST,
                avg_cost=_COST,
                avg_latency=nullable(NUMBER),
                avg_requests=nullable(NUMBER),
            ),
            **asked,
        ),
        documented(
            "/v1/session/name/query",
            names,
            summary="Names of sessions, the latest used first",
            body=body_schema(_NAMES),
            data=list_of(_NAME),
            **asked,
        ),
        documented(
            "/v1/session/metrics/query",
            metrics,
            summary="How sessions are spread by calls, seconds and USD",
            body=body_schema(_METRICS),
            data=record(**measured, average=averages),
            **asked,
        ),
        documented(
            "/v1/session/has-session", has_session, method="GET", summary="Whether there is any session", data=BOOLEAN
        ),
    ]


def _named(given: Given) -> Node:
    """What `search` and `nameEquals` ask for."""
    nodes = []
    if search := given[_SEARCH]:
        left, right = ({"session_rmt": {column: {"contains": search}}} for column in ("session_id", "session_name"))
        nodes.append(read_filter({"left": left, "operator": "or", "right": right}, CALL_TABLES))
    if name := given[_NAME_EQUALS]:
        nodes.append(read_filter({"session_rmt": {"session_name": {"equals": name}}}, CALL_TABLES))
    return both(*nodes)


def _like_name(given: Given) -> Node:
    """What `nameContains` asks for: Helicone compares with equals there, and promises more."""
    name = given[_NAME_CONTAINS]
    return read_filter({"session_rmt": {"session_name": {"contains": name}}}, CALL_TABLES) if name else ALL


def _with_iso(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return row | {name: iso(row[name]) for name in names}
