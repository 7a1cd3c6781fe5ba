"""Each report against the same sums made in Python."""

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from addon.storage.record import EventRow, FeedbackRow, RequestRow, ScoreRow
from analysis.faces.footer import footer
from analysis.lake import Connection, Lake
from analysis.reports import report
from analysis.reports.asking import answer
from analysis.reports.dimensions import DIMENSIONS
from analysis.reports.question import Question
from analysis.reports.scope import Scope, open_scope
from analysis.reports.unpriced import unpriced, unpriced_in
from analysis.reports.window import EVER, Window
from analysis.table import Table
from tests.analysis.writing import FIRST_DAY, made_up_rows, settle, tell, to_parquet

SECOND_DAY = datetime(2026, 11, 20, tzinfo=UTC)


def run(data: Path, name: str, window: Window = EVER, by: Sequence[str] = (), limit: int = 0) -> list[dict[str, Any]]:

    def question(connection: Connection) -> Table:
        return answer(connection, Question(report=report.load(name), window=window, by=tuple(by), limit=limit))

    return list(Lake(data).ask(question).records())


def total(values: Iterable[int | None]) -> int | None:
    """NULL if nothing is known, as in SQL."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def check_sums(row: dict[str, Any], calls: list[RequestRow]) -> None:
    """The columns that every report has."""
    assert row["calls"] == len(calls)
    assert row["errors"] == sum(call.error_type is not None for call in calls)
    assert row["output_tokens"] == total(call.output_tokens for call in calls)
    if "input_tokens" in row:
        assert row["input_tokens"] == total(call.input_tokens for call in calls)
    cost = total(call.cost_nanousd for call in calls)
    assert row["cost_usd"] == (None if cost is None else cost / 1e9)
    if "unpriced" in row:
        assert row["unpriced"] == sum(call.cost_nanousd is None for call in calls)


def check_groups(
    found: list[dict[str, Any]],
    rows: list[RequestRow],
    names: Sequence[str],
    key: Callable[[RequestRow], tuple[Any, ...]],
) -> None:
    groups: dict[tuple[Any, ...], list[RequestRow]] = {}
    for call in rows:
        groups.setdefault(key(call), []).append(call)
    assert {tuple(row[name] for name in names) for row in found} == set(groups)
    assert len(found) == len(groups)
    for row in found:
        check_sums(row, groups[tuple(row[name] for name in names)])


def model_of(row: RequestRow) -> str | None:
    return row.response_model or row.request_model


def test_costs_are_by_day_unless_told_otherwise(data: Path, rows: list[RequestRow]) -> None:
    found = run(data, "costs")
    check_groups(found, rows, ["day"], lambda row: (row.started_at.date(),))
    assert [row["day"] for row in found] == sorted(row["day"] for row in found)


def test_costs_by_model_user_and_property(data: Path, rows: list[RequestRow]) -> None:
    found = run(data, "costs", by=("model", "user", "property:feature"))
    names = ["model", "user", "property:feature"]
    check_groups(found, rows, names, lambda row: (model_of(row), row.user_id, row.properties.get("feature")))
    costs = [row["cost_usd"] for row in found if row["cost_usd"] is not None]
    assert costs == sorted(costs, reverse=True)


def test_a_propertys_name_is_a_value_and_never_sql(data: Path) -> None:
    (row,) = run(data, "costs", by=("property:x'] from requests; drop view requests --",))
    assert row["calls"] == 400


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("name", ["costs", "latency"])
def test_every_dimension_can_be_grouped_by(data: Path, name: str, dimension: str) -> None:
    assert sum(row["calls"] for row in run(data, name, by=(dimension,))) == 400


def test_models(data: Path, rows: list[RequestRow]) -> None:
    found = run(data, "models")
    check_groups(found, rows, ["provider_name", "response_model"], lambda row: (row.provider_name, model_of(row)))
    (acme,) = [row for row in found if row["response_model"] == "acme-1"]
    assert acme["unpriced"] > 0


def test_an_unknown_cost_is_null_and_not_zero(data: Path, rows: list[RequestRow], tmp_path: Path) -> None:
    silent = [row for row in rows if row.cost_nanousd is None and row.input_tokens is None]
    to_parquet(tmp_path, silent, 1)
    for name in ("costs", "models", "users", "sessions", "properties", "latency"):
        for row in run(tmp_path, name):
            assert (row["cost_usd"], row["output_tokens"]) == (None, None), name


def test_users(data: Path, rows: list[RequestRow]) -> None:
    found = run(data, "users")
    check_groups(found, rows, ["user_id"], lambda row: (row.user_id,))
    for row in found:
        calls = [call for call in rows if call.user_id == row["user_id"]]
        assert row["sessions"] == len({call.session_id for call in calls if call.session_id})
        assert row["last_call_at"].replace(tzinfo=UTC) == max(call.started_at for call in calls)


def test_sessions(data: Path, rows: list[RequestRow]) -> None:
    found = run(data, "sessions")
    check_groups(found, [row for row in rows if row.session_id], ["session_id"], lambda row: (row.session_id,))
    assert {row["session_name"] for row in found} == {"trip"}


def test_properties_count_a_call_under_each_of_its_values(data: Path, rows: list[RequestRow]) -> None:
    found = run(data, "properties")
    pairs = {pair for row in rows for pair in row.properties.items()}
    assert {(row["property"], row["value"]) for row in found} == pairs
    for row in found:
        check_sums(row, [call for call in rows if call.properties.get(row["property"]) == row["value"]])


def test_latency_is_of_answers_and_counts_all_calls(data: Path, rows: list[RequestRow]) -> None:
    found = run(data, "latency")
    check_groups(found, rows, ["model"], lambda row: (model_of(row),))
    for row in found:
        timed = [c for c in rows if model_of(c) == row["model"] and c.error_type is None and c.cache_status is None]
        durations = [call.duration_ms for call in timed if call.duration_ms is not None]
        firsts = [call.time_to_first_token_ms for call in timed if call.time_to_first_token_ms is not None]
        percentiles = statistics.quantiles(durations, n=100, method="inclusive")
        for column, place in (("p50_ms", 49), ("p95_ms", 94), ("p99_ms", 98)):
            assert abs(row[column] - percentiles[place]) <= 0.5
        assert abs(row["first_token_p50_ms"] - statistics.median(firsts)) <= 0.5


def test_scores_are_by_score_and_group(rows: list[RequestRow], tmp_path: Path) -> None:
    settle(tmp_path, rows, 1)
    told: list[EventRow] = []
    for number, call in enumerate(rows):
        at = call.started_at + timedelta(minutes=1)
        told.append(FeedbackRow(request_id=call.request_id, created_at=at, rating=number % 3 == 0))
        if number % 2:
            told.append(ScoreRow(request_id=call.request_id, created_at=at, name="accuracy", value=number / 400))
    tell(tmp_path, told, 2)
    found = run(tmp_path, "scores", by=("model", "property:environment"))
    numbers: dict[tuple[Any, ...], list[float]] = {}
    by_id = {row.request_id: row for row in rows}
    for event in told:
        call = by_id[event.request_id]
        group = (call.response_model or call.request_model, call.properties.get("environment"))
        if isinstance(event, ScoreRow):
            numbers.setdefault((*group, "accuracy"), []).append(event.value)
    assert {(row["model"], row["property:environment"], row["score"]) for row in found} == set(numbers)
    for row in found:
        values = numbers[row["model"], row["property:environment"], row["score"]]
        assert row["calls"] == len(values)
        assert row["mean"] == pytest.approx(statistics.mean(values))
        assert row["median"] == pytest.approx(statistics.median(values))
        assert (row["lowest"], row["highest"]) == (min(values), max(values))
    assert run(tmp_path, "feedback", Window(SECOND_DAY))[0]["calls"] < run(tmp_path, "feedback")[0]["calls"]


def test_errors_show_their_rate(data: Path, rows: list[RequestRow]) -> None:
    found = run(data, "errors")
    assert {row["provider_name"] for row in found} == {"openai", "anthropic"}
    for row in found:
        of_provider = [call for call in rows if call.provider_name == row["provider_name"]]
        failed = [call for call in of_provider if call.error_type]
        assert (row["error_type"], row["status"]) == ("rate_limited", 429)
        assert (row["errors"], row["calls"]) == (len(failed), len(of_provider))
        assert (row["cost_usd"], row["unpriced"], row["input_tokens"]) == (0, 0, None)


def test_requests_are_the_latest_first(data: Path, rows: list[RequestRow]) -> None:
    found = run(data, "requests", limit=7)
    assert [row["request_id"] for row in found] == [row.request_id for row in reversed(rows[-7:])]


def test_unpriced_calls_say_why(data: Path, rows: list[RequestRow]) -> None:
    found = unpriced(data)
    assert sum(group.calls for group in found) == sum(row.cost_nanousd is None for row in rows)
    whys = {(group.model, group.why.partition(";")[0]): group.calls for group in found}
    acme = [row for row in rows if row.request_model == "acme-1" and row.error_type is None]
    assert whys["acme-1", "no price known"] == sum(row.input_tokens is not None for row in acme)
    unread = "no usage found in the answer: not stated, or in a form that heliograph does not read"
    assert whys["acme-1", unread] == sum(row.input_tokens is None for row in acme)
    assert ("gpt-4o", unread) in whys
    assert ("gpt-4o", "no price known") not in whys


def test_usage_that_is_stated_and_not_read_is_not_called_unstated(tmp_path: Path) -> None:
    (row,) = made_up_rows(1)
    unread = replace(
        row,
        error_type=None,
        input_tokens=None,
        output_tokens=None,
        cost_nanousd=None,
        usage_raw='{"billed_units": {"input_tokens": 3}}',
    )
    settle(tmp_path, [unread], 1)
    (group,) = unpriced(tmp_path)
    assert (
        group.why == "heliograph does not read all of the usage that the provider stated; the column usage_raw has it"
    )


def test_a_missing_price_says_how_to_add_one(data: Path) -> None:
    (why, *_) = {group.why for group in unpriced(data) if group.why.startswith("no price known")}
    assert "[[prices]]" in why and why.endswith("stored ones by heliograph reprice")


def test_a_window_takes_its_start_and_leaves_its_end(data: Path, rows: list[RequestRow]) -> None:
    (day,) = run(data, "costs", Window(FIRST_DAY, SECOND_DAY))
    check_sums(day, [row for row in rows if row.started_at < SECOND_DAY])
    exact = Window(rows[3].started_at, rows[5].started_at)
    assert [row["request_id"] for row in run(data, "requests", exact)] == [rows[4].request_id, rows[3].request_id]


def test_a_limit_takes_the_first_rows(data: Path) -> None:
    everything = run(data, "users")
    assert run(data, "users", limit=2) == everything[:2]


def test_the_footer_says_what_the_sums_leave_out(data: Path, rows: list[RequestRow]) -> None:
    def question(connection: Connection) -> report.Totals:
        open_scope(connection, Scope(EVER))
        return report.totals(connection)

    lines = list(footer(Lake(data).ask(question), unpriced(data)))
    cost = sum(row.cost_nanousd or 0 for row in rows) / 1e9
    errors = sum(row.error_type is not None for row in rows)
    missing = sum(row.cost_nanousd is None for row in rows)
    estimated = sum(row.usage_source == "estimated" and row.cost_nanousd is not None for row in rows)
    assert lines[0] == f"400 calls, {errors} errors, ${cost:.6f}"
    assert lines[1] == f"{missing} calls without a price, in no sum:"
    named = [line.partition(" (")[0] for line in lines[2:-2]]
    assert named[0] == "  openai acme-1"
    assert len(named) == len(set(named))  # each model once, with all its reasons
    assert lines[-2].startswith(f"{estimated} costs estimated")


@pytest.mark.parametrize("name", report.REPORTS)
def test_every_report_says_which_question_it_answers(name: str) -> None:
    loaded = report.load(name)
    assert loaded.sql.startswith("-- ")
    assert loaded.question.endswith("?")


def test_every_file_of_sql_begins_with_its_question() -> None:
    folder = Path(report.__file__).parent
    names = {file.stem for place in ("sql", "from_bodies") for file in (folder / place).glob("*.sql")}
    assert set(report.REPORTS) == names
    assert all(report.load(name).question.endswith("?") for name in names)


def test_reports_of_groups_of_calls_show_calls_errors_tokens_and_cost(data: Path) -> None:
    groups = (
        "summary",
        "costs",
        "models",
        "users",
        "sessions",
        "properties",
        "latency",
        "repositories",
        "clients",
    )
    for name in groups:
        (row, *_) = run(data, name)
        assert {"calls", "errors", "output_tokens", "cost_usd"} <= set(row), name


def test_the_made_up_rows_hold_what_the_tests_need(rows: list[RequestRow]) -> None:
    kinds = Counter((row.error_type is None, row.cost_nanousd is None, row.input_tokens is None) for row in rows)
    assert len(kinds) >= 4
    assert all(a.started_at < b.started_at for a, b in itertools.pairwise(rows))


@pytest.mark.parametrize(
    "where", [None, "input_tokens is not null", "error_type is not null", "cost_nanousd is not null"]
)
def test_with_their_totals_the_unpriced_calls_are_the_same(data: Path, where: str | None) -> None:
    with Lake(data, lambda message: None).connect() as connection:
        open_scope(connection, Scope(EVER, where))
        assert unpriced_in(connection, report.totals(connection)) == unpriced_in(connection)
