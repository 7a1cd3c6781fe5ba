"""Sessions as Helicone's scripts ask for them."""

from datetime import datetime
from typing import Any

import pytest

from addon.storage.record import RequestRow
from tests.api.conftest import Client

EVER = {"startTimeUnixMs": 0, "endTimeUnixMs": 4_000_000_000_000}


def of_session(rows: list[RequestRow], session_id: str) -> list[RequestRow]:
    return [row for row in rows if row.session_id == session_id]


def ask(api: Client, **body: object) -> list[dict[str, Any]]:
    sessions: list[dict[str, Any]] = api.post(
        "/v1/session/query",
        {"search": "", "timeFilter": EVER, "timezoneDifference": 300, "filter": "all", "limit": 1000, **body},
    )
    return sessions


def test_a_session_comes_to_the_sum_of_its_calls(api: Client, rows: list[RequestRow]) -> None:
    sessions = {session["session_id"]: session for session in ask(api)}
    assert set(sessions) == {row.session_id for row in rows if row.session_id}
    for session_id, session in sessions.items():
        calls = of_session(rows, session_id)
        costs = [call.cost_nanousd for call in calls if call.cost_nanousd is not None]
        assert session["total_requests"] == len(calls)
        assert session["total_cost"] == (pytest.approx(sum(costs) / 1e9) if costs else None)
        known = [call for call in calls if call.input_tokens is not None]
        assert session["prompt_tokens"] == (sum(call.input_tokens or 0 for call in known) if known else None)
        assert session["avg_latency"] == pytest.approx(sum(call.duration_ms or 0 for call in calls) / len(calls))
        assert session["user_ids"] == sorted({call.user_id for call in calls if call.user_id})
        assert session["session_name"] == "trip"
        assert datetime.fromisoformat(session["created_at"]) == min(call.started_at for call in calls)
        assert datetime.fromisoformat(session["latest_request_created_at"]) == max(call.started_at for call in calls)


def test_fifty_sessions_come_at_most_unless_more_are_asked_for(api: Client, rows: list[RequestRow]) -> None:
    everything = ask(api)
    starts = [session["created_at"] for session in everything]
    assert starts == sorted(starts, reverse=True)
    assert len(everything) == len({row.session_id for row in rows if row.session_id}) == 50
    assert ask(api, limit=None) == everything[:50]
    assert ask(api, limit=7, offset=4) == everything[4:11]


def test_a_session_is_searched_by_a_part_of_its_id_or_name(api: Client) -> None:
    assert {session["session_id"] for session in ask(api, search="ION-1")} == {
        "session-1",
        *(f"session-{number}" for number in range(10, 20)),
    }
    assert len(ask(api, search="TRI")) == 50
    assert ask(api, search="session_1") == []  # an underscore is one
    assert ask(api, nameEquals="tri") == []


def test_a_window_of_milliseconds_picks_calls(api: Client, rows: list[RequestRow]) -> None:
    first, last = rows[100].started_at, rows[199].started_at
    window = {
        "startTimeUnixMs": int(first.timestamp() * 1000),
        "endTimeUnixMs": int(last.timestamp() * 1000),
    }
    sessions = ask(api, timeFilter=window)
    assert sum(session["total_requests"] for session in sessions) == sum(
        row.session_id is not None for row in rows[100:200]
    )


def test_a_filter_may_ask_of_calls_and_of_sessions(api: Client, rows: list[RequestRow]) -> None:
    of_calls = {"request_response_rmt": {"model": {"equals": "gpt-4o"}}}
    of_sessions = {"sessions_request_response_rmt": {"session_total_requests": {"gte": 3}}}
    sessions = ask(api, filter={"left": of_calls, "operator": "and", "right": of_sessions})
    expected = {}
    for session_id in {row.session_id for row in rows if row.session_id}:
        calls = [row for row in of_session(rows, session_id) if row.request_model == "gpt-4o"]
        if len(calls) >= 3:
            expected[session_id] = len(calls)
    assert {session["session_id"]: session["total_requests"] for session in sessions} == expected
    mixed = {"left": of_calls, "operator": "or", "right": of_sessions}
    assert "use `and`" in api.post("/v1/session/query", {"filter": mixed}, 422)


def test_sessions_are_counted_and_averaged(api: Client, rows: list[RequestRow]) -> None:
    counted = api.post("/v1/session/count", {"search": "", "timeFilter": EVER, "filter": "all"})
    sessions = ask(api)
    costs = [session["total_cost"] for session in sessions if session["total_cost"] is not None]
    assert counted == {
        "count": 50,
        "total_cost": pytest.approx(sum(costs)),
        "avg_cost": pytest.approx(sum(costs) / len(costs)),
        "avg_latency": pytest.approx(sum(session["avg_latency"] for session in sessions) / 50),
        "avg_requests": pytest.approx(sum(session["total_requests"] for session in sessions) / 50),
    }
    nothing = api.post("/v1/session/count", {"search": "nobody"})
    assert (nothing["count"], nothing["total_cost"]) == (0, None)


def test_names_are_found_by_a_part_of_them(api: Client, rows: list[RequestRow]) -> None:
    (name,) = api.post("/v1/session/name/query", {"nameContains": "RI", "timezoneDifference": 0})
    calls = [row for row in rows if row.session_id]
    assert (name["name"], name["session_count"]) == ("trip", 50)
    assert datetime.fromisoformat(name["first_used"]) == min(call.started_at for call in calls)
    assert datetime.fromisoformat(name["last_used"]) == max(call.started_at for call in calls)
    assert api.post("/v1/session/name/query", {"nameContains": "x"}) == []
    sessions_filter = {"sessions_request_response_rmt": {"session_total_requests": {"gt": 1}}}
    assert "no such table" in api.post("/v1/session/name/query", {"filter": sessions_filter}, 400)


def test_sessions_are_spread_over_bins_that_hold_them_all(api: Client) -> None:
    body = {"nameContains": "", "timezoneDifference": 0, "pSize": "p99.9"}
    metrics = api.post("/v1/session/metrics/query", body)
    sessions = ask(api)
    most = max(session["total_requests"] for session in sessions)
    counts = metrics["session_count"]
    assert sum(row["value"] for row in counts) >= 49
    assert float(counts[0]["range_start"]) == min(session["total_requests"] for session in sessions)
    assert float(counts[-1]["range_end"]) <= most
    assert metrics["average"]["session_count"] == [
        {"average": pytest.approx(sum(session["total_requests"] for session in sessions) / 50)}
    ]
    seconds = [
        (
            datetime.fromisoformat(session["latest_request_created_at"]) - datetime.fromisoformat(session["created_at"])
        ).total_seconds()
        for session in sessions
    ]
    assert metrics["average"]["session_duration"] == [{"average": pytest.approx(sum(seconds) / 50)}]
    for rows in (counts, metrics["session_duration"], metrics["session_cost"]):
        assert 1 <= len(rows) <= 10
        for row in rows:
            assert float(row["range_start"]) <= float(row["range_end"])


def test_between_quartiles_there_are_about_half_of_the_sessions(api: Client) -> None:
    body = {"useInterquartile": True, "pSize": "p75"}
    durations = api.post("/v1/session/metrics/query", body)["session_duration"]
    assert 20 <= sum(row["value"] for row in durations) <= 50


def test_whether_there_are_sessions(api: Client) -> None:
    assert api.get("/v1/session/has-session") is True


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"timeFilter": {"startTimeUnixMs": 1}}, "timeFilter"),
        ({"timeFilter": {"startTimeUnixMs": "1", "endTimeUnixMs": 2}}, "timeFilter: '1'"),
        ({"timeFilter": {"startTimeUnixMs": -1, "endTimeUnixMs": 2}}, "timeFilter: -1"),
        ({"search": 5}, "search"),
        ({"limit": 2000}, "limit"),
    ],
)
def test_what_cannot_be_read_is_named(api: Client, body: object, named: str) -> None:
    assert named in api.post("/v1/session/query", body, 400)
