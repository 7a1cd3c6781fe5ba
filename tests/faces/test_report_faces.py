"""The faces of `heliograph report` as a person types them."""

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from addon.commands.report import report
from addon.storage.record import RequestRow
from tests.analysis.writing import made_up_rows, settle

HOSTILE = "<script>alert('x')</script>"
SINCE = ("--since", "2026-11-01", "--tz", "UTC")


def heliograph_report(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(report, ["--data", str(data), *arguments])


def test_a_plot_in_the_terminal_has_no_colours_where_nobody_looks(data: Path) -> None:
    result = heliograph_report(data, "costs", "--by", "day,model", "--plot", *SINCE)
    assert result.exit_code == 0, result.output
    assert "What did the calls cost, by day and model?" in result.stdout
    assert "█ claude-sonnet-4-5 $" in result.stdout
    assert "400 calls" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(
    ("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.HTML", b"<!doctype html>")]
)
def test_the_ending_of_a_file_chooses_the_picture(data: Path, tmp_path: Path, name: str, begins: bytes) -> None:
    result = heliograph_report(data, "models", "--plot", "-o", str(tmp_path / name), *SINCE)
    assert result.exit_code == 0, result.output
    assert (tmp_path / name).read_bytes().startswith(begins)
    again = heliograph_report(data, "models", "--plot", "-o", str(tmp_path / name), *SINCE)
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)


def test_a_page_has_every_report_and_runs_nothing_of_a_caller(tmp_path: Path) -> None:
    rows: list[RequestRow] = [replace(row, user_id=HOSTILE, response_model=HOSTILE) for row in made_up_rows(40)]
    settle(tmp_path / "data", rows, 1)
    (tmp_path / "data").chmod(0o700)
    page = tmp_path / "page.html"
    result = heliograph_report(tmp_path / "data", "costs", "users", "models", "--html", str(page), *SINCE)
    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert all(f'<section id="{name}"' in text for name in ("costs", "users", "models"))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"""(src|href)=["'](?!#)|url\((?!#)|@import""", text)
    weekly = tmp_path / "weekly.html"
    assert heliograph_report(tmp_path / "data", "weekly", "--html", str(weekly), *SINCE).exit_code == 0
    assert "<script" not in weekly.read_text()


def test_a_report_keeps_its_types_in_parquet_also_beside_the_period_before(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "costs.parquet"
    result = heliograph_report(data, "costs", "--compare", "previous", "--parquet", str(target), *SINCE)
    assert result.exit_code == 0, result.output
    schema = pq.read_schema(target)
    assert schema.field("day").type == pa.date32()
    assert schema.field("calls").type == pa.int64()
    assert schema.field("before_cost_usd").type == pa.float64()  # nothing is known of the period before


def test_weekly_is_read_in_the_terminal(data: Path) -> None:
    result = heliograph_report(data, "weekly", "--since", "2026-11-20", "--until", "2026-11-21", "--tz", "UTC")
    assert result.exit_code == 0, result.output
    assert "against 2026-11-19 to 2026-11-20, UTC" in result.stdout
    for fact in ("Spend", "Calls", "Errors", "Median answer", "Saved by the cache", "model", "user"):
        assert re.search(rf"^{fact} ", result.stdout, re.MULTILINE), fact


def test_weekly_says_so_where_a_week_has_no_calls(data: Path) -> None:
    result = heliograph_report(data, "weekly", "--since", "2020-01-06", "--until", "2020-01-13", "--tz", "UTC")
    assert result.exit_code == 0, result.output
    assert re.search(r"^Calls +0 +0 ", result.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--plot", "-o", "x.pdf"), "a picture is a .png, .svg or .html file"),
        (("-o", "x.png"), "is for --plot"),
        (("--json", "--html", "x.html"), "--json and --html: choose one"),
        (("--watch",), "--watch renews a terminal, and standard output is none"),
        (("--watch", "--csv"), "does not go with --csv"),
        (("costs", "models", "--parquet", "x.parquet"), "one report at a time"),
        (("budgets", "--plot"), "does not take --plot"),
        (("summary", "--plot"), "has several parts"),
    ],
)
def test_wrong_usage_says_what_would_be_right(data: Path, arguments: tuple[str, ...], says: str) -> None:
    result = heliograph_report(data, *arguments)
    assert (result.exit_code, says in result.stderr) == (2, True), result.output
