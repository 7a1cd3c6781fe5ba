import re
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from addon.commands.cli import main
from addon.commands.compact import compact_folder
from addon.settling.compact import Busy, only_merger, planned
from addon.settling.merge import GRACE_S
from addon.storage.folders import Folders, tried_lock
from analysis.health.data_folder import data_findings
from analysis.lake import Lake
from tests.analysis.writing import made_up_rows, settle, to_parquet


def fill(data: Path) -> None:
    """Two days: two Parquet files of each table and day, and lines that are not Parquet yet."""
    rows = made_up_rows()
    to_parquet(data, rows[::2], 1)
    to_parquet(data, rows[1::2], 2)
    settle(data, rows[:10], 3)


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def now(self) -> float:
        return time.time() + sum(self.waited)

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)


def counts(data: Path) -> list[tuple[int, ...]]:
    with Lake(data).connect() as connection:
        return connection.sql("""
            select count(*), count(distinct request_id), cast(sum(cost_nanousd) as bigint),
                (select count(*) from bodies)
            from requests
        """).fetchall()


def test_each_day_of_each_table_becomes_one_file_and_every_call_is_still_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path)
    before, clock = counts(tmp_path), Clock()
    compact_folder(tmp_path, clock.now, clock.wait)
    assert counts(tmp_path) == before
    assert "8 files of 2 days became 4: " in capsys.readouterr().out
    assert len(list(tmp_path.glob("lake/*/*/*"))) == 4, "the replaced files and the notes are gone"
    assert GRACE_S <= sum(clock.waited) < GRACE_S + 2


def test_what_is_merged_already_is_left_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    clock = Clock()
    compact_folder(tmp_path, clock.now, clock.wait)
    again = CliRunner().invoke(main, ["compact", "--data", str(tmp_path)])
    assert (again.exit_code, again.stdout) == (0, "nothing to merge: each day of each table is one file\n")


def test_a_folder_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    ended = CliRunner().invoke(main, ["compact", "--data", str(tmp_path / "typo")])
    assert ended.exit_code == 1 and "does not exist" in ended.stderr
    assert not (tmp_path / "typo").exists()


def test_a_damaged_file_is_named_and_other_days_are_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path)
    damaged = min(tmp_path.glob("lake/requests/*/*.parquet"))
    content = bytearray(damaged.read_bytes())
    content[10:300] = b"\xff" * 290
    damaged.write_bytes(content)
    clock = Clock()
    with pytest.raises(click.ClickException, match=f"{damaged.parent}: cannot be merged"):
        compact_folder(tmp_path, clock.now, clock.wait)
    assert damaged.exists()
    assert [merge.day.isoformat() for merge in planned(Folders(tmp_path))] == [damaged.parent.name[5:]]


def test_nobody_else_merges_meanwhile(tmp_path: Path) -> None:
    with tried_lock(Folders(tmp_path).merge_lock), pytest.raises(Busy), only_merger(Folders(tmp_path), patience_s=0):
        pass


def test_the_doctor_says_what_each_table_takes_and_its_largest_days(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    fill(tmp_path)
    said = {finding.subject: finding.says for finding in data_findings(tmp_path, None)}
    assert re.fullmatch(
        r"[\d.]+ kB in 4 files; largest days: 2026-11-20 [\d.]+ kB, 2026-11-19 [\d.]+ kB", said["requests"]
    )
    assert "bodies" in said and "scores" not in said
