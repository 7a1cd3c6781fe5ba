"""Every command's help, and the systems that heliograph runs on."""

import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from addon.commands.cli import main
from addon.commands.options import unsupported


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command: ("up",), ("keys", "add"), ..."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("words", list(commands(main)), ids=" ".join)
def test_the_help_of_every_command_ends_with_two_examples_of_it(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*words, "--help"])
    assert shown.exit_code == 0
    examples = shown.stdout.rpartition("Examples:")[2].strip().splitlines()
    assert len(examples) >= 2
    assert all(f"heliograph {' '.join(words)}" in example for example in examples)


@pytest.mark.parametrize("words", [(), *commands(main)], ids=" ".join)
def test_each_example_of_a_help_is_a_command_line_that_works(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*words, "--help"]).stdout.rpartition("Examples:")[2].strip().splitlines()
    for example in shown:
        for typed in heliograph_commands(example):
            parse(main, typed[1:])


def heliograph_commands(example: str) -> Iterator[list[str]]:
    """The words of each `heliograph ...` in a line of a shell, without the explanation that may follow it."""
    inner = example.replace('eval "$(', "").replace(')"', "") if example.startswith("eval") else example
    words = shlex.shlex(re.split(r" {3,}", inner)[0], posix=True, punctuation_chars="|;>")
    words.whitespace_split = True
    for is_mark, group in itertools.groupby(words, lambda word: set(word) <= set("|;>")):
        typed = list(group)
        if not is_mark and typed[0] == "heliograph":
            yield typed


def parse(command: click.Command, words: list[str]) -> None:
    """Fails where a command, an option or a value does not exist."""
    while isinstance(command, click.Group):
        context = click.Context(command)
        command.parse_args(context, words)  # a group may put a command of its own first
        _, found, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found
        command = found
    command.make_context(command.name, words)


@pytest.mark.parametrize(("platform", "runs"), [("linux", True), ("darwin", True), ("win32", False), ("cygwin", False)])
def test_windows_is_supported_by_wsl_only(platform: str, runs: bool) -> None:
    assert (unsupported(platform) is None) == runs


def test_on_windows_every_command_says_so_in_one_sentence() -> None:
    """Windows has no fcntl: the commands must load without it."""
    program = (
        "import sys; sys.modules['fcntl'] = None; from addon.commands.cli import main; sys.platform = 'win32';"
        "main(['up'])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: heliograph runs on Linux and macOS; on Windows use it inside WSL")
    assert ended.stderr.count("\n") == 1


def test_the_help_loads_neither_the_proxy_nor_the_database() -> None:
    program = (
        "import sys; from addon.commands.cli import main; main(['--help'], standalone_mode=False);"
        "print([name for name in ('mitmproxy', 'cryptography', 'duckdb', 'pydantic') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
