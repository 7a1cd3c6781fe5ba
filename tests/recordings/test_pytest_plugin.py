"""The fixture `heliograph_replay`, in pytest runs of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

from addon.demo.providers import FakeProviders
from tests.proxy.conftest import environment

TESTS = """
import os, subprocess, sys
import pytest
from openai import BadRequestError, OpenAI

HELLO = [{"role": "user", "content": "Hello"}]

def ask(**options):
    return OpenAI(api_key="none", **options).chat.completions.create(model="gpt-4o-mini", messages=HELLO).choices[0].message.content

def test_by_the_variables(heliograph_replay):
    assert "Hello" in ask()

@pytest.mark.heliograph("shared", strict=True)
def test_by_base_url(heliograph_replay):
    assert "Hello" in ask(base_url=heliograph_replay.base_url())

@pytest.mark.parametrize("name", ["a/b"])
def test_a_program(heliograph_replay, name):
    program = "from openai import OpenAI; print(OpenAI(api_key='none').models)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
"""
MORE = """
from test_calls import ask, HELLO
import pytest
from openai import BadRequestError, OpenAI

def test_without_a_recording(heliograph_replay):
    pass

@pytest.mark.heliograph("shared")
def test_with_another_question(heliograph_replay):
    with pytest.raises(BadRequestError):
        OpenAI(api_key="none").chat.completions.create(model="gpt-4o", messages=HELLO)

@pytest.mark.heliograph("shared", strict=True)
def test_without_its_call(heliograph_replay):
    pass

@pytest.mark.heliograph("shared", sped=1)
def test_with_a_misspelled_option(heliograph_replay):
    pass
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tests")


def run(folder: Path, *arguments: str) -> str:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:schemathesis",
        "-W",
        "ignore",
        *arguments,
    ]
    variables = environment(HELIOGRAPH_DATA=str(folder / "data"))
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=variables).stdout


def test_tests_are_recorded_once_and_then_pass_without_a_provider(folder: Path) -> None:
    (folder / "pytest.ini").write_text("[pytest]\nheliograph_config = heliograph.toml\naddopts = --strict-markers\n")
    (folder / "test_calls.py").write_text(TESTS)
    with FakeProviders() as provider:
        (folder / "heliograph.toml").write_text(f'[upstreams]\nopenai = "{provider.url}"\n')
        recorded = run(folder, "--heliograph-record", "test_calls.py")
        assert provider.hits == 2, recorded
    assert "3 passed" in recorded
    made = sorted(str(file.relative_to(folder)) for file in (folder / "recordings").rglob("*.jsonl"))
    assert made == ["recordings/shared.jsonl", "recordings/test_calls/test_by_the_variables.jsonl"]
    replayed = run(folder, "test_calls.py", "-k", "not program")
    assert "2 passed" in replayed, replayed
    assert (folder / "data" / "lake").is_dir()  # of the calls that were sent, and cost money


def test_what_a_recording_does_not_have_fails_the_test_in_words(folder: Path) -> None:
    (folder / "test_more.py").write_text(MORE)
    said = run(folder, "test_more.py")
    assert "test_without_a_recording.jsonl: no such recording; make it with pytest --heliograph-record" in said
    assert 'model: recorded "gpt-4o-mini", now "gpt-4o"' in said
    assert "1 of 1 recorded calls were not made: 1" in said
    assert "pytest.mark.heliograph: sped: there are speed and strict" in said
    assert "2 passed, 4 errors" in said
