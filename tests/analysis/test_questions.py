"""Questions on data that is small enough to work the answers out by hand."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from addon.settling.settled_files import SettledFile, row_fields
from addon.storage.folders import Folders
from addon.storage.record import BodyRow, EventRow, FeedbackRow, RequestRow, ScoreRow
from analysis.lake import Connection, Lake
from analysis.reports.asking import answer
from analysis.reports.question import Question
from analysis.reports.reading import read_question
from analysis.reports.report import load
from analysis.reports.window import EVER, Window
from analysis.reports.zone import UTC_ZONE
from analysis.table import Table
from tests.analysis.writing import segment, tell

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
THIS_WEEK = Window(NOON, NOON + timedelta(days=7))  # the period before is the seven days up to noon


def call(number: int, /, at: datetime = NOON, **changes: Any) -> RequestRow:
    """The call `number`; without changes it has no price, no tokens and no times."""
    values: dict[str, Any] = {
        "request_id": f"0199f000-0000-7000-8000-{number:012x}",
        "started_at": at + timedelta(seconds=number),
        "provider_name": "openai",
        "operation_name": "chat",
        "request_model": "gpt-4o",
        "response_model": "gpt-4o",
        "status": 200,
    }
    return RequestRow(**values | changes)


def write(data: Path, rows: Sequence[RequestRow], bodies: Sequence[str | None] = ()) -> None:
    """The calls with their request bodies, as the settler writes them."""
    kept = [*bodies, *[None] * (len(rows) - len(bodies))]
    for day in {row.started_at.date() for row in rows}:
        file = SettledFile(Folders(data), segment(1), day)
        for row, body in zip(rows, kept, strict=True):
            if row.started_at.date() == day:
                body_row = BodyRow(request_id=row.request_id, started_at=row.started_at, request_body=body)
                file.append(f"call-{row.request_id}", row_fields(row), row_fields(body_row))
        file.close()


def ask(
    data: Path, name: str, window: Window = EVER, by: Sequence[str] = (), where: str | None = None, limit: int = 0
) -> list[dict[str, Any]]:
    def question(connection: Connection) -> Table:
        asked = Question(report=load(name), window=window, by=tuple(by), where=where, limit=limit)
        return answer(connection, asked)

    return list(Lake(data).ask(question).records())


def columns(rows: Sequence[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


# --- tree


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A plan with two searches and one failed fetch below a search; a call without a path; another session."""
    common: dict[str, Any] = {"session_id": "s1", "duration_ms": 1000}
    write(
        tmp_path,
        [
            call(0, **common, session_path="/plan", input_tokens=100, output_tokens=10, cost_nanousd=1000),
            call(1, **common, session_path="/plan/search", input_tokens=20, output_tokens=2, cost_nanousd=200),
            call(5, **common, session_path="plan//search/", input_tokens=30, output_tokens=3),
            call(9, **common, session_path="/plan/search/fetch", error_type="http_500", cost_nanousd=0),
            call(20, **common, input_tokens=7, output_tokens=1, cost_nanousd=70),
            call(30, session_id="s2", session_path="/other", cost_nanousd=5),
            call(40, cost_nanousd=10**9),
        ],
    )
    return tmp_path


def test_a_tree_has_subtotals_of_every_path(session: Path) -> None:
    found = ask(session, "tree", where="session = 's1'")
    of_nodes = (
        "session_path",
        "calls",
        "errors",
        "tokens",
        "cost_usd",
        "unpriced",
        "duration_ms",
    )
    assert columns(found, *of_nodes) == [
        ("/", 5, 1, 173, 1270e-9, 1, 21_000),
        ("/plan", 4, 1, 165, 1200e-9, 1, 10_000),
        ("/plan/search", 3, 1, 55, 200e-9, 1, 9_000),
        ("/plan/search/fetch", 1, 1, None, 0.0, 0, 1_000),
    ]


def test_a_tree_has_what_each_path_has_of_its_own(session: Path) -> None:
    found = ask(session, "tree", where="session = 's1'")
    own = ("own_calls", "own_errors", "own_tokens", "own_cost_usd", "own_duration_ms")
    assert columns(found, *own) == [
        (1, 0, 8, 70e-9, 1_000),
        (1, 0, 110, 1000e-9, 1_000),
        (2, 0, 55, 200e-9, 5_000),
        (1, 1, None, 0.0, 1_000),
    ]


def test_trees_are_of_the_sessions_that_cost_most(session: Path) -> None:
    assert columns(ask(session, "tree"), "session_id", "session_path")[-2:] == [("s2", "/"), ("s2", "/other")]
    assert columns(ask(session, "tree", limit=1), "session_id", "session_path") == [("s1", "/")]


def test_a_path_of_a_thousand_parts_is_cut(tmp_path: Path) -> None:
    write(tmp_path, [call(0, session_id="s", session_path="/a" * 1000)])
    assert len(ask(tmp_path, "tree")) == 51


# --- throughput


def test_throughput_is_tokens_a_second_by_model_and_hour(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            call(0, output_tokens=100, duration_ms=2000),
            call(1, output_tokens=300, duration_ms=2000, time_to_first_token_ms=500),
            call(2, output_tokens=9999, duration_ms=1, cache_status="hit"),
            call(3, duration_ms=10, error_type="http_500", time_to_first_token_ms=1),
            call(4, output_tokens=7),
            call(5, output_tokens=7, duration_ms=0),
            call(6, NOON + timedelta(hours=1), output_tokens=30, duration_ms=1000, time_to_first_token_ms=1000),
        ],
    )
    found = ask(tmp_path, "throughput")
    assert columns(found, "model", "hour", "calls", "output_tokens") == [
        ("gpt-4o", NOON.replace(tzinfo=None), 6, 414),
        ("gpt-4o", NOON.replace(hour=13, tzinfo=None), 1, 30),
    ]
    # 400 tokens in 4 s; of the stream 300 in 1.5 s after its first token. The last stream came at once.
    speeds = ("tokens_per_s", "stream_tokens_per_s", "first_token_p50_ms", "first_token_p95_ms")
    assert columns(found, *speeds) == [(100.0, 200.0, 500, 500), (30.0, None, 1000, 1000)]
    assert columns(ask(tmp_path, "throughput", by=("provider",)), "provider", "calls") == [("openai", 7)]


# --- cache


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    original, gone = call(0).request_id, call(99).request_id
    hit: dict[str, Any] = {"cache_reference_id": original, "attempts": 0, "cost_nanousd": 0}
    write(
        tmp_path,
        [
            call(0, cache_status="miss", duration_ms=900, cost_nanousd=4000),
            call(1, **hit, cache_status="hit", duration_ms=5, saved_nanousd=4000, user_id="ann"),
            call(2, **hit, cache_status="coalesced", duration_ms=500, saved_nanousd=4000, user_id="bob"),
            call(3, **(hit | {"cache_reference_id": gone}), cache_status="hit", duration_ms=5),
            call(4, cache_status="unavailable", duration_ms=10),
            call(5, duration_ms=10),
        ],
    )
    return tmp_path


def test_the_cache_has_a_hit_rate_and_saves_money_and_time(cached: Path) -> None:
    (row,) = ask(cached, "cache")
    assert row == {
        "model": "gpt-4o",
        "calls": 5,
        "hits": 2,
        "coalesced": 1,
        "misses": 1,
        "unavailable": 1,
        "hit_rate": 0.6,
        "saved_usd": 8000e-9,
        "unpriced": 1,
        "saved_ms": 895 + 400,  # of the hit whose original is gone it is not known
    }


def test_a_cache_that_saved_nothing_known_says_null(cached: Path) -> None:
    (row,) = ask(cached, "cache", where="saved_nanousd is null and cache_status = 'hit'")
    assert (row["hits"], row["saved_usd"], row["unpriced"], row["saved_ms"]) == (1, None, 1, None)


def test_the_calls_that_the_cache_answered_most(cached: Path) -> None:
    found = ask(cached, "cache-hits")
    assert columns(found, "request_id", "hits", "coalesced", "users", "saved_usd", "saved_ms") == [
        (call(0).request_id, 2, 1, 2, 8000e-9, 2 * 900 - 505),
        (call(99).request_id, 1, 0, 0, None, None),
    ]
    assert len(ask(cached, "cache-hits", limit=1)) == 1


# --- retries


def failed(host: str, *began_and_took_ms: tuple[int, int]) -> str:
    return json.dumps(
        [
            {"provider_name": "openai", "host": host, "status": 503, "started_ms": began, "duration_ms": took}
            for began, took in began_and_took_ms
        ]
    )


def test_retries_and_fallbacks_say_what_they_saved(tmp_path: Path) -> None:
    openai = "api.openai.com"
    write(
        tmp_path,
        [
            call(0, attempts=1, duration_ms=100, cost_nanousd=1),
            call(1, attempts=1, duration_ms=300, cost_nanousd=1, fallback_index=0),
            call(
                2,
                host=openai,
                attempts=3,
                duration_ms=4000,
                cost_nanousd=10,
                fallback_index=0,
                failed_attempts=failed(openai, (0, 500), (1500, 500)),
            ),
            call(
                3,
                host="api.groq.com",
                attempts=2,
                duration_ms=6000,
                fallback_index=0,
                failed_attempts=failed(openai, (0, 1000)),
            ),
            call(4, attempts=2, duration_ms=8000, error_type="http_503", cost_nanousd=0),
            call(5, attempts=0, cache_status="hit", duration_ms=1),
            call(6, attempts=1, request_model="gpt-5"),
        ],
    )
    (row,) = ask(tmp_path, "retries")
    assert row == {
        "request_model": "gpt-4o",
        "calls": 6,
        "retried": 3,
        "saved": 2,
        "by_fallback": 1,
        "failed": 1,
        "extra_attempts": 2 + 1 + 1,
        "retried_cost_usd": 10e-9,
        "fallback_cost_usd": None,
        "unpriced": 1,
        "failed_p50_ms": 1500,  # of 2,000 and 1,000
        "p50_ms": 200,
        "saved_p50_ms": 5000,
    }


# --- duplicates


def test_equal_requests_are_duplicates_that_the_cache_would_save(tmp_path: Path) -> None:
    same: dict[str, Any] = {"request_bytes": 10, "input_tokens": 5, "duration_ms": 100}
    rows = [
        call(0, **same, cost_nanousd=300, user_id="ann"),
        call(1, **same, cost_nanousd=310, user_id="bob"),
        call(2, **same, cost_nanousd=320, user_id="bob"),
        call(3, **same, cost_nanousd=900),  # as long, but it says something else
        call(4, **same, cost_nanousd=900, api_key_hash="other"),  # another key: never the same answer
        call(5, **same, cost_nanousd=900, error_type="http_500"),
        call(6, **same, cost_nanousd=0, cache_status="hit"),
        call(7, **same),  # not kept
        call(8, request_bytes=7, duration_ms=20),
        call(9, request_bytes=7, duration_ms=30),
    ]
    bodies = ["question A", "question A", "question A", "question B", *["question A"] * 3, None, "local", "local"]
    write(tmp_path, rows, bodies)
    found = ask(tmp_path, "duplicates")
    assert columns(found, "calls", "users", "cost_usd", "saved_usd", "saved_ms", "unpriced", "request_id") == [
        (3, 2, 930e-9, 630e-9, 200, 0, rows[2].request_id),
        (2, 0, None, None, 30, 2, rows[9].request_id),
    ]
    assert columns(ask(tmp_path, "duplicates", by=("user",)), "user", "calls") == [("bob", 2), (None, 2)]


def test_duplicates_are_beside_the_same_request_of_the_period_before(tmp_path: Path) -> None:
    rows = [call(number, request_bytes=10, cost_nanousd=300) for number in range(3)]
    rows += [call(number, NOON - timedelta(days=2), request_bytes=10, cost_nanousd=100) for number in (3, 4)]
    write(tmp_path, rows, ["question A"] * 5)
    words = {"now": NOON + timedelta(days=1), "since": "2026-11-20", "until": "2026-11-22"}
    question = read_question("duplicates", zone=UTC_ZONE, compare="previous", **words)  # type: ignore[arg-type]
    (found,) = Lake(tmp_path).ask(lambda connection: answer(connection, question)).records()
    assert (found["calls"], found["before_calls"], found["saved_usd"]) == (3, 2, 600e-9)
    assert found["request_id"] == rows[2].request_id


# --- repositories, clients


def test_repositories_and_clients_add_up(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            call(0, client="OpenAI/Python 1.2.3", client_repository="shop", client_command="python", cost_nanousd=10),
            call(1, client="OpenAI/Python 1.3.0", client_repository="shop", client_command="pytest", cost_nanousd=20),
            call(2, client="OpenAI/Python 1.3.0", client_repository="blog", client_command="pytest", user_id="ann"),
            call(3, client="claude-cli/2.0.1 (external, cli)", cost_nanousd=5, error_type="http_500"),
            call(4),
        ],
    )
    found = ask(tmp_path, "repositories")
    assert columns(found, "repository", "calls", "users", "cost_usd", "unpriced") == [
        ("shop", 2, 0, 30e-9, 0),
        (None, 2, 0, 5e-9, 1),
        ("blog", 1, 1, None, 1),
    ]
    found = ask(tmp_path, "clients")
    assert columns(found, "client", "command", "user_agents", "calls", "errors", "cost_usd", "unpriced") == [
        ("OpenAI", "pytest", 2, 3, 0, 30e-9, 1),
        ("claude-cli", None, 1, 1, 1, 5e-9, 0),
        (None, None, 0, 1, 0, None, 1),
    ]


# --- feedback, scores


def test_feedback_is_ratings_and_scores_are_all_other_scores(tmp_path: Path) -> None:
    write(tmp_path, [call(number, user_id="ann" if number < 3 else "bob") for number in range(5)])
    said: list[EventRow] = [
        FeedbackRow(request_id=call(0).request_id, created_at=NOON, rating=False),
        FeedbackRow(request_id=call(0).request_id, created_at=NOON + timedelta(hours=1), rating=True),
        FeedbackRow(request_id=call(1).request_id, created_at=NOON, rating=False),
        ScoreRow(request_id=call(1).request_id, created_at=NOON, name="accuracy", value=0.5),
        ScoreRow(request_id=call(3).request_id, created_at=NOON, name="accuracy", value=0.7),
    ]
    tell(tmp_path, said, 1)
    assert columns(ask(tmp_path, "feedback", by=("user",)), "user", "calls", "rated", "good", "bad", "good_rate") == [
        ("ann", 3, 2, 1, 1, 0.5)
    ]
    found = ask(tmp_path, "scores", by=("user",))
    assert columns(found, "user", "score", "calls", "mean", "lowest", "highest") == [
        ("ann", "accuracy", 1, 0.5, 0.5, 0.5),
        ("bob", "accuracy", 1, 0.7, 0.7, 0.7),
    ]


# --- changes


def week(
    number: int, before: Sequence[tuple[int, int | None]], now: Sequence[tuple[int, int | None]], model: str
) -> list[RequestRow]:
    """Calls of the week before and of this week, each (tokens, nano-USD)."""
    started = [*[NOON - timedelta(days=1)] * len(before), *[NOON + timedelta(days=1)] * len(now)]
    return [
        call(number + i, at, response_model=model, input_tokens=tokens, output_tokens=0, cost_nanousd=cost)
        for i, (at, (tokens, cost)) in enumerate(zip(started, [*before, *now], strict=True))
    ]


def test_a_change_is_told_apart_into_calls_tokens_and_price(tmp_path: Path) -> None:
    # Before: 2 calls of 100 tokens at 10 nano-USD each token. Now: 3 calls of 200 tokens at 8.
    write(tmp_path, week(0, [(100, 1000)] * 2, [(200, 1600)] * 3, "gpt-4o"))
    (row,) = ask(tmp_path, "changes", THIS_WEEK)
    parts = ("cost_usd", "before_cost_usd", "change_usd", "by_calls_usd", "by_tokens_usd", "by_price_usd")
    # One call more of 100 tokens at 10; 100 tokens more in each of 3 calls, at 10; 2 less for each of 600 tokens.
    assert columns([row], *parts) == [(4800e-9, 2000e-9, 2800e-9, 1000e-9, 3000e-9, -1200e-9)]
    assert (row["calls"], row["before_calls"]) == (3, 2)
    assert (row["tokens_per_call"], row["before_tokens_per_call"]) == (200.0, 100.0)
    prices = row["usd_per_million_tokens"], row["before_usd_per_million_tokens"]
    assert prices == pytest.approx((0.008, 0.01))


def test_new_gone_and_unpriced_groups_change_too(tmp_path: Path) -> None:
    rows = [
        *week(0, [], [(100, 700)], "new"),
        *week(10, [(100, 300)], [], "gone"),
        *week(20, [(0, 40), (0, 60)], [(0, 70)], "no tokens"),
        *week(30, [(100, None)], [(100, 5)], "unpriced before"),
        *week(40, [(10, 10)], [(10, 10), (10, None)], "one unpriced"),
    ]
    write(tmp_path, rows)
    found = {row["model"]: row for row in ask(tmp_path, "changes", THIS_WEEK)}
    parts = ("change_usd", "by_calls_usd", "by_tokens_usd", "by_price_usd", "unpriced", "before_unpriced")
    assert {name: columns([row], *parts)[0] for name, row in found.items()} == {
        "new": (700e-9, 700e-9, None, 0.0, 0, 0),
        "gone": (-300e-9, -300e-9, None, 0.0, 0, 0),
        "no tokens": (-30e-9, -50e-9, None, 20e-9, 0, 0),  # a call less at 50; the one left costs 20 more
        "unpriced before": (None, None, None, None, 0, 1),
        "one unpriced": (0.0, 0.0, 0.0, 0.0, 1, 0),
    }


def test_the_parts_of_a_change_add_up_to_it_exactly(tmp_path: Path) -> None:
    rows = week(0, [(7, 11), (13, 17), (1, 3)], [(19, 23), (2, 3), (31, 77), (5, 1)], "odd")
    write(tmp_path, rows)
    (row,) = ask(tmp_path, "changes", THIS_WEEK, by=("provider",))
    parts = [round(row[name] * 1e9) for name in ("by_calls_usd", "by_tokens_usd", "by_price_usd")]
    assert sum(parts) == round(row["change_usd"] * 1e9) == 104 - 31


# --- anomalies


def days(costs: Sequence[int], user: str, first: date = date(2026, 11, 1)) -> list[RequestRow]:
    """A day for each number: one call that costs so many cents; 0: no call that day."""
    begin = datetime(first.year, first.month, first.day, 9, tzinfo=UTC)
    number = 1000 * sum(map(ord, user))
    return [
        call(number + i, begin + timedelta(days=i, seconds=-number), user_id=user, cost_nanousd=cents * 10**7)
        for i, cents in enumerate(costs)
        if cents
    ]


def alarms(data: Path, **options: Any) -> list[tuple[Any, ...]]:
    return columns(ask(data, "anomalies", **options), "user", "day", "measure", "value", "habit", "deviations")


def test_a_day_far_off_the_habit_is_an_anomaly(tmp_path: Path) -> None:
    # Of 100 to 106 cents the median is 103, the median deviation 2: 1.4826 x 2 is less than a tenth of 103, so that counts.
    write(tmp_path, days([100, 101, 102, 103, 104, 105, 106, 500, 105], "ann"))
    expected = round((5.00 - 1.03) / 0.103, 1)
    assert alarms(tmp_path) == [
        (None, date(2026, 11, 8), "cost_usd", 5.0, 1.03, expected),  # all calls together
        ("ann", date(2026, 11, 8), "cost_usd", 5.0, 1.03, expected),
    ]


def test_under_a_week_of_history_there_is_no_alarm(tmp_path: Path) -> None:
    write(tmp_path, days([100, 100, 100, 100, 100, 100, 900], "ann"))
    assert alarms(tmp_path) == []


def test_a_user_off_the_own_habit_is_found_among_others(tmp_path: Path) -> None:
    write(tmp_path, [*days([1000] * 9, "ann"), *days([10] * 8 + [60], "bob")])
    assert alarms(tmp_path) == [
        ("bob", date(2026, 11, 9), "cost_usd", 0.6, 0.1, 50.0)
    ]  # a deviation is a cent at least


def test_a_low_day_must_be_below_all_days_before_and_be_over(tmp_path: Path) -> None:
    others = [1000] * 14
    write(tmp_path, [*days(others, "ann"), *days([100] * 6 + [0] + [100] * 5 + [0, 100], "bob")])
    assert alarms(tmp_path) == []  # bob was away before, too
    write(tmp_path / "2", [*days(others, "ann"), *days([100] * 9 + [0, 100, 100, 100, 0], "bob")])
    found = [row for row in alarms(tmp_path / "2") if row[2] == "cost_usd"]
    # The usual deviation is 0, so it is a tenth of the habit; the last day may not be over.
    assert found == [("bob", date(2026, 11, 10), "cost_usd", 0.0, 1.0, -10.0)]


def test_anomalies_are_of_the_window_and_habits_of_the_period_before_as_well(tmp_path: Path) -> None:
    write(tmp_path, days([100] * 10 + [900, 100, 100], "ann"))
    begin = datetime(2026, 11, 10, tzinfo=UTC)
    window = Window(begin, begin + timedelta(days=4))
    assert alarms(tmp_path, window=window) == []  # four days before it are less than a week
    window = Window(begin - timedelta(days=1), begin + timedelta(days=7))
    assert {row[1] for row in alarms(tmp_path, window=window)} == {date(2026, 11, 11)}


def test_days_whose_price_is_unknown_are_in_no_habit(tmp_path: Path) -> None:
    known = days([100] * 7 + [900], "ann")
    unknown = [replace(row, cost_nanousd=None) for row in known[:3]]
    write(tmp_path, [*unknown, *known[3:]])
    assert [row for row in alarms(tmp_path) if row[2] == "cost_usd"] == []
