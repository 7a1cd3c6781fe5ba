"""Reports that people keep in files, and the list of all reports."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from addon.commands.report import report
from analysis.reports.report import REPORTS, STANDING
from analysis.reports.shelf import read_shelf
from tests.analysis.writing import made_up_rows, to_parquet

SPEND = """-- What does each host cost?
select
    host, -- by
    count(*) as calls,
    sum(cost_nanousd) / 1e9 as cost_usd
from calls
group by all
order by cost_usd desc
limit getvariable('most');
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with calls and a report of its own."""
    to_parquet(tmp_path, made_up_rows(60), 1)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "hosts.sql").write_text(SPEND)
    return tmp_path


def heliograph_report(data: Path, *arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(report, ["--data", str(data), *arguments])


def rows_of(data: Path, *arguments: str) -> list[dict[str, Any]]:
    done = heliograph_report(data, *arguments, "--since", "2026-11-19", "--until", "2026-11-21", "--json")
    assert done.exit_code == 0, done.output
    return list(json.loads(done.stdout))


def test_a_file_in_the_data_folder_is_a_report_with_all_options(folder: Path) -> None:
    assert {row["host"] for row in rows_of(folder, "hosts")} == {"api.openai.com", "api.anthropic.com"}
    found = rows_of(
        folder, "hosts", "--by", "model", "--every", "day", "--where", "user_id = 'ann'", "--compare", "previous"
    )
    assert list(found[0])[:4] == ["day", "before_day", "model", "calls"]
    assert len(rows_of(folder, "hosts", "--limit", "1")) == 1


def test_a_folder_of_files_is_named_by_an_option(folder: Path, tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.mkdir()
    (others / "count.sql").write_text("select count(*) as calls from calls")
    assert rows_of(folder, "count", "--sql-dir", str(others)) == [{"calls": 60}]


def test_the_list_says_what_each_report_takes(folder: Path) -> None:
    (folder / "reports" / "costs.sql").write_text(SPEND)
    listed = heliograph_report(folder, "--list", "--json")
    by_name = {row["name"]: row for row in json.loads(listed.stdout)}
    assert set(by_name) == {*REPORTS, *STANDING, "hosts"}
    assert by_name["costs"]["by"] == ["day"]
    assert by_name["hosts"]["question"] == "What does each host cost?"
    assert by_name["hosts"]["file"] == str(folder / "reports" / "hosts.sql")
    assert by_name["models"]["options"] == ["--by", "--every", "--where", "--compare"]
    assert by_name["requests"]["options"] == ["--where"]
    assert by_name["budgets"]["options"] == []
    assert "costs is a report of heliograph; give the file another name" in listed.stderr
    table = heliograph_report(folder, "--list").stdout
    assert "What does each host cost?" in table
    assert len(heliograph_report(folder, "--list", "--csv").stdout.splitlines()) == len(by_name) + 1


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "empty"),
        ("select nix from calls", 'Referenced column "nix" not found'),
        ("selec 1", "syntax error"),
        ("select 1; select 2", "one statement at a time"),
        ("delete from calls", "DELETE is not allowed"),
        ("copy (select 1) to 'here.csv'", "COPY is not allowed"),
        ("with x as (copy (select 1) to 'DATA/lake/here.csv') from x", "not allowed"),
        ("from read_csv('/etc/passwd')", "file system operations are disabled"),
        ("select cast(model as int) from calls", "Could not convert string"),
    ],
)
def test_a_file_that_is_not_a_question_is_wrong_usage(folder: Path, sql: str, message: str) -> None:
    (folder / "reports" / "mine.sql").write_text(sql.replace("DATA", str(folder)))
    done = heliograph_report(folder, "mine", "--since", "2026-11-19")
    assert done.exit_code == 2
    assert message in done.stderr
    assert str(folder / "reports" / "mine.sql") in done.stderr
    assert done.stdout == ""


def test_files_that_cannot_be_read_are_told_when_they_are_asked(folder: Path) -> None:
    kept = folder / "reports"
    (kept / "latin.sql").write_bytes(b"-- caf\xe9\nselect 1")
    (kept / "folder.sql").mkdir()
    (kept / "long.sql").write_bytes(b"-" * (2**20 + 1))
    os.mkfifo(kept / "pipe.sql")
    (kept / "gone.sql").symlink_to(kept / "nowhere")
    messages = {
        "latin": "not UTF-8 text",
        "folder": "not a regular file",
        "long": "longer than 1 MiB",
        "pipe": "not a regular file",
        "gone": "not a regular file",
    }
    for name, message in messages.items():
        done = heliograph_report(folder, name)
        assert (done.exit_code, message in done.stderr) == (2, True), name
    assert set(read_shelf(folder).problems) == set(messages)


def test_a_folder_that_is_not_there_is_wrong_usage(folder: Path) -> None:
    done = heliograph_report(folder, "--sql-dir", str(folder / "none"))
    assert done.exit_code == 2
    assert "No such file or directory" in done.stderr


def test_a_report_that_does_not_tell_its_rows_apart_cannot_be_compared(folder: Path) -> None:
    (folder / "reports" / "twice.sql").write_text(SPEND.replace("count(*) as calls", "status, count(*) as calls"))
    asked = ("twice", "--since", "2026-11-20", "--until", "2026-11-21", "--compare", "previous")
    done = heliograph_report(folder, *asked)
    assert done.exit_code == 2
    assert "end the lines of the columns that tell them apart with -- key" in done.stderr
    (folder / "reports" / "twice.sql").write_text(
        SPEND.replace("count(*) as calls", "status, -- key\n    count(*) as calls")
    )
    assert heliograph_report(folder, *asked).exit_code == 0
