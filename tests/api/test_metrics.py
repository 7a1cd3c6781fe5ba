"""Numbers over a window, as Helicone's dashboards ask for them."""

import statistics
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from addon.storage.record import RequestRow
from tests.api.conftest import Client

TWO_DAYS = {"start": "2026-11-19T00:00:00Z", "end": "2026-11-20T23:59:59.999Z"}
NO_DAY = {"start": "2020-01-01T00:00:00Z", "end": "2020-01-01T01:00:00Z"}


def ask(api: Client, name: str, window: object = TWO_DAYS, **body: object) -> Any:
    return api.post(f"/v1/metrics/{name}", {"filter": "all", "timeFilter": window, "timeZoneDifference": 0, **body})


def test_totals_and_averages(api: Client, rows: list[RequestRow]) -> None:
    assert ask(api, "totalRequests") == len(rows)
    assert ask(api, "totalCost") == pytest.approx(sum(row.cost_nanousd or 0 for row in rows) / 1e9)
    assert ask(api, "averageLatency") == pytest.approx(statistics.mean(row.duration_ms or 0 for row in rows))
    firsts = [row.time_to_first_token_ms for row in rows if row.time_to_first_token_ms is not None]
    assert ask(api, "averageTimeToFirstToken") == pytest.approx(statistics.mean(firsts))
    assert ask(api, "activeUsers") == 2
    assert ask(api, "totalThreats") == 0
    prompts = [row.input_tokens for row in rows if row.input_tokens is not None]
    tokens = ask(api, "averageTokensPerRequest")
    assert tokens["average_prompt_tokens_per_response"] == pytest.approx(statistics.mean(prompts))


def test_without_calls_sums_are_zero_and_averages_unknown(api: Client) -> None:
    assert ask(api, "totalRequests", NO_DAY) == ask(api, "totalCost", NO_DAY) == ask(api, "activeUsers", NO_DAY) == 0
    assert ask(api, "averageLatency", NO_DAY) is None


def test_an_unknown_cost_is_not_zero(api: Client) -> None:
    unpriced = {
        "left": {"request_response_rmt": {"model": {"equals": "acme-1"}}},
        "operator": "and",
        "right": {"request_response_rmt": {"status": {"equals": 200}}},
    }
    assert ask(api, "totalRequests", filter=unpriced) > 0
    assert ask(api, "totalCost", filter=unpriced) is None


def test_both_ends_of_a_window_are_in_it(api: Client, rows: list[RequestRow]) -> None:
    window = {"start": rows[10].started_at.isoformat(), "end": rows[19].started_at.isoformat()}
    assert ask(api, "totalRequests", window) == 10


def test_over_time_each_day_has_its_own(api: Client, rows: list[RequestRow]) -> None:
    days = [[row for row in rows if row.started_at.day == day] for day in (19, 20)]
    times = ["2026-11-19T00:00:00.000000Z", "2026-11-20T00:00:00.000000Z"]

    def expected(name: str, values: list[Any]) -> list[dict[str, Any]]:
        return [{"time": time, name: value} for time, value in zip(times, values, strict=True)]

    assert ask(api, "requestOverTime", dbIncrement="day") == expected("count", [len(day) for day in days])
    assert ask(api, "errorOverTime", dbIncrement="day") == expected(
        "count", [sum(row.error_type is not None for row in day) for day in days]
    )
    assert ask(api, "costOverTime", dbIncrement="day") == expected(
        "cost", [pytest.approx(sum(row.cost_nanousd or 0 for row in day) / 1e9) for day in days]
    )
    assert ask(api, "latencyOverTime", dbIncrement="day") == expected(
        "duration", [pytest.approx(statistics.mean(row.duration_ms or 0 for row in day)) for day in days]
    )
    assert ask(api, "usersOverTime", dbIncrement="day") == expected("count", [2, 2])
    assert ask(api, "threatsOverTime", dbIncrement="day") == expected("count", [0, 0])
    tokens = ask(api, "tokensOverTime", dbIncrement="day")
    assert [row["prompt_tokens"] for row in tokens] == [sum(row.input_tokens or 0 for row in day) for day in days]
    assert [row["time"] for row in ask(api, "timeToFirstToken", dbIncrement="day")] == times
    assert set(ask(api, "detailedTokensOverTime", dbIncrement="day")[0]) == {
        "time",
        "prompt_tokens",
        "completion_tokens",
        "reasoning_tokens",
        "prompt_cache_read_tokens",
        "prompt_cache_write_tokens",
    }


def test_hours_without_calls_are_there(api: Client) -> None:
    window = {"start": "2026-11-18T22:00:00Z", "end": "2026-11-19T00:59:59Z"}
    hours = ask(api, "requestOverTime", window)
    assert [hour["count"] > 0 for hour in hours] == [False, False, True]
    assert [hour["cost"] for hour in ask(api, "costOverTime", window)][:2] == [0, 0]
    assert [hour["duration"] for hour in ask(api, "latencyOverTime", window)][:2] == [None, None]


def test_a_day_is_the_callers(api: Client, rows: list[RequestRow]) -> None:
    days = ask(api, "requestOverTime", dbIncrement="day", timeZoneDifference=300)  # five hours behind UTC
    assert [day["time"] for day in days] == [
        "2026-11-18T05:00:00.000000Z",
        "2026-11-19T05:00:00.000000Z",
        "2026-11-20T05:00:00.000000Z",
    ]
    counted = Counter((row.started_at - timedelta(hours=5)).day for row in rows)
    assert [day["count"] for day in days] == [counted[18], counted[19], counted[20]]


def test_calls_by_status_over_time(api: Client, rows: list[RequestRow]) -> None:
    found = {
        (datetime.fromisoformat(row["time"]).day, row["status"]): row["count"]
        for row in ask(api, "requestStatusOverTime", dbIncrement="day")
    }
    assert found == Counter((row.started_at.day, row.status) for row in rows)


def test_quantiles_of_a_metric(api: Client, rows: list[RequestRow]) -> None:
    (week,) = ask(api, "quantiles", dbIncrement="week", metric="latency")
    cuts = statistics.quantiles([row.duration_ms or 0 for row in rows], n=100, method="inclusive")
    assert [week[name] for name in ("p75", "p90", "p95", "p99")] == [
        pytest.approx(cuts[share - 1]) for share in (75, 90, 95, 99)
    ]
    assert "metric" in api.post("/v1/metrics/quantiles", {"timeFilter": TWO_DAYS, "metric": "1); drop"}, 400)
    assert "metric" in api.post("/v1/metrics/quantiles", {"timeFilter": TWO_DAYS}, 400)


def test_models(api: Client, rows: list[RequestRow]) -> None:
    models = ask(api, "models", offset=0, limit=100)
    counted = Counter(row.response_model or row.request_model for row in rows)
    assert {model["model"]: model["total_requests"] for model in models} == counted
    assert [model["total_requests"] for model in models] == sorted(counted.values(), reverse=True)
    calls = [row for row in rows if row.request_model == "gpt-4o"]
    (gpt,) = (model for model in models if model["model"] == "gpt-4o")
    assert gpt["cost"] == pytest.approx(sum(row.cost_nanousd or 0 for row in calls) / 1e9)
    assert gpt["total_tokens"] == sum((row.input_tokens or 0) + (row.output_tokens or 0) for row in calls)
    assert ask(api, "models", limit=1, offset=1) == models[1:2]
    assert ask(api, "country") == []


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({}, 400, "timeFilter: is missing"),
        ({"timeFilter": {"start": "yesterday", "end": "now"}}, 400, "timeFilter"),
        ({"timeFilter": {"start": 5, "end": 6}}, 400, "timeFilter: {'start': 5, 'end': 6} is not"),
        (
            {"timeFilter": TWO_DAYS, "dbIncrement": "second"},
            400,
            "dbIncrement: 'second' is not allowed; allowed are min, hour",
        ),
        (
            {"timeFilter": {"start": "2000-01-01", "end": "2026-01-01"}, "dbIncrement": "min"},
            422,
            "dbIncrement: the window has more than 10000",
        ),
    ],
)
def test_what_cannot_be_read_is_named(api: Client, body: object, status: int, named: str) -> None:
    assert named in api.post("/v1/metrics/requestOverTime", body, status)
