"""The settler as the proxy starts it: a child process on a lifeline."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from addon.config.settings import ConfigError
from addon.settling.process import settle_leftovers, unsettled_segments
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from tests.storage.calls import ids, journal_call, stored
from tests.waiting import wait_for


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(Folders(tmp_path).journal)
    journal.open()
    yield journal
    journal.close()


def start_settler(data: Path, run: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "addon.settling.process", "--data", str(data), "--run", run]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def stop(settler: subprocess.Popen[bytes]) -> str:
    """Lets the lifeline go; returns what the settler said."""
    _, said = settler.communicate(timeout=60)
    assert settler.returncode == 0, said
    return said.decode()


def test_rows_are_visible_while_the_proxy_runs_and_parquet_when_it_has_gone(tmp_path: Path, journal: Journal) -> None:
    settler = start_settler(tmp_path, journal.run)
    journal_call(journal, "a")
    wait_for(lambda: ids(tmp_path) == ["a"])
    assert settler.poll() is None
    journal_call(journal, "b")
    journal.close()
    assert stop(settler) == ""
    assert ids(tmp_path) == ids(tmp_path, "bodies") == ["a", "b"]
    assert not unsettled_segments(Folders(tmp_path))
    assert not list(Folders(tmp_path).journal.glob("*.jsonl"))


def test_of_two_settlers_one_works_and_the_other_goes_on_when_it_is_killed(tmp_path: Path, journal: Journal) -> None:
    other = Journal(journal.folder)
    other.open()
    first = start_settler(tmp_path, journal.run)
    journal_call(journal, "a")
    wait_for(lambda: ids(tmp_path) == ["a"])
    second = start_settler(tmp_path, other.run)
    journal_call(other, "b")
    wait_for(lambda: ids(tmp_path) == ["a", "b"])
    first.kill()
    journal_call(journal, "c")
    wait_for(lambda: ids(tmp_path) == ["a", "b", "c"])
    journal.close()
    other.close()
    first.communicate()
    assert stop(second) == ""
    assert ids(tmp_path) == ["a", "b", "c"]


def test_a_settler_whose_run_was_settled_by_another_ends(tmp_path: Path, journal: Journal) -> None:
    other = Journal(journal.folder)
    other.open()
    first = start_settler(tmp_path, journal.run)
    journal_call(other, "a")
    wait_for(lambda: ids(tmp_path) == ["a"])
    second = start_settler(tmp_path, other.run)
    other.close()
    assert stop(second) == ""
    assert first.poll() is None
    journal.close()
    assert stop(first) == ""


WRONG: Final = {
    "one wrong price": '[[prices]]\nprovider = "vllm"\n',
    "a file that is not TOML": "[[prices]\n",
    "a wrong budget": "[[budgets]]\nusd = -1\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_config_that_was_broken_while_the_proxy_ran_is_named_once_and_stops_no_row(
    tmp_path: Path, journal: Journal, text: str
) -> None:
    config = tmp_path / "heliograph.toml"
    config.write_text(text)
    journal_call(journal, "a")
    settler = start_settler(tmp_path, journal.run)
    wait_for(lambda: ids(tmp_path) == ["a"])
    journal_call(journal, "b")
    wait_for(lambda: ids(tmp_path) == ["a", "b"])
    journal.close()
    said = stop(settler)
    assert str(config) in said and said.count("rows are made without what is wrong") == 1


def test_rows_on_request_are_not_made_with_wrong_prices(tmp_path: Path, journal: Journal) -> None:
    (tmp_path / "heliograph.toml").write_text(WRONG["one wrong price"])
    journal_call(journal, "a")
    journal.close()
    with pytest.raises(ConfigError, match=r"prices\[0\].model"):
        settle_leftovers(tmp_path)
    assert ids(tmp_path) == []


def test_what_a_dead_proxy_left_is_settled_on_request(tmp_path: Path, journal: Journal) -> None:
    assert settle_leftovers(tmp_path) == 0, "the run lives and has no calls"
    journal_call(journal, "a")
    journal.close()
    assert settle_leftovers(tmp_path) == 1
    assert settle_leftovers(tmp_path) == 0
    assert ids(tmp_path) == ["a"]


def test_leftovers_are_left_to_a_settler_at_work(tmp_path: Path, journal: Journal) -> None:
    settler = start_settler(tmp_path, journal.run)
    journal_call(journal, "a")
    wait_for(lambda: ids(tmp_path) == ["a"])
    assert settle_leftovers(tmp_path) == 0
    journal.close()
    stop(settler)
    assert [row["error_type"] for row in stored(tmp_path)] == [None]
