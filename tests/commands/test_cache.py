"""`heliograph cache` as a person types it."""

import json
import shlex
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from addon.caching.sqlite_store import SqliteCache
from addon.commands.cache import cache
from addon.storage.folders import Folders
from tests.caching.answers import answer


def heliograph(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cache, [*arguments, "--data", str(data)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    store = SqliteCache(Folders(tmp_path).cache)
    now = time.time()
    for number, (seed, model, age_s) in enumerate([("a", "m", 0), ("b", "m", 0), (None, "n", 8 * 86400)]):
        stored = answer(model=model)
        assert store.put([str(number)], stored, now=now - age_s, max_age_s=30 * 86400, seed=seed)
    store.close()
    return tmp_path


def entries(data: Path) -> int:
    return int(json.loads(heliograph(data, "stats", "--json").stdout)["entries"])


def test_stats_tell_how_much_there_is_and_how_old(data: Path) -> None:
    table = heliograph(data, "stats")
    assert table.exit_code == 0
    assert table.stdout.splitlines()[0] == "entries           3"
    facts = json.loads(heliograph(data, "stats", "--json").stdout)
    assert (facts["entries"], facts["max_bytes"]) == (3, 2**30)
    assert facts["oldest_stored_at"] < facts["newest_stored_at"]


def test_stats_of_no_cache_are_none(tmp_path: Path) -> None:
    assert heliograph(tmp_path, "stats").stdout.splitlines()[-1] == "newest_stored_at  -"
    assert heliograph(tmp_path, "clear").stdout == "0 answers removed\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ((), 0),
        (("--seed", "a"), 2),
        (("--model", "m"), 1),
        (("--older-than", "7d"), 2),
        (("--older-than", "2w"), 3),
        (("--model", "m", "--older-than", "7d"), 3),
    ],
)
def test_clear_removes_what_it_is_told_to(data: Path, options: tuple[str, ...], left: int) -> None:
    assert heliograph(data, "clear", *options).stdout == f"{3 - left} answers removed\n"
    assert entries(data) == left


def test_clear_tells_a_program_as_well(data: Path) -> None:
    assert json.loads(heliograph(data, "clear", "--json").stdout) == {"removed": 3}


def test_a_span_that_is_none_is_wrong_usage_and_removes_nothing(data: Path) -> None:
    result = heliograph(data, "clear", "--older-than", "soon")
    assert result.exit_code == 2
    assert "write 90s, 30m, 24h, 7d or 4w" in result.stderr
    assert entries(data) == 3


def test_a_broken_file_is_a_failure_that_says_what_to_do(tmp_path: Path) -> None:
    Folders(tmp_path).cache.write_bytes(b"no database" * 1000)
    result = heliograph(tmp_path, "stats")
    assert result.exit_code == 1
    assert "it is only a cache" in result.stderr


def test_every_example_of_the_help_works(data: Path) -> None:
    for verb in ("stats", "clear"):
        text = CliRunner().invoke(cache, [verb, "--help"]).output
        examples = [line.strip() for line in text.splitlines() if "heliograph cache" in line]
        assert examples
        for example in examples:
            assert heliograph(data, *shlex.split(example)[2:]).exit_code == 0
