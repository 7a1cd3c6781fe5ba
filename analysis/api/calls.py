"""Calls: one by its id, and those that fit a filter. Source: Helicone's requestController.ts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.api.envelope import ApiError, answer
from analysis.api.filter_columns import TOTAL_TOKENS_SQL
from analysis.api.filters import Condition, condition
from analysis.api.given import (
    Field,
    Given,
    Unreadable,
    body_schema,
    filter_components,
    filter_field,
    flag,
    integer,
    read_given,
    texts,
)
from analysis.api.helicone_request import SCHEMA, Bodies, Notes, helicone_request
from analysis.api.openapi import BOOLEAN, INTEGER, Schema, documented, list_of
from analysis.api.question import records
from analysis.api.state import Api
from analysis.conversations.kept_bodies import kept_bodies
from analysis.lake import Connection

MOST_CALLS: Final = 1000  # of one answer
MOST_BODY_BYTES: Final = 64 * 2**20  # of one answer with bodies; a single call's are answered whatever they are

_FILTER: Final = filter_field()
_OFFSET: Final = integer("offset", 0, 0, 10**9)
_LIMIT: Final = integer("limit", 10, 0, MOST_CALLS)
_IS_CACHED: Final = flag("isCached")
_IS_SCORED: Final = flag("isScored")
_IS_PART_OF_EXPERIMENT: Final = flag("isPartOfExperiment")
_INCLUDE_BODY: Final = flag("includeBody")  # ours: Helicone answers with URLs of the bodies
_REQUEST_IDS: Final = texts("requestIds", MOST_CALLS, is_required=True)

_SORTS: Final[Mapping[str, str]] = {
    "created_at": "started_at",
    "cache_created_at": "started_at",
    "last_active": "started_at",
    "latency": "duration_ms",
    "time_to_first_token": "time_to_first_token_ms",
    "total_tokens": TOTAL_TOKENS_SQL,
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cost": "cost_nanousd",
    "user_id": "user_id",
    "body_model": "coalesce(response_model, request_model)",
    "is_cached": "coalesce(cache_status in ('hit', 'coalesced'), false)",
}


@dataclass(frozen=True, slots=True)
class Order:
    """SQL for `order by`, and the values it binds."""

    sql: str
    parameters: Mapping[str, object]


NEWEST_FIRST: Final = Order("started_at desc, request_id desc", {})


def read_sort(value: object) -> Order:
    """`{"latency": "desc"}`, `{"properties": {"feature": "asc"}}` or `{"random": true}`. Raises Unreadable."""
    if not isinstance(value, dict):
        raise Unreadable(f'{value!r} is not an object like {{"created_at": "desc"}}')
    terms: list[str] = []
    parameters: dict[str, object] = {}
    for name, direction in value.items():
        if name == "random" and direction is True:
            terms.append("random()")
        elif name == "properties" and isinstance(direction, dict):
            for key, of_key in direction.items():
                parameter = f"sort_{len(parameters)}"
                parameters[parameter] = key.lower()
                terms.append(_term(f"properties[${parameter}]", of_key))
        elif name in _SORTS:
            terms.append(_term(_SORTS[name], direction))
        else:
            raise Unreadable(f"no such key: {name!r}; allowed are {', '.join(_SORTS)}, properties, random: true")
    return Order(", ".join([*terms, NEWEST_FIRST.sql]), parameters)


def _term(expression: str, direction: object) -> str:
    if direction not in ("asc", "desc"):
        raise Unreadable(f'{direction!r} is neither "asc" nor "desc"')
    return f"{expression} {direction} nulls last"


def _sort_schema() -> Schema:
    direction = {"enum": ["asc", "desc"]}
    properties: dict[str, Schema] = dict.fromkeys(_SORTS, direction)
    properties["properties"] = {"type": "object", "additionalProperties": direction}
    properties["random"] = {"const": True}
    return {"type": "object", "properties": properties, "additionalProperties": False}


_SORT: Final[Field[Order]] = Field("sort", _sort_schema(), read_sort, NEWEST_FIRST)
_COUNTED: Final = (_FILTER, _IS_CACHED, _IS_SCORED, _IS_PART_OF_EXPERIMENT)
_QUERY: Final = (*_COUNTED, _OFFSET, _LIMIT, _SORT, _INCLUDE_BODY)
_BY_IDS: Final = (_REQUEST_IDS, _INCLUDE_BODY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which calls to answer with."""

    condition: Condition
    order: Order = NEWEST_FIRST
    limit: int = MOST_CALLS
    offset: int = 0
    with_bodies: bool = False


def page_of(connection: Connection, page: Page) -> list[dict[str, Any]]:
    """The calls of a page as HeliconeRequests. Raises ApiError if their bodies are too much for one answer."""
    parameters = {**page.condition.parameters, **page.order.parameters, "limit": page.limit, "offset": page.offset}
    calls = records(connection, "requests", parameters, condition=page.condition.sql, order=page.order.sql)
    if not calls:
        return []
    notes = _notes(connection, calls)
    bodies = _bodies(connection, calls) if page.with_bodies else {}
    return [
        helicone_request(
            call, notes[call["request_id"]], bodies.get((call["request_id"], call["started_at_us"]), Bodies())
        )
        for call in calls
    ]


def _notes(connection: Connection, calls: Sequence[Mapping[str, Any]]) -> dict[str, Notes]:
    asked = records(connection, "request_notes", {"request_ids": [call["request_id"] for call in calls]})
    return {
        row["request_id"]: Notes(rating=row["rating"], rated_at=row["rated_at"], scores=row["scores"] or {})
        for row in asked
    }


def _bodies(connection: Connection, calls: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], Bodies]:
    """Read piece by piece: what is too much is known before it is all in memory."""
    found: dict[tuple[str, int], Bodies] = {}
    size = 0
    for bodies in kept_bodies(connection, calls):
        found[bodies.request_id, bodies.started_at_us] = Bodies(request=bodies.request, response=bodies.response)
        size += len(bodies.request or "") + len(bodies.response or "")
        if size > MOST_BODY_BYTES and len(calls) > 1:
            raise ApiError(
                422, f"the bodies of these calls are more than {MOST_BODY_BYTES >> 20} MiB; ask for fewer calls at once"
            )
    return found


def routes(api: Api) -> list[Route]:
    async def query(request: Request) -> Response:
        given = await read_given(request, _QUERY)
        page = Page(
            condition=_asked(given),
            order=given[_SORT],
            limit=given[_LIMIT],
            offset=given[_OFFSET],
            with_bodies=bool(given[_INCLUDE_BODY]),
        )
        return answer(await api.ask(lambda connection: page_of(connection, page)))

    async def count(request: Request) -> Response:
        asked = _asked(await read_given(request, _COUNTED))
        (row,) = await api.ask(
            lambda connection: records(connection, "requests_count", asked.parameters, condition=asked.sql)
        )
        return answer(row["calls"])

    async def query_ids(request: Request) -> Response:
        given = await read_given(request, _BY_IDS)
        ids = [request_id.lower() for request_id in given[_REQUEST_IDS] or []]
        page = Page(
            condition=Condition("request_id in (select unnest(cast($ids as varchar[])))", {"ids": ids}),
            with_bodies=bool(given[_INCLUDE_BODY]),
        )
        return answer(await api.ask(lambda connection: page_of(connection, page)))

    async def one(request: Request) -> Response:
        request_id = request.path_params["request_id"]
        page = Page(
            condition=Condition("request_id = $id", {"id": request_id.lower()}),
            limit=1,
            with_bodies=query_flag(request, "includeBody"),
        )
        calls = await api.ask_by_id(request_id, lambda connection: page_of(connection, page))
        if not calls:
            raise ApiError(404, f"no request {request_id!r}; one is found a second after it ended")
        return answer(calls[0])

    asked: dict[str, Any] = {
        "errors": (400, 413, 422),
        "components": {**filter_components(), "HeliconeRequest": SCHEMA},
    }
    call: Schema = {"$ref": "#/components/schemas/HeliconeRequest"}
    found: dict[str, Any] = asked | {"body": body_schema(_QUERY), "data": list_of(call)}
    return [
        documented("/v1/request/query", query, summary="Calls that fit a filter", **found),
        documented("/v1/request/query-clickhouse", query, summary="The same under Helicone's newer name", **found),
        documented(
            "/v1/request/count/query",
            count,
            summary="How many calls fit a filter",
            body=body_schema(_COUNTED),
            data=INTEGER,
            **asked,
        ),
        documented(
            "/v1/request/query-ids",
            query_ids,
            summary="Calls by their ids",
            body=body_schema(_BY_IDS),
            data=list_of(call),
            **asked,
        ),
        documented(
            "/v1/request/{request_id}",
            one,
            method="GET",
            summary="A call by its id, the newest if the id repeats",
            query={"includeBody": BOOLEAN},
            data=call,
            components={"HeliconeRequest": SCHEMA},
            errors=(400, 404, 422),
        ),
    ]


def _asked(given: Given) -> Condition:
    """The filter and the flags beside it."""
    asked = condition(given[_FILTER])
    flags = []
    if given[_IS_CACHED]:  # false does not mean "uncached only" to Helicone
        flags.append("coalesce(cache_status in ('hit', 'coalesced'), false)")
    if (is_scored := given[_IS_SCORED]) is not None:
        flags.append(f"request_id {'' if is_scored else 'not '}in (select request_id from scores)")
    if given[_IS_PART_OF_EXPERIMENT]:  # there are no experiments here
        flags.append("false")
    return Condition(" and ".join([asked.sql, *flags]), asked.parameters)


def query_flag(request: Request, name: str) -> bool:
    value = request.query_params.get(name, "false")
    if value not in ("true", "false"):
        raise ApiError(400, f"{name}: {value!r} is neither true nor false")
    return value == "true"
