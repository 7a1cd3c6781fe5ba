"""Days, weeks and months of a zone, and the page of `report summary`."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from addon.commands.report import report as report_command
from addon.storage.record import RequestRow
from analysis.lake import Connection, Lake
from analysis.reports.asking import answer
from analysis.reports.question import Question
from analysis.reports.report import load
from analysis.reports.window import Window
from analysis.reports.zone import zone_of
from analysis.table import Table
from tests.analysis.test_report import check_groups
from tests.analysis.writing import made_up_rows, to_parquet

# Clocks of 2026 go forward and back: in Berlin on 03-29 and 10-25, in New York on 03-08 and 11-01, and by half an hour on Lord Howe
# Island on 10-04 and 04-05, each at some hour of UTC; on Lord Howe on the evening before.
AROUND_CHANGES = tuple(
    datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 7), (3, 28), (4, 4), (10, 3), (10, 24), (10, 31))
)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[RequestRow]]:
    """Calls every seven minutes for three days around each change of the clocks."""
    data = tmp_path_factory.mktemp("changes")
    row = made_up_rows(1)[0]
    rows = [
        replace(
            row,
            request_id=f"0199f000-0000-7000-8000-{number:012x}",
            started_at=start + timedelta(minutes=7 * (number % 600)),
        )
        for number, start in enumerate(start for start in AROUND_CHANGES for _ in range(600))
    ]
    to_parquet(data, rows, 1)
    return data, rows


def hour_of(local: datetime) -> datetime:
    """When the hour of a moment begins, in UTC: at the full hour of the clock, or where the clock was changed within it."""
    moment = local.astimezone(UTC)
    begun = moment
    while (earlier := begun - timedelta(minutes=1)).astimezone(local.tzinfo).utcoffset() == local.utcoffset() and (
        begun.astimezone(local.tzinfo).minute
    ):
        begun = earlier
    return begun.replace(tzinfo=None)


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize(
    ("dimension", "of_local"),
    [
        ("day", lambda local: local.date()),
        ("week", lambda local: monday(local.date())),
        ("month", lambda local: f"{local:%Y-%m}"),
        ("hour", hour_of),
    ],
)
def test_periods_are_those_of_the_zone(
    calls: tuple[Path, list[RequestRow]], zone: str, dimension: str, of_local: Callable[[datetime], Any]
) -> None:
    data, rows = calls
    window = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), zone_of(zone))

    def question(connection: Connection) -> Table:
        return answer(connection, Question(report=load("costs"), window=window, by=(dimension,), limit=0))

    found = list(Lake(data).ask(question).records())
    check_groups(found, rows, [dimension], lambda row: (of_local(row.started_at.astimezone(ZoneInfo(zone))),))
    assert [row[dimension] for row in found] == sorted(row[dimension] for row in found)


def test_a_table_has_the_times_of_the_zone_and_json_those_of_utc(data: Path) -> None:
    asked = ["requests", "--data", str(data), "--since", "2026-11", "--limit", "1", "--tz", "Asia/Kolkata"]
    table = CliRunner(env={"COLUMNS": "200"}).invoke(report_command, asked)
    assert "2026-11-21 05:22:48" in table.stdout
    assert "since 2026-11-01, Asia/Kolkata" in table.stdout
    assert json.loads(CliRunner(env={"COLUMNS": "200"}).invoke(report_command, [*asked, "--json"]).stdout)[0][
        "started_at"
    ] == ("2026-11-20T23:52:48Z")


def summary(data: Path, *arguments: str) -> list[dict[str, Any]]:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(
        report_command, ["summary", "--data", str(data), "--json", *arguments]
    )
    assert done.exit_code == 0, done.output
    return list(json.loads(done.stdout))


def test_the_summary_sums_this_period_and_the_one_before(data: Path, rows: list[RequestRow]) -> None:
    found = summary(data, "--since", "2026-11-20", "--until", "2026-11-21", "--limit", "0")
    days = {day: [row for row in rows if row.started_at.day == day and row.started_at.month == 11] for day in (19, 20)}
    (total,) = [row for row in found if row["part"] == "total"]
    for prefix, day in (("", 20), ("before_", 19)):
        of_day = days[day]
        assert total[f"{prefix}calls"] == len(of_day)
        assert total[f"{prefix}errors"] == sum(row.error_type is not None for row in of_day)
        assert total[f"{prefix}cost_usd"] == pytest.approx(sum(row.cost_nanousd or 0 for row in of_day) / 1e9)
        assert total[f"{prefix}unpriced"] == sum(row.cost_nanousd is None for row in of_day)
        assert total[f"{prefix}output_tokens"] == sum(row.output_tokens or 0 for row in of_day)
    for part in ("model", "user"):
        of_part = [row for row in found if row["part"] == part]
        assert sum(row["calls"] for row in of_part) == total["calls"]
        assert {row["of"] for row in of_part} == {len(of_part)}


def test_the_summary_is_a_page_with_what_there_is_to_know(data: Path) -> None:
    asked = ["summary", "--data", str(data), "--since", "2026-11-20", "--until", "2026-11-21", "--limit", "2"]
    page = CliRunner(env={"COLUMNS": "200"}).invoke(report_command, asked).stdout
    assert "2026-11-20 to 2026-11-21  2026-11-19 to 2026-11-20  change" in page
    assert "and 2 more, see `heliograph report models`" in page
    assert "(no user)" in page
    assert "without a price" in page


def test_the_summary_of_a_first_period_has_nothing_to_compare_with(tmp_path: Path) -> None:
    to_parquet(tmp_path, made_up_rows(10), 1)
    (total, *_) = summary(tmp_path, "--since", "2026-11-01", "--until", "2026-11-30")
    assert (total["calls"], total["before_calls"], total["before_cost_usd"]) == (10, 0, None)
    asked = ["summary", "--data", str(tmp_path), "--since", "2026-11-01", "--until", "2026-11-30"]
    (cost,) = [
        line
        for line in CliRunner(env={"COLUMNS": "200"}).invoke(report_command, asked).stdout.splitlines()
        if line[:5] == "cost "
    ]
    assert cost.split()[2:] == ["-", "-"]
