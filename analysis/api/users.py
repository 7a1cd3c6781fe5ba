"""Users. Source: Helicone's userController.ts. Times are UTC; seconds are taken as seconds, unlike there."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.api.envelope import answer
from analysis.api.filter_columns import CALL_TABLES, USER_TABLES
from analysis.api.filters import condition, split
from analysis.api.given import (
    Field,
    Unreadable,
    body_schema,
    filter_components,
    filter_field,
    integer,
    read_given,
    texts,
    window_seconds,
)
from analysis.api.helicone_request import iso
from analysis.api.openapi import BOOLEAN, INTEGER, NUMBER, TEXT, TIME, documented, list_of, nullable, record
from analysis.api.question import fill, records
from analysis.api.state import Api
from analysis.lake import Connection

_TABLES: Final = {**CALL_TABLES, **USER_TABLES}
MOST_USERS: Final = 1000
MOST_IDS: Final = 1000
_DAY_MINUTES: Final = 24 * 60

_USER_IDS: Final = texts("userIds", MOST_IDS)
_WINDOW: Final = window_seconds()
_QUERY: Final = (_USER_IDS, _WINDOW)

_SORTS: Final = (
    "user_id",
    "active_for",
    "first_active",
    "last_active",
    "total_requests",
    "average_requests_per_day_active",
    "average_tokens_per_request",
    "total_prompt_tokens",
    "total_completion_tokens",
    "cost",
)


def read_sort(value: object) -> str:
    """SQL for `order by` out of `{"cost": "desc"}`. Raises Unreadable."""
    if not isinstance(value, dict):
        raise Unreadable(f'{value!r} is not an object like {{"cost": "desc"}}')
    for name, direction in value.items():
        if name not in _SORTS:
            raise Unreadable(f"no such key: {name!r}; allowed are {', '.join(_SORTS)}")
        if direction not in ("asc", "desc"):
            raise Unreadable(f'{direction!r} is neither "asc" nor "desc"')
    return ", ".join([*(f"{name} {direction} nulls last" for name, direction in value.items()), "user_id"])


_FILTER: Final = filter_field(_TABLES, "UserFilter")
_OFFSET: Final = integer("offset", 0, 0, 10**9)
_LIMIT: Final = integer("limit", 100, 0, MOST_USERS)
_MINUTES: Final = integer("timeZoneDifferenceMinutes", 0, -_DAY_MINUTES, _DAY_MINUTES)
_SORT: Final[Field[str]] = Field(
    "sort",
    {
        "type": "object",
        "properties": {name: {"enum": ["asc", "desc"]} for name in _SORTS},
        "additionalProperties": False,
    },
    read_sort,
    "last_active desc, user_id",
)
_METRICS: Final = (_FILTER, _OFFSET, _LIMIT, _MINUTES, _WINDOW, _SORT)

_COST: Final = nullable(NUMBER)
_TOKENS: Final = nullable(INTEGER)
_USER: Final = record(user_id=TEXT, count=INTEGER, prompt_tokens=_TOKENS, completion_tokens=_TOKENS, cost=_COST)
_USER_METRICS: Final = record(
    id=TEXT,
    user_id=TEXT,
    active_for=INTEGER,
    first_active=TIME,
    last_active=TIME,
    total_requests=INTEGER,
    average_requests_per_day_active=NUMBER,
    average_tokens_per_request=nullable(NUMBER),
    total_completion_tokens=_TOKENS,
    total_prompt_tokens=_TOKENS,
    cost=_COST,
)


def routes(api: Api) -> list[Route]:
    async def query(request: Request) -> Response:
        given = await read_given(request, _QUERY)
        parameters = given[_WINDOW].parameters()
        users = "true"
        if ids := given[_USER_IDS]:
            users, parameters["user_ids"] = "user_id in (select unnest(cast($user_ids as varchar[])))", ids
        return answer(await api.ask(lambda connection: records(connection, "users", parameters, users=users)))

    async def metrics(request: Request) -> Response:
        given = await read_given(request, _METRICS)
        of_calls, of_groups = split(given[_FILTER], USER_TABLES)
        calls, groups = condition(of_calls, "calls"), condition(of_groups, "groups")
        pieces = {
            "gathered": fill("gathered_users", calls=calls.sql, groups=groups.sql),
            "order": given[_SORT],
        }
        parameters = {
            **calls.parameters,
            **groups.parameters,
            **given[_WINDOW].parameters(),
            "minutes": given[_MINUTES],
            "limit": given[_LIMIT],
            "offset": given[_OFFSET],
        }
        return answer(await api.ask(lambda connection: _metrics(connection, parameters, pieces)))

    return [
        documented(
            "/v1/user/query",
            query,
            summary="What users come to: the 100 with most calls",
            body=body_schema(_QUERY),
            data=list_of(_USER),
            errors=(400, 413, 422),
        ),
        documented(
            "/v1/user/metrics/query",
            metrics,
            summary="Users that fit a filter",
            body=body_schema(_METRICS),
            data=record(users=list_of(_USER_METRICS), count=INTEGER, hasUsers=BOOLEAN),
            errors=(400, 413, 422),
            components=filter_components(_TABLES, "UserFilter"),
        ),
    ]


def _metrics(connection: Connection, parameters: Mapping[str, object], pieces: Mapping[str, str]) -> dict[str, Any]:
    users = records(connection, "user_metrics", parameters, **pieces)
    (counted,) = records(connection, "user_metrics_count", parameters, gathered=pieces["gathered"])
    return {
        "users": [
            row | {"id": row["user_id"]} | {name: iso(row[name]) for name in ("first_active", "last_active")}
            for row in users
        ],
        "count": counted["users"],
        "hasUsers": counted["has_users"],
    }
