"""`python -m analysis`, and `from analysis import connect, report` for scripts and notebooks."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import analysis
from addon.commands.report import report as report_command
from addon.storage.record import RequestRow
from analysis.reports.report import REPORTS
from tests.analysis.writing import leave_in_journal, made_up_rows, to_parquet

SINCE: dict[str, Any] = {"since": "2026-11-19", "until": "2026-11-21", "tz": "UTC"}


def test_importing_it_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import analysis; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    added = set(done.stdout.split())
    assert "analysis" in added
    assert not {name.split(".")[0] for name in added} & {"addon", "duckdb", "pyarrow", "pandas", "polars", "numpy"}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_has_the_columns_of_the_command(data: Path, name: str) -> None:
    answer = analysis.report(name, data=data, **SINCE)
    asked = [name, "--data", str(data), "--since", "2026-11-19", "--until", "2026-11-21", "--tz", "UTC", "--limit", "0"]
    told = json.loads(CliRunner().invoke(report_command, [*asked, "--json"]).stdout)
    if name != "summary":  # the command adds the budgets
        assert len(answer.rows) == len(told)
        assert all(answer.columns == tuple(row) for row in told)


def test_an_answer_is_rows_arrow_pandas_and_polars(data: Path, rows: list[RequestRow]) -> None:
    answer = analysis.report("costs", by=["day", "user"], data=data, **SINCE)
    assert answer.columns[:2] == ("day", "user")
    assert isinstance(answer.rows[0][0], date)
    calls = answer.columns.index("calls")
    assert sum(row[calls] for row in answer.rows) == len(rows)
    assert answer.arrow().column("calls").to_pylist() == [row[calls] for row in answer.rows]
    assert answer.pandas()["calls"].sum() == len(rows)
    assert answer.polars()["calls"].sum() == len(rows)


def test_an_answer_takes_the_options_of_the_command(data: Path, tmp_path: Path) -> None:
    found = analysis.report("models", every="day", where="user_id = 'ann'", compare="previous", data=data, **SINCE)
    assert found.columns[:2] == ("day", "before_day")
    (tmp_path / "mine.sql").write_text("select count(*) as calls from calls")
    assert analysis.report("mine", sql_dir=tmp_path, data=data, **SINCE).rows == [(400,)]
    assert len(analysis.report("users", limit=1, data=data, **SINCE).rows) == 1


def test_times_are_aware_and_properties_are_dicts(data: Path, rows: list[RequestRow]) -> None:
    newest = analysis.report("requests", limit=1, data=data, **SINCE)
    row = dict(zip(newest.columns, newest.rows[0], strict=True))
    assert row["started_at"] == rows[-1].started_at


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "usr"}, "did you mean 'user'"),
        ({"since": "yesterdya"}, "did you mean 'yesterday'"),
        ({"tz": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
        ({"where": "modle = 'x'"}, "did you mean 'model'"),
        ({"every": "dya"}, "did you mean 'day'"),
    ],
)
def test_wrong_options_raise_what_the_command_says(data: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        analysis.report("costs", data=data, **options)  # type: ignore[arg-type]
    assert message in str(raised.value)
    with pytest.raises(ValueError, match="did you mean 'costs'"):
        analysis.report("cost", data=data)


def test_a_library_that_is_missing_is_named(data: Path) -> None:
    code = f"""
import sys
sys.modules["pandas"] = None
import analysis
answer = analysis.report("costs", data={str(data)!r})
try:
    answer.pandas()
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "pandas is not installed here; install it (pandas), or take .arrow() or .rows\n"


def test_a_connection_has_the_views(tmp_path: Path) -> None:
    shift = datetime.now(UTC) - made_up_rows(1)[0].started_at
    to_parquet(tmp_path, [replace(row, started_at=row.started_at + shift * 0.999) for row in made_up_rows(20)], 1)
    with analysis.connect(tmp_path) as connection:
        assert connection.sql("select count(*) from requests").fetchall() == [(20,)]
        assert connection.sql("select count(*) from calls").fetchall() == [(20,)]
        assert len(connection.sql("select model, sum(cost_usd) from calls group by all").to_arrow_table()) > 1


def test_a_report_has_what_a_killed_proxy_left_in_the_journal(tmp_path: Path) -> None:
    leave_in_journal(tmp_path)
    answer = analysis.report("requests", data=tmp_path, since="2026-11-19", tz="UTC")
    row = dict(zip(answer.columns, answer.rows[0], strict=True))
    assert (len(answer.rows), row["status"], row["error_type"]) == (1, 503, "http_503")


def test_settings_with_a_mistake_are_a_warning(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "copy")
    (tmp_path / "copy" / "heliograph.toml").write_text("[[price]]\n")
    with pytest.warns(UserWarning, match="did you mean 'prices'"):
        answer = analysis.report("costs", data=tmp_path / "copy", **SINCE)
    assert answer.rows == analysis.report("costs", data=data, **SINCE).rows


def test_python_m_analysis_is_the_command(data: Path) -> None:
    asked = ["costs", "--by", "user_id", "--since", "2026-11-19", "--json", "--data", str(data)]
    done = subprocess.run([sys.executable, "-m", "analysis", *asked], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads(CliRunner().invoke(report_command, asked).stdout)
    wrong = subprocess.run([sys.executable, "-m", "analysis", "cost"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("Usage: python -m analysis ")
