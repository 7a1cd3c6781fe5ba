"""Numbers over a window: totals, averages, over time. Source: Helicone's metricsController.ts.

What is not known is null, not 0; without any call, counts and sums are 0. We know neither threats (0) nor countries ([]).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.api.envelope import ApiError, answer
from analysis.api.filter_columns import TOTAL_TOKENS_SQL
from analysis.api.filters import condition
from analysis.api.given import (
    Fields,
    Given,
    body_schema,
    choice,
    filter_components,
    filter_field,
    integer,
    read_given,
    required_window,
)
from analysis.api.helicone_request import iso
from analysis.api.openapi import INTEGER, NUMBER, TEXT, TIME, Documented, Schema, documented, list_of, nullable, record
from analysis.api.question import records
from analysis.api.state import Api
from analysis.reports.window import Window

MOST_BUCKETS: Final = 10_000  # of one answer: a week of minutes
MOST_ROWS: Final = 10_000
_DAY_MINUTES: Final = 24 * 60

_FILTER: Final = filter_field()
_WINDOW: Final = required_window()
_OFFSET: Final = integer("offset", 0, 0, 10**9)
_LIMIT: Final = integer("limit", 100, 0, MOST_ROWS)
_MINUTES: Final = integer("timeZoneDifference", 0, -_DAY_MINUTES, _DAY_MINUTES)

# Helicone's name: DuckDB's, and how long one is at least
_INCREMENTS: Final[Mapping[str, tuple[str, timedelta]]] = {
    "min": ("minute", timedelta(minutes=1)),
    "hour": ("hour", timedelta(hours=1)),
    "day": ("day", timedelta(days=1)),
    "week": ("week", timedelta(weeks=1)),
    "month": ("month", timedelta(days=28)),
    "year": ("year", timedelta(days=365)),
}
_INCREMENT: Final = choice("dbIncrement", list(_INCREMENTS), "hour")
_QUANTILES: Final = {"p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_MEASURED: Final = {
    "latency": "duration_ms",
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": TOTAL_TOKENS_SQL,
}
_METRIC: Final = choice("metric", list(_MEASURED))

_TOTAL: Final = (_FILTER, _WINDOW)
_PAGED: Final = (_FILTER, _WINDOW, _OFFSET, _LIMIT)
_OVER_TIME: Final = (_FILTER, _WINDOW, _INCREMENT, _MINUTES)
_OF_METRIC: Final = (*_OVER_TIME, _METRIC)


@dataclass(frozen=True, slots=True)
class Measure:
    """One number over calls: SQL, and whether it is 0 without any call."""

    sql: str
    schema: Schema
    is_sum: bool = True


def _sum(column: str) -> Measure:
    return Measure(f"cast(sum({column}) as bigint)", nullable(INTEGER))


def _average(column: str) -> Measure:
    return Measure(f"avg({column})", nullable(NUMBER), is_sum=False)


_CALLS: Final = Measure("count(*)", INTEGER)
_ERRORS: Final = Measure("count(error_type)", INTEGER)
_USERS: Final = Measure("count(distinct user_id)", INTEGER)
_COST: Final = Measure("sum(cost_nanousd) / 1e9", nullable(NUMBER))
_THREATS: Final = Measure("count(*) filter (where false)", INTEGER)

TOTALS: Final[Mapping[str, tuple[str, Measure]]] = {
    "totalRequests": ("How many calls", _CALLS),
    "totalCost": ("What they cost; USD", _COST),
    "averageLatency": ("How long they took on average; ms", _average("duration_ms")),
    "averageTimeToFirstToken": ("Streams' average time to their first piece; ms", _average("time_to_first_token_ms")),
    "totalThreats": ("Always 0: nobody looks for threats here", _THREATS),
    "activeUsers": ("How many users", _USERS),
}
TOKENS_PER_REQUEST: Final[Mapping[str, Measure]] = {
    "average_prompt_tokens_per_response": _average("input_tokens"),
    "average_completion_tokens_per_response": _average("output_tokens"),
    "average_total_tokens_per_response": _average(TOTAL_TOKENS_SQL),
}
OVER_TIME: Final[Mapping[str, tuple[str, Mapping[str, Measure]]]] = {
    "requestOverTime": ("Calls over time", {"count": _CALLS}),
    "costOverTime": ("USD over time", {"cost": _COST}),
    "tokensOverTime": (
        "Tokens over time",
        {"prompt_tokens": _sum("input_tokens"), "completion_tokens": _sum("output_tokens")},
    ),
    "detailedTokensOverTime": (
        "Tokens of all kinds over time",
        {
            "prompt_tokens": _sum("input_tokens"),
            "completion_tokens": _sum("output_tokens"),
            "reasoning_tokens": _sum("reasoning_output_tokens"),
            "prompt_cache_read_tokens": _sum("cache_read_input_tokens"),
            "prompt_cache_write_tokens": _sum("cache_creation_input_tokens"),
        },
    ),
    "latencyOverTime": ("Average duration over time; ms", {"duration": _average("duration_ms")}),
    "timeToFirstToken": (
        "Streams' average time to their first piece over time; ms",
        {"ttft": _average("time_to_first_token_ms")},
    ),
    "usersOverTime": ("Users over time", {"count": _USERS}),
    "threatsOverTime": ("Always 0: nobody looks for threats here", {"count": _THREATS}),
    "errorOverTime": ("Calls that failed over time", {"count": _ERRORS}),
}
_MODEL: Final = record(
    model=nullable(TEXT),
    total_requests=INTEGER,
    total_completion_tokens=nullable(INTEGER),
    total_prompt_token=nullable(INTEGER),
    total_tokens=nullable(INTEGER),
    cost=nullable(NUMBER),
)


def routes(api: Api) -> list[Route]:
    async def ask(name: str, given: Given, more: Mapping[str, object], **pieces: str) -> list[dict[str, Any]]:
        asked = condition(given[_FILTER])
        parameters = {**asked.parameters, **given[_WINDOW].parameters(), **more}
        return await api.ask(lambda connection: records(connection, name, parameters, condition=asked.sql, **pieces))

    async def total(given: Given, measures: Mapping[str, Measure]) -> dict[str, Any]:
        (row,) = await ask("metrics_total", given, {}, measures=_measures({**measures, "calls": _CALLS}))
        return {name: _zero(row, name, measure) for name, measure in measures.items()}

    async def over_time(given: Given, measures: Mapping[str, Measure]) -> list[dict[str, Any]]:
        times = _times(given)
        answers = ", ".join(
            f"case when measured.bucket is null then 0 else {name} end as {name}" if measure.is_sum else name
            for name, measure in measures.items()
        )
        pieces = {"increment": times.increment, "measures": _measures(measures), "answers": answers}
        return _with_iso(await ask("metrics_over_time", given, times.parameters, **pieces))

    def total_route(name: str, summary: str, measure: Measure) -> Documented:
        async def endpoint(given: Given) -> Any:
            return (await total(given, {name: measure}))[name]

        return _documented(name, summary, endpoint, _TOTAL, measure.schema)

    def over_time_route(name: str, summary: str, measures: Mapping[str, Measure]) -> Documented:
        async def endpoint(given: Given) -> Any:
            return await over_time(given, measures)

        return _documented(name, summary, endpoint, _OVER_TIME, list_of(_bucket(measures)))

    async def tokens_per_request(given: Given) -> Any:
        return await total(given, TOKENS_PER_REQUEST)

    async def quantiles(given: Given) -> Any:
        return await over_time(given, _quantiles(_MEASURED[given[_METRIC]]))

    async def status_over_time(given: Given) -> Any:
        times = _times(given)
        return _with_iso(await ask("metrics_status_over_time", given, times.parameters, increment=times.increment))

    async def models(given: Given) -> Any:
        return await ask("metrics_models", given, {"limit": given[_LIMIT], "offset": given[_OFFSET]})

    async def countries(_: Given) -> Any:
        return []

    statuses = list_of(record(time=TIME, status=nullable(INTEGER), count=INTEGER))
    return [
        *(total_route(name, summary, measure) for name, (summary, measure) in TOTALS.items()),
        _documented(
            "averageTokensPerRequest",
            "Tokens of a call on average",
            tokens_per_request,
            _TOTAL,
            record(**{name: measure.schema for name, measure in TOKENS_PER_REQUEST.items()}),
        ),
        *(over_time_route(name, summary, measures) for name, (summary, measures) in OVER_TIME.items()),
        _documented("requestStatusOverTime", "Calls by status over time", status_over_time, _OVER_TIME, statuses),
        _documented(
            "quantiles", "Quantiles of a metric over time", quantiles, _OF_METRIC, list_of(_bucket(_quantiles("")))
        ),
        _documented("models", "What each model comes to", models, _PAGED, list_of(_MODEL)),
        _documented(
            "country",
            "Always empty: where callers are is not known here",
            countries,
            _PAGED,
            list_of(record(country=TEXT, total_requests=INTEGER)),
        ),
    ]


def _documented(
    name: str, summary: str, endpoint: Callable[[Given], Awaitable[Any]], fields: Fields, data: Schema
) -> Documented:
    async def respond(request: Request) -> Response:
        return answer(await endpoint(await read_given(request, fields)))

    return documented(
        f"/v1/metrics/{name}",
        respond,
        summary=summary,
        body=body_schema(fields),
        data=data,
        errors=(400, 413, 422),
        components=filter_components(),
    )


@dataclass(frozen=True, slots=True)
class _Times:
    increment: str  # DuckDB's name
    parameters: Mapping[str, object]


def _times(given: Given) -> _Times:
    """How to cut the window into pieces. Raises ApiError where they are too many for one answer."""
    window: Window = given[_WINDOW]
    assert window.until is not None
    increment, length = _INCREMENTS[given[_INCREMENT]]
    last = window.until - timedelta(milliseconds=1)
    if (last - window.since) / length > MOST_BUCKETS:
        raise ApiError(
            422, f"dbIncrement: the window has more than {MOST_BUCKETS} of {given[_INCREMENT]!r}; take longer ones"
        )
    return _Times(increment, {"last": last, "minutes": given[_MINUTES]})


def _measures(measures: Mapping[str, Measure]) -> str:
    return ", ".join(f"{measure.sql} as {name}" for name, measure in measures.items())


def _zero(row: Mapping[str, Any], name: str, measure: Measure) -> Any:
    return 0 if measure.is_sum and not row["calls"] else row[name]


def _quantiles(expression: str) -> dict[str, Measure]:
    return {
        name: Measure(f"quantile_cont({expression}, {share})", nullable(NUMBER), is_sum=False)
        for name, share in _QUANTILES.items()
    }


def _bucket(measures: Mapping[str, Measure]) -> Schema:
    return record(time=TIME, **{name: measure.schema for name, measure in measures.items()})


def _with_iso(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"time": iso(row["time"])} for row in rows]
