"""Calls by id and by filter, with what was said of them and in them."""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from addon.settling.settled_files import SettledFile, row_fields
from addon.storage.folders import Folders
from addon.storage.record import BodyRow, FeedbackRow, RequestRow, ScoreRow
from tests.analysis.writing import made_up_rows, segment, tell, to_parquet
from tests.api.conftest import Client, serving


def ids(calls: list[dict[str, Any]]) -> list[str]:
    return [call["request_id"] for call in calls]


def newest_first(rows: list[RequestRow]) -> list[str]:
    return [row.request_id for row in sorted(rows, key=lambda row: row.started_at, reverse=True)]


def test_a_call_is_found_by_its_id_in_helicones_words(api: Client, rows: list[RequestRow]) -> None:
    row = next(row for row in rows if row.cost_nanousd and row.is_stream and row.session_id and row.user_id)
    call = api.get(f"/v1/request/{row.request_id.upper()}")
    assert call["request_id"] == row.request_id
    assert call["provider"] == row.provider_name.upper()
    assert call["model"] == call["request_model"] == call["response_model"] == row.request_model
    assert call["response_status"] == 200
    assert call["delay_ms"] == row.duration_ms
    assert call["time_to_first_token"] == row.time_to_first_token_ms
    assert (call["prompt_tokens"], call["completion_tokens"]) == (row.input_tokens, row.output_tokens)
    assert call["total_tokens"] == (row.input_tokens or 0) + (row.output_tokens or 0)
    assert call["cost"] == call["costUSD"] == pytest.approx((row.cost_nanousd or 0) / 1e9)
    assert call["request_user_id"] == row.user_id
    assert call["request_properties"] == call["properties"]
    assert call["properties"] == row.properties | {
        "Helicone-Session-Id": row.session_id,
        "Helicone-Session-Name": row.session_name,
    }
    assert call["target_url"] == f"https://{row.host}{row.path}"
    assert call["request_created_at"] == row.started_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    ended_at = row.started_at + timedelta(milliseconds=row.duration_ms or 0)
    assert call["response_created_at"] == ended_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert call["request_body"] is call["response_body"] is call["feedback_rating"] is None


def test_what_is_not_known_of_a_call_is_null_and_not_zero(api: Client, rows: list[RequestRow]) -> None:
    row = next(row for row in rows if row.usage_raw is None and row.status == 200)
    call = api.get(f"/v1/request/{row.request_id}")
    for name in ("prompt_tokens", "completion_tokens", "total_tokens", "cost", "costUSD"):
        assert call[name] is None, name


def test_an_unknown_id_is_404(api: Client) -> None:
    assert "0199f000-0000-7000-8000-ffffffffffff" in api.get("/v1/request/0199f000-0000-7000-8000-ffffffffffff", 404)
    assert api.get("/v1/request/no-uuid", 404)
    assert api.get("/v1/request/%27%20or%20true--", 404)


def test_the_newest_ten_come_without_a_filter_and_pages_follow_each_other(api: Client, rows: list[RequestRow]) -> None:
    expected = newest_first(rows)
    assert ids(api.post("/v1/request/query", {"filter": "all"})) == expected[:10]
    pages = [
        ids(api.post("/v1/request/query-clickhouse", {"filter": "all", "limit": 150, "offset": offset}))
        for offset in range(0, 450, 150)
    ]
    assert [request_id for page in pages for request_id in page] == expected


FILTERS: list[tuple[object, Callable[[RequestRow], bool]]] = [
    ({"request_response_rmt": {"model": {"equals": "gpt-4o"}}}, lambda row: row.request_model == "gpt-4o"),
    ({"request_response_rmt": {"model": {"contains": "GPT-4O"}}}, lambda row: "gpt-4o" in str(row.request_model)),
    ({"request_response_rmt": {"model": {"like": "GPT%"}}}, lambda row: False),
    ({"request_response_rmt": {"model": {"ilike": "GPT%"}}}, lambda row: str(row.request_model).startswith("gpt")),
    ({"request_response_rmt": {"user_id": {"not-equals": "ann"}}}, lambda row: row.user_id != "ann"),
    ({"request_response_rmt": {"user_id": {"equals": ""}}}, lambda row: row.user_id is None),
    ({"request_response_rmt": {"user_id": {"equals": "null"}}}, lambda row: row.user_id is None),
    ({"request_response_rmt": {"user_id": {"not-equals": ""}}}, lambda row: row.user_id is not None),
    ({"request_response_rmt": {"status": {"not-equals": 200}}}, lambda row: row.status != 200),
    (
        {"request_response_rmt": {"latency": {"gte": 4000, "lt": 5000}}},
        lambda row: 4000 <= (row.duration_ms or 0) < 5000,
    ),
    ({"request_response_rmt": {"cost": {"gt": 0.005}}}, lambda row: (row.cost_nanousd or 0) > 5_000_000),
    ({"request_response_rmt": {"cached": {"equals": True}}}, lambda row: row.cache_status == "hit"),
    ({"request_response_rmt": {"cached": {"equals": False}}}, lambda row: row.cache_status is None),
    ({"request_response_rmt": {"provider": {"equals": "ANTHROPIC"}}}, lambda row: row.provider_name == "anthropic"),
    ({"request_response_rmt": {"provider": {"equals": "anthropic"}}}, lambda row: row.provider_name == "anthropic"),
    (
        {"request_response_rmt": {"properties": {"Feature": {"equals": "chat"}}}},
        lambda row: row.properties.get("feature") == "chat",
    ),
    (
        {"request_response_rmt": {"properties": {"Helicone-Session-Id": {"equals": "session-3"}}}},
        lambda row: row.session_id == "session-3",
    ),
    ({"properties": {"environment": {"not-equals": "dev"}}}, lambda row: row.properties.get("environment") != "dev"),
    ({"request_response_rmt": {"property_key": {"equals": "Feature"}}}, lambda row: "feature" in row.properties),
    ({"request": {"created_at": {"gte": "2026-11-20T00:00:00Z"}}}, lambda row: row.started_at.day == 20),
    ({"request": {"created_at": {"lt": "2026-11-20T01:00:00+01:00"}}}, lambda row: row.started_at.day == 19),
    ({"response": {"status": {"equals": 429}}}, lambda row: row.status == 429),
    (
        {
            "left": {"response": {"body_tokens": {"gt": 2000}}},
            "operator": "or",
            "right": {
                "left": {"request": {"user_id": {"equals": "bob"}}},
                "operator": "and",
                "right": {"request_response_rmt": {"status": {"equals": 429}}},
            },
        },
        lambda row: (
            (row.input_tokens or 0) + (row.output_tokens or 0) > 2000 or (row.user_id == "bob" and row.status == 429)
        ),
    ),
    (
        {
            "type": "and",
            "expressions": [
                {"type": "condition", "field": {"column": "status"}, "operator": "eq", "value": 200},
                {
                    "type": "condition",
                    "field": {"column": "properties", "subtype": "property", "key": "feature"},
                    "operator": "contains",
                    "value": "sea",
                },
            ],
        },
        lambda row: row.status == 200 and row.properties.get("feature") == "search",
    ),
]


@pytest.mark.parametrize(("tree", "fits"), FILTERS, ids=[str(tree)[:80] for tree, _ in FILTERS])
def test_a_filter_finds_and_counts_the_calls_that_fit(
    api: Client, rows: list[RequestRow], tree: object, fits: Callable[[RequestRow], bool]
) -> None:
    expected = newest_first([row for row in rows if fits(row)])
    assert ids(api.post("/v1/request/query", {"filter": tree, "limit": 1000})) == expected
    assert api.post("/v1/request/count/query", {"filter": tree}) == len(expected)


def test_calls_are_sorted_as_asked_and_unknown_values_come_last(api: Client, rows: list[RequestRow]) -> None:
    for direction, sign in (("asc", 1), ("desc", -1)):
        calls = api.post("/v1/request/query", {"sort": {"cost": direction}, "limit": 1000})
        known = sum(row.cost_nanousd is not None for row in rows)
        costs = [call["cost"] for call in calls]
        assert costs[:known] == sorted(costs[:known], key=lambda cost: sign * cost)
        assert costs[known:] == [None] * (len(rows) - known)
    by_feature = api.post("/v1/request/query", {"sort": {"properties": {"Feature": "desc"}}, "limit": 1000})
    assert by_feature[0]["properties"]["feature"] == "search"
    assert "feature" not in by_feature[-1]["properties"]


def test_in_random_order_there_are_the_same_calls(api: Client, rows: list[RequestRow]) -> None:
    calls = ids(api.post("/v1/request/query", {"sort": {"random": True}, "limit": 1000}))
    assert calls != newest_first(rows)
    assert sorted(calls) == sorted(newest_first(rows))


def test_only_cached_calls_are_found_if_asked_for(api: Client, rows: list[RequestRow]) -> None:
    hits = [row for row in rows if row.cache_status == "hit"]
    assert ids(api.post("/v1/request/query", {"isCached": True, "limit": 1000})) == newest_first(hits)
    assert api.post("/v1/request/count/query", {"isCached": False}) == len(rows)


def test_calls_are_found_by_many_ids_and_unknown_ones_are_left_out(api: Client, rows: list[RequestRow]) -> None:
    wanted = random.Random(3).sample(rows, 20)
    asked = [row.request_id.upper() for row in wanted] + ["nobody"]
    assert ids(api.post("/v1/request/query-ids", {"requestIds": asked})) == newest_first(wanted)
    assert api.post("/v1/request/query-ids", {"requestIds": []}) == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"limit": 1001}, "limit: 1001 is not a whole number from 0 to 1000"),
        ({"limit": "10"}, "limit"),
        ({"offset": -1}, "offset"),
        ({"isCached": 1}, "isCached"),
        ({"sort": {"latency": "down"}}, "sort: 'down'"),
        ({"sort": {"size": "asc"}}, "no such key: 'size'; allowed are created_at"),
        ({"filter": 1}, "filter: 1 is not a filter"),
        ({"filter": {"requests": {}}}, "filter.requests: no such table; allowed are request_response_rmt"),
        ({"filter": {"request": {"size": {"gt": 1}}}}, "filter.request.size: no such column; allowed are prompt"),
        ({"filter": {"request": {"path": {"gt": 1}}}}, "filter.request.path.gt: no such operator; allowed are equals"),
        ({"filter": {"response": {"status": {"gt": "1"}}}}, "filter.response.status.gt: '1' is not a number"),
        (
            {"filter": {"request": {"created_at": {"gt": "now"}}}},
            "filter.request.created_at.gt: 'now' is not an ISO 8601",
        ),
        ({"filter": {"left": "all", "operator": "nor", "right": "all"}}, "filter.operator: 'nor'"),
    ],
)
def test_a_question_that_cannot_be_read_is_400_and_names_the_field(api: Client, body: object, named: str) -> None:
    assert named in api.post("/v1/request/query", body, 400)


def test_a_body_that_is_too_long_or_not_an_object_is_refused(api: Client) -> None:
    for content, status in ((b"", 400), (b"{", 400), (b"[]", 400), (b'{"a": "' + b"x" * 70_000 + b'"}', 413)):
        answer = httpx.post(f"{api.url}/v1/request/query", content=content, timeout=60)
        assert (answer.status_code, answer.json()["data"]) == (status, None)


def test_a_filter_may_be_nested_deep_but_not_endlessly(api: Client) -> None:
    def nested(depth: int) -> object:
        tree: object = {"request": {"path": {"equals": "/v1/chat/completions"}}}
        for level in range(depth):
            tree = {"left": tree, "operator": ("and", "or")[level % 2], "right": "all"}
        return {"filter": tree}

    assert api.post("/v1/request/count/query", nested(499)) == 400
    assert "500 deep" in api.post("/v1/request/count/query", nested(600), 422)
    assert "depth limit" in api.post("/v1/request/count/query", nested(1200), 400)


# Bodies

STREAM = 'data: {"choices": []}\n\ndata: [DONE]\n\n'
EXACT = '{"seed": 12345678901234567890123, "temperature": 1.10}'


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, list[RequestRow]]]:
    """Three calls with bodies of all kinds; the third has the id of the first, and began later."""
    data = tmp_path_factory.mktemp("talk")
    first, second, third = made_up_rows(3)
    third = replace(third, request_id=first.request_id)
    to_parquet(data, made_up_rows(5)[3:], 1)
    file = None
    for number, (row, request, response) in enumerate(
        [(first, EXACT, STREAM), (second, None, "not { json"), (third, "[1]", '{"id": "third"}')], start=2
    ):
        file = SettledFile(Folders(data), segment(number), row.started_at.date())
        body = BodyRow(
            request_id=row.request_id, started_at=row.started_at, request_body=request, response_body=response
        )
        file.append(f"call-{number}", row_fields(row), row_fields(body))
        file.close()
    with serving(data) as client:
        yield client, [first, second, third]


def test_bodies_are_in_the_answer_when_asked_for(talk: tuple[Client, list[RequestRow]]) -> None:
    api, (first, second, third) = talk
    call = api.get(f"/v1/request/{third.request_id}?includeBody=true")
    assert (call["request_body"], call["response_body"]) == ([1], {"id": "third"})
    call = api.get(f"/v1/request/{second.request_id}?includeBody=true")
    assert (call["request_body"], call["response_body"]) == (None, "not { json")
    answer = api.http.post("/v1/request/query", json={"includeBody": True, "limit": 1000})
    assert EXACT in answer.text  # JSON goes out as it came: no digit is lost
    by_start = {call["request_created_at"]: call for call in answer.json()["data"]}
    start = first.started_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert by_start[start]["response_body"] == STREAM
    assert api.get(f"/v1/request/{second.request_id}?includeBody=false")["response_body"] is None


def test_of_calls_with_one_id_the_newest_is_answered_and_all_are_found(talk: tuple[Client, list[RequestRow]]) -> None:
    api, (first, _, third) = talk
    assert api.get(f"/v1/request/{first.request_id}")["delay_ms"] == third.duration_ms
    both = api.post("/v1/request/query-ids", {"requestIds": [first.request_id], "includeBody": True})
    assert [call["response_body"] for call in both] == [{"id": "third"}, STREAM]


def test_a_flag_in_the_query_is_true_or_false(talk: tuple[Client, list[RequestRow]]) -> None:
    api, (first, _, _) = talk
    assert "includeBody" in api.get(f"/v1/request/{first.request_id}?includeBody=yes", 400)


def test_calls_are_found_by_what_was_said_in_them(talk: tuple[Client, list[RequestRow]]) -> None:
    api, (_, _, third) = talk
    third_said = {"filter": {"request_response_rmt": {"response_body": {"contains": '"THIRD"'}}}}
    assert [call["delay_ms"] for call in api.post("/v1/request/query", third_said)] == [third.duration_ms]
    percent = {"filter": {"request_response_rmt": {"request_body": {"contains": "1%1"}}}}
    assert api.post("/v1/request/query", percent) == []  # a percent sign is one
    like = {"filter": {"request_response_rmt": {"request_body": {"like": "%1%1%"}}}}
    assert len(api.post("/v1/request/query", like)) == 1


# What was said of calls.


@pytest.fixture(scope="module")
def noted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The same calls, the first of them with feedback and scores."""
    copy = tmp_path_factory.mktemp("noted") / "data"
    shutil.copytree(data, copy)
    first, second, third = (row.request_id for row in made_up_rows(3))
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    tell(
        copy,
        [
            FeedbackRow(request_id=first, created_at=at, rating=True),
            FeedbackRow(request_id=second, created_at=at + timedelta(hours=1), rating=False),
            ScoreRow(request_id=first, created_at=at, name="accuracy", value=0.75),
            ScoreRow(request_id=first, created_at=at, name="tone", value=1.0),
            ScoreRow(request_id=third, created_at=at, name="accuracy", value=0.25),
        ],
        5,
    )
    with serving(copy) as client:
        yield client


def test_a_call_says_what_was_said_of_it(noted: Client) -> None:
    first, second, third = (row.request_id for row in made_up_rows(3))
    call = noted.get(f"/v1/request/{first}")
    assert (call["feedback_rating"], call["feedback_created_at"]) == (True, "2026-11-20T10:00:00.000000Z")
    assert call["scores"] == {"accuracy": 0.75, "tone": 1.0, "helicone-score-feedback": 1.0}
    assert noted.get(f"/v1/request/{second}")["feedback_rating"] is False
    assert noted.get(f"/v1/request/{third}")["scores"] == {"accuracy": 0.25}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"filter": {"feedback": {"rating": {"equals": True}}}}, [0]),
        ({"filter": {"request_response_rmt": {"helicone-score-feedback": {"equals": False}}}}, [1]),
        ({"filter": {"feedback": {"created_at": {"gt": "2026-11-20T10:30:00Z"}}}}, [1]),
        ({"filter": {"request_response_rmt": {"scores": {"accuracy": {"gte": 0.25}}}}}, [0, 2]),
        ({"filter": {"request_response_rmt": {"scores": {"accuracy": {"gt": "0.25"}}}}}, [0]),
        ({"filter": {"request_response_rmt": {"scores": {"tone": {"equals": True}}}}}, [0]),
        ({"filter": {"request_response_rmt": {"scores_column": {"equals": "tone"}}}}, [0]),
        ({"isScored": True}, [0, 1, 2]),  # a rating is a score
    ],
)
def test_calls_are_found_by_what_was_said_of_them(noted: Client, body: dict[str, object], found: list[int]) -> None:
    first = made_up_rows(3)
    assert sorted(ids(noted.post("/v1/request/query", body))) == [first[i].request_id for i in found]
    assert noted.post("/v1/request/count/query", body) == len(found)


def test_calls_without_scores_are_found_if_asked_for(noted: Client, rows: list[RequestRow]) -> None:
    assert noted.post("/v1/request/count/query", {"isScored": False}) == len(rows) - 3
