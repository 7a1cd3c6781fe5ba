"""`heliograph feedback` as a person types it, with a settler at work and without."""

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from addon.commands.feedback import feedback
from addon.ids import uuid7
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.lake import visible_files
from analysis.lake import Lake
from analysis.table import fetch
from tests.storage.calls import call_start, journal_call

UNKNOWN = "0199f000-0000-7000-8000-00000000002a"
SCORES = "select name, value from scores order by name"


def heliograph(data: Path, *arguments: str, shell: str = "exec") -> subprocess.CompletedProcess[str]:
    """Runs the command; `shell` is what comes before it in a shell's line."""
    command = [str(Path(sys.executable).with_name("heliograph")), "feedback", *arguments, "--data", str(data)]
    line = f"{shell} {shlex.join(command)}"
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=120)


def rows(data: Path, statement: str) -> list[tuple[Any, ...]]:
    return list(Lake(data).ask(lambda connection: fetch(connection, statement)).rows)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Journal]:
    """What stands for a proxy: its journal."""
    journal = Journal(Folders(tmp_path).journal)
    journal.open()
    yield journal
    journal.close()


def test_without_a_proxy_it_is_in_the_lake_when_the_command_ends(tmp_path: Path, proxy: Journal) -> None:
    call_id = uuid7()
    journal_call(proxy, call_id)
    proxy.close()  # and nobody has settled it
    said = heliograph(tmp_path, call_id.upper(), "up", "--score", "accuracy=0.25", "--score", "polite = true")
    assert (said.returncode, said.stdout) == (0, ""), said.stderr
    assert f"kept for call {call_id}" in said.stderr
    assert rows(tmp_path, "select request_id, rating from feedback") == [(call_id, True)]
    assert rows(tmp_path, SCORES) == [("accuracy", 0.25), ("helicone-score-feedback", 1.0), ("polite", 1.0)]
    assert visible_files(tmp_path, "scores").parquet, "it does not wait in the journal"

    assert heliograph(tmp_path, call_id, "down", "--score", "accuracy=1e-3").returncode == 0
    assert heliograph(tmp_path, call_id, "--property", "Stage=a=b", "--property", "empty=").returncode == 0
    assert rows(tmp_path, SCORES) == [("accuracy", 0.001), ("helicone-score-feedback", 0.0), ("polite", 1.0)]
    assert rows(tmp_path, "select properties from requests") == [({"feature": "test", "stage": "a=b", "empty": ""},)]


def test_beside_a_proxy_its_settler_does_the_work(tmp_path: Path, proxy: Journal) -> None:
    call_id = uuid7()
    proxy.start(call_id, call_start(call_id))  # still under way
    command = [sys.executable, "-m", "addon.settling.process", "--data", str(tmp_path), "--run", proxy.run]
    settler = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        said = heliograph(tmp_path, call_id, "up")
        assert said.returncode == 0, said.stderr
        deadline = time.monotonic() + 30
        while rows(tmp_path, "select request_id, rating from feedback") != [(call_id, True)]:
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)
    finally:
        proxy.close()
        settler.communicate(timeout=60)
    assert rows(tmp_path, "select request_id, rating from feedback") == [(call_id, True)]


@pytest.mark.parametrize("request_id", [UNKNOWN, "no-uuid", "../../etc", "'"])
def test_an_unknown_call_is_exit_1_and_nothing_is_written(tmp_path: Path, request_id: str) -> None:
    data = tmp_path / "data"
    said = heliograph(data, request_id, "up")
    assert (said.returncode, said.stdout) == (1, "")
    assert f"no call has the id {request_id}; `heliograph report requests` shows the latest" in said.stderr
    assert not data.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'ID'"),
        ((UNKNOWN,), "say something of the call: up or down"),
        ((UNKNOWN, "great"), "'great' is not one of 'up', 'down'"),
        ((UNKNOWN, "--score", "accuracy"), "--score accuracy: write NAME=VALUE"),
        ((UNKNOWN, "--score", "=1"), "--score =1: write NAME=VALUE"),
        ((UNKNOWN, "--score", "accuracy=good"), "scores.accuracy: is 'good', write a number, true or false"),
        ((UNKNOWN, "--score", "accuracy=nan"), "scores.accuracy: is nan, which is not a finite number"),
        ((UNKNOWN, "--score", "accuracy=1e999"), "is not a finite number"),
        ((UNKNOWN, "up", "--property", "x" * 257 + "=1"), "has 257 characters, 256 are allowed"),
    ],
)
def test_wrong_usage_is_exit_2_and_says_what_is_allowed(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = CliRunner().invoke(feedback, [*arguments, "--data", str(tmp_path / "data")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "data").exists()


def test_a_mistake_in_the_settings_does_not_refuse_feedback(tmp_path: Path, proxy: Journal) -> None:
    call_id = uuid7()
    journal_call(proxy, call_id)
    (tmp_path / "heliograph.toml").write_text('[[prices]]\nprovider = "vllm"\n')
    result = CliRunner().invoke(feedback, [call_id, "up", "--data", str(tmp_path)])
    assert result.exit_code == 0
    assert "prices[0].model" in result.stderr


def test_a_disk_that_takes_nothing_is_exit_1(tmp_path: Path, proxy: Journal) -> None:
    call_id = uuid7()
    journal_call(proxy, call_id)
    said = heliograph(tmp_path, call_id, "up", shell="ulimit -f 0; exec")
    assert (said.returncode, said.stdout) == (1, "")
    assert "cannot be written: is the disk full" in said.stderr
    assert rows(tmp_path, "from feedback") == []


def test_every_example_of_the_help_works(tmp_path: Path, proxy: Journal) -> None:
    journal_call(proxy, UNKNOWN)
    proxy.close()
    text = CliRunner().invoke(feedback, ["--help"]).output
    examples = [line.strip() for line in text.splitlines() if line.strip().startswith("heliograph feedback")]
    assert len(examples) == 3
    for example in examples:
        result = CliRunner().invoke(feedback, [*shlex.split(example)[2:], "--data", str(tmp_path)])
        assert result.exit_code == 0, result.output
    assert rows(tmp_path, SCORES) == [("accuracy", 0.25), ("helicone-score-feedback", 0.0), ("polite", 1.0)]
