"""Users and properties as Helicone's scripts ask for them."""

from datetime import datetime

import pytest

from addon.storage.record import RequestRow
from tests.api.conftest import Client


def of_user(rows: list[RequestRow], user_id: str) -> list[RequestRow]:
    return [row for row in rows if row.user_id == user_id]


def cost(rows: list[RequestRow]) -> float:
    return sum(row.cost_nanousd or 0 for row in rows) / 1e9


def test_a_user_comes_to_the_sum_of_the_calls(api: Client, rows: list[RequestRow]) -> None:
    users = api.post("/v1/user/query", {})
    assert [user["user_id"] for user in users] == sorted(
        ("ann", "bob"), key=lambda user: len(of_user(rows, user)), reverse=True
    )
    for user in users:
        calls = of_user(rows, user["user_id"])
        assert user["count"] == len(calls)
        assert user["prompt_tokens"] == sum(call.input_tokens or 0 for call in calls)
        assert user["completion_tokens"] == sum(call.output_tokens or 0 for call in calls)
        assert user["cost"] == pytest.approx(cost(calls))
    assert [user["user_id"] for user in api.post("/v1/user/query", {"userIds": ["bob", "nobody"]})] == ["bob"]
    assert api.post("/v1/user/query", {"userIds": ["'; drop"]}) == []


def test_seconds_are_taken_as_seconds(api: Client, rows: list[RequestRow]) -> None:
    midnight = int(datetime.fromisoformat("2026-11-20T00:00:00+00:00").timestamp())
    window = {"startTimeUnixSeconds": midnight, "endTimeUnixSeconds": midnight + 86_400}
    users = api.post("/v1/user/query", {"timeFilter": window})
    second_day = [row for row in rows if row.started_at.day == 20 and row.user_id]
    assert sum(user["count"] for user in users) == len(second_day)


def test_metrics_of_users(api: Client, rows: list[RequestRow]) -> None:
    found = api.post("/v1/user/metrics/query", {"filter": "all", "offset": 0, "limit": 10, "sort": {"cost": "desc"}})
    assert (found["count"], found["hasUsers"]) == (2, True)
    users = found["users"]
    assert [user["cost"] for user in users] == sorted((user["cost"] for user in users), reverse=True)
    for user in users:
        calls = of_user(rows, user["user_id"])
        tokens = sum((call.input_tokens or 0) + (call.output_tokens or 0) for call in calls)
        assert user["id"] == user["user_id"]
        assert user["active_for"] == 2
        assert user["total_requests"] == len(calls)
        assert user["average_requests_per_day_active"] == pytest.approx(len(calls) / 2)
        assert user["average_tokens_per_request"] == pytest.approx(tokens / len(calls))
        assert datetime.fromisoformat(user["first_active"]) == min(call.started_at for call in calls)
        assert datetime.fromisoformat(user["last_active"]) == max(call.started_at for call in calls)


def test_metrics_of_users_are_filtered_by_calls_and_by_users(api: Client, rows: list[RequestRow]) -> None:
    of_calls = {"request_response_rmt": {"status": {"equals": 429}}}
    of_users = {"users_view": {"user_user_id": {"equals": "bob"}}}
    both = {"left": of_calls, "operator": "and", "right": of_users}
    found = api.post("/v1/user/metrics/query", {"filter": both, "offset": 0, "limit": 1000})
    assert found["count"] == 1
    assert found["users"][0]["total_requests"] == sum(row.status == 429 for row in of_user(rows, "bob"))
    page = api.post("/v1/user/metrics/query", {"filter": "all", "limit": 1, "offset": 1, "sort": {"user_id": "asc"}})
    assert ([user["user_id"] for user in page["users"]], page["count"]) == (["bob"], 2)


def test_a_day_is_the_callers(api: Client) -> None:
    found = api.post("/v1/user/metrics/query", {"filter": "all", "timeZoneDifferenceMinutes": -720})
    assert {user["active_for"] for user in found["users"]} == {3}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"limit": 1001}, "limit"),
        ({"sort": {"name": "asc"}}, "no such key: 'name'; allowed are user_id"),
        ({"sort": {"cost": "desc; drop"}}, "sort"),
        ({"filter": {"sessions_request_response_rmt": {}}}, "no such table"),
        ({"timeZoneDifferenceMinutes": 10_000}, "timeZoneDifferenceMinutes"),
    ],
)
def test_what_cannot_be_read_is_named(api: Client, body: object, named: str) -> None:
    assert named in api.post("/v1/user/metrics/query", body, 400)


def test_properties_and_their_values(api: Client) -> None:
    assert api.post("/v1/property/query", {}) == [{"property": "environment"}, {"property": "feature"}]
    assert api.post("/v1/property/Feature/search", {"searchTerm": ""}) == ["chat", "search"]
    assert api.post("/v1/property/feature/search", {"searchTerm": "SEA"}) == ["search"]
    assert api.post("/v1/property/feature/search", {"searchTerm": "%"}) == []
    assert api.post("/v1/property/nothing%27/search", {"searchTerm": ""}) == []


def test_the_values_that_cost_most(api: Client, rows: list[RequestRow]) -> None:
    window = {"start": "2026-11-19T00:00:00Z", "end": "2026-11-21T00:00:00Z"}
    found = api.post("/v1/property/feature/top-costs/query", {"timeFilter": window})
    spent = {
        value: cost([row for row in rows if row.properties.get("feature") == value]) for value in ("search", "chat")
    }
    assert found == [
        {"value": value, "cost": pytest.approx(spent[value])} for value in sorted(spent, key=spent.__getitem__)[::-1]
    ]
    assert api.post("/v1/property/feature/top-costs/query", {}, 400) == "timeFilter: is missing"


def test_beyond_ten_values_the_others_are_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    from dataclasses import replace

    from tests.analysis.writing import made_up_rows, to_parquet
    from tests.api.conftest import serving

    data = tmp_path_factory.mktemp("many")
    rows = [
        replace(row, properties={"n": str(number)}, cost_nanousd=(13 - number) * 10**9)
        for number, row in enumerate(made_up_rows(13))
    ]
    to_parquet(data, rows, 1)
    with serving(data) as api:
        window = {"start": "2026-11-19T00:00:00Z", "end": "2026-11-21T00:00:00Z"}
        found = api.post("/v1/property/n/top-costs/query", {"timeFilter": window})
    assert [row["value"] for row in found] == [*map(str, range(10)), "Other"]
    assert [row["cost"] for row in found] == [*range(13, 3, -1), 1 + 2 + 3]
