"""Questions as a person types them: other groups, times, conditions, and the period before."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from addon.storage.record import RequestRow
from analysis.lake import Lake
from analysis.reports.asking import answer
from analysis.reports.reading import read_question
from analysis.reports.report import REPORTS, load
from analysis.reports.scope import BadCondition
from analysis.reports.zone import UTC_ZONE, zone_of
from tests.analysis.test_report import check_groups, check_sums, model_of
from tests.analysis.writing import made_up_rows, to_parquet

NOW = datetime(2026, 11, 21, tzinfo=UTC)
BOTH_DAYS = {"since": "2026-11-19", "until": "2026-11-21"}
SECOND_DAY = {"since": "2026-11-20", "until": "2026-11-21"}
GROUPED = [name for name in REPORTS if load(name).takes_times]
MAY_HAVE_NO_ROWS = ("duplicates", "feedback", "retries", "scores")  # in the folder of these tests


def ask(data: Path, name: str, zone: str = "UTC", **options: Any) -> list[dict[str, Any]]:
    question = read_question(name, now=NOW, zone=zone_of(zone), **({"limit": 0} | options))
    return list(Lake(data).ask(lambda connection: answer(connection, question)).records())


@pytest.mark.parametrize("name", GROUPED)
def test_every_report_that_groups_takes_any_names_and_a_period(data: Path, name: str) -> None:
    found = ask(data, name, **BOTH_DAYS, by="user,property:feature", every="day")
    assert found or name in MAY_HAVE_NO_ROWS
    assert all(list(row)[:3] == ["day", "user", "property:feature"] for row in found)
    assert {row["day"] for row in found} <= {date(2026, 11, 19), date(2026, 11, 20)}
    assert [row["day"] for row in found] == sorted(row["day"] for row in found)


def test_a_period_alone_comes_before_the_reports_own_groups(data: Path, rows: list[RequestRow]) -> None:
    found = ask(data, "models", **BOTH_DAYS, every="day")
    names = ["day", "provider_name", "response_model"]
    check_groups(found, rows, names, lambda row: (row.started_at.date(), row.provider_name, model_of(row)))
    assert list(found[0])[:3] == names


def test_a_period_takes_the_place_of_the_reports_own(data: Path, rows: list[RequestRow]) -> None:
    found = ask(data, "costs", **BOTH_DAYS, every="month")
    check_groups(found, rows, ["month"], lambda row: (f"{row.started_at:%Y-%m}",))
    assert ask(data, "costs", **BOTH_DAYS, every="month", by="month") == found


def test_errors_by_a_name_are_of_all_calls_with_that_name(data: Path, rows: list[RequestRow]) -> None:
    for row in ask(data, "errors", **BOTH_DAYS, by="user"):
        of_user = [call for call in rows if call.user_id == row["user"]]
        assert (row["errors"], row["calls"]) == (sum(call.error_type is not None for call in of_user), len(of_user))


def test_a_condition_leaves_the_other_calls_out(data: Path, rows: list[RequestRow]) -> None:
    found = ask(data, "users", **BOTH_DAYS, where="model = 'gpt-4o' and properties['feature'] = 'chat'")
    chosen = [row for row in rows if model_of(row) == "gpt-4o" and row.properties.get("feature") == "chat"]
    check_groups(found, chosen, ["user_id"], lambda row: (row.user_id,))


def test_a_comparison_has_each_row_beside_that_of_the_period_before(data: Path, rows: list[RequestRow]) -> None:
    found = ask(data, "models", **SECOND_DAY, compare="previous")
    days = {day: [row for row in rows if row.started_at.day == day] for day in (19, 20)}
    assert {row["response_model"] for row in found} == {model_of(row) for row in rows}
    for row in found:
        check_sums(row, [call for call in days[20] if model_of(call) == row["response_model"]])
        earlier = [call for call in days[19] if model_of(call) == row["response_model"]]
        check_sums(
            {name.removeprefix("before_"): value for name, value in row.items() if name[:7] == "before_"}, earlier
        )
        assert row["calls_change_percent"] == pytest.approx(
            100 * (row["calls"] - len(earlier)) / len(earlier), abs=0.06
        )


def test_rows_that_exist_only_in_one_period_are_shown(tmp_path: Path) -> None:
    rows = made_up_rows(40)
    to_parquet(tmp_path, [row for row in rows if (row.started_at.day == 19) == (row.user_id == "ann")], 1)
    found = {row["user_id"]: row for row in ask(tmp_path, "users", **SECOND_DAY, compare="previous")}
    assert found["ann"]["calls"] is None and found["ann"]["before_calls"] > 0
    assert found["bob"]["calls"] > 0 and found["bob"]["before_calls"] is None
    assert found["ann"]["calls_change_percent"] is None
    assert list(found)[-1] == "ann"  # after those of now


@pytest.mark.parametrize("name", GROUPED)
@pytest.mark.parametrize("words", [{"every": "hour"}, {"by": "hour,model"}, {"every": "hour", "compare": "previous"}])
def test_of_rows_with_a_time_the_newest_are_shown_newest_last(data: Path, name: str, words: dict[str, str]) -> None:
    if "compare" in words and not load(name).can_compare:
        return
    everything = [row["hour"] for row in ask(data, name, **SECOND_DAY, **words)]
    shown = [row["hour"] for row in ask(data, name, **SECOND_DAY, **words, limit=3)]
    assert everything == sorted(everything)
    # Sessions are picked by what they cost.
    assert shown == (sorted(shown) if name == "sessions" and "compare" not in words else everything[-3:])
    assert everything or name in MAY_HAVE_NO_ROWS


@pytest.mark.parametrize("every", ["hour", "day", "week", "month"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_times_are_compared_by_their_place_in_the_period(tmp_path: Path, every: str, zone: str) -> None:
    """The same calls twice, a period apart: each row stands beside its twin."""
    local = zone_of(zone)
    begin, begin_before = local.midnight(date(2026, 8, 1)), local.midnight(date(2026, 7, 1))
    rows = made_up_rows(60)
    first = rows[0].started_at
    both = [
        replace_time(row, start + (row.started_at - first) * 10, number)
        for number, start in enumerate((begin, begin_before))
        for row in rows
    ]
    to_parquet(tmp_path, both, 1)
    found = ask(tmp_path, "costs", zone, since="2026-08-01", until="2026-09-01", every=every, compare="previous")
    assert len(found) > 1 or every == "month"
    if every == "week":  # August begins on another day of the week than July
        assert sum(row["before_calls"] or 0 for row in found) == sum(row["calls"] or 0 for row in found) == 60
        return
    for row in found:
        assert row["calls"] == row["before_calls"] > 0
        assert row["cost_usd"] == row["before_cost_usd"]


def replace_time(row: RequestRow, at: datetime, number: int) -> RequestRow:
    return replace(row, started_at=at, request_id=f"{row.request_id[:-12]}{number}{row.request_id[-11:]}")


def test_a_limit_of_a_comparison_is_of_its_rows_and_not_of_what_is_compared(data: Path) -> None:
    everything = ask(data, "sessions", **SECOND_DAY, compare="previous")
    assert ask(data, "sessions", **SECOND_DAY, compare="previous", limit=3) == everything[:3]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cost", {}, "no report 'cost'; did you mean 'costs'; there are summary, costs, models"),
        ("costs", {"by": "model,usr"}, "'usr' is not a dimension; did you mean 'user'; allowed are hour, "),
        ("requests", {"by": "user"}, "requests has fixed columns; --by is for costs, models, users, "),
        ("summary", {"every": "day"}, "summary has fixed columns; --every is for costs, "),
        ("changes", {"every": "day"}, "changes is about the whole period; --every is for costs, "),
        ("changes", {"by": "model,day"}, "changes is about the whole period; day is for costs, "),
        ("costs", {"by": "model,user,model"}, "names a dimension twice"),
        ("costs", {"by": "property:"}, "is not a dimension without a name"),
        ("errors", {"by": "status"}, "report errors has the column status already"),
        ("costs", {"every": "dya"}, "'dya' is not a period; did you mean 'day'; write hour, day, week or month"),
        ("costs", {"compare": "before"}, "'before' is not a period to compare with; write previous"),
        ("requests", {"compare": "previous"}, "requests has no groups to compare; --compare is for summary, costs, "),
        (
            "anomalies",
            {"compare": "previous"},
            "anomalies compares each day with the days before already; --compare is for ",
        ),
        ("costs", {"where": "model ="}, "'model =' is not a condition: syntax error"),
        ("costs", {"where": "model = $1"}, "it has a parameter"),
    ],
)
def test_what_cannot_be_asked_is_told_what_is_allowed(name: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        read_question(name, now=NOW, zone=UTC_ZONE, **options)  # type: ignore[arg-type]
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("modle = 'x'", "there is no column 'modle'; did you mean 'model'"),
        ("latency > 5", "there is no column 'latency'; it is here: duration_ms"),
        ('model = "gpt-4o"', "text is written in single quotes"),
        ("count(*) > 1", "cannot contain aggregates"),
        ("status = 'abc'", "Could not convert string 'abc'"),
        ("cast(model as int) = 1", "Could not convert string"),
        ("request_id in (select request_id from calls)", "recursion"),
    ],
)
def test_a_condition_that_does_not_fit_the_calls_says_why(data: Path, where: str, message: str) -> None:
    with pytest.raises(BadCondition) as raised:
        ask(data, "costs", **BOTH_DAYS, where=where)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_names_may_have_spaces_and_an_empty_end() -> None:
    question = read_question("costs", now=NOW, zone=UTC_ZONE, by=" model, property:Feature ,")
    assert question.by == ("model", "property:Feature")
    assert timedelta(days=30) == NOW - question.window.since
