"""Every snippet of the README and the pages under docs/ works as it stands."""

import io
import os
import re
import shlex
import shutil
import subprocess
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from addon.commands.cli import main
from addon.config.settings import load
from analysis.lake import Connection, Lake
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import EVER
from analysis.table import Table, fetch
from tests.command_lines import options_of
from tests.docs.conftest import Desk
from tests.docs.fences import PAGES, ROOT, Block, blocks, commands, sample_output, shape

BLOCKS: Final = [block for page in PAGES for block in blocks(page)]
# Commands that go on until Ctrl-C, wait a minute, or that other tests run as a whole: their options are checked.
PARSED_ONLY: Final = ("up", "demo", "fake", "dashboard", "compact")


def of(*languages: str, not_run: bool = False) -> pytest.MarkDecorator:
    """One test for each block in these languages."""
    chosen = [block for block in BLOCKS if block.language in languages and block.not_run is not_run]
    return pytest.mark.parametrize("block", chosen, ids=str)


def test_every_block_says_what_it_is() -> None:
    known = {"console", "sh", "python", "js", "toml", "sql", "text", "mermaid"}
    assert [str(block) for block in BLOCKS if block.language not in known] == []


@of("toml")
def test_settings_are_accepted(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "heliograph.toml"
    file.write_text(block.code)
    load(tmp_path, file)


@of("sql")
def test_sql_is_answered_from_the_views(block: Block, desk: Desk) -> None:
    def ask(connection: Connection) -> Table:
        open_scope(connection, Scope(EVER))
        return fetch(connection, block.code, {})

    table = Lake(desk.proxy.data).ask(ask)
    assert list(table.records()), block


@of("python")
def test_python_runs(block: Block, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, which has loaded the SDKs; the environment is that of a shell behind `heliograph env`."""
    for name, value in desk.variables(through_proxy=True).items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(desk.folder))
    monkeypatch.chdir(desk.folder)
    if block.info:
        (desk.folder / block.info).write_text(block.code)
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(desk.put_in(block.code), str(block), "exec"), {"__name__": "__main__"})
    if block.output is not None:
        assert out.getvalue() == block.output


@of("js")
def test_javascript_runs(block: Block, desk: Desk) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this machine")
    file = desk.folder / "snippet.mjs"
    file.write_text(desk.put_in(block.code))
    subprocess.run([node, file], cwd=desk.folder, env=desk.variables(), check=True, timeout=30)


@of("sh")
def test_a_script_runs(block: Block, desk: Desk) -> None:
    _prepare(desk)
    _run(desk.put_in(block.code), desk, through_proxy=True)


@of("console")
def test_commands_run(block: Block, desk: Desk) -> None:
    _prepare(desk)
    given = commands(block.code)
    assert given, f"{block}: no line begins with `$ `"
    to_run = [command for command in given if not _is_checked_only(command)]
    ours = [command for command in to_run if _is_ours_alone(command)]
    said = "".join(_run_heliograph(command, desk) for command in ours)
    if script := "\n".join(command for command in to_run if command not in ours):
        said += _run(desk.put_in(script), desk)
    lines = {shape(line) for line in said.splitlines()}
    assert [line for line in sample_output(block.code) if shape(line) not in lines] == [], said


@of("console", not_run=True)
def test_commands_that_cannot_run_here_are_well_formed(block: Block) -> None:
    for command in commands(block.code):
        subprocess.run(["bash", "-n", "-c", command], check=True)
        if command.startswith("heliograph "):
            options_of(shlex.split(command)[1:])
        elif command.startswith("mitmdump -s "):
            assert (ROOT / shlex.split(command)[2]).is_file()


def _prepare(desk: Desk) -> None:
    """`app.py` is the program of docs/getting-started.md."""
    (program,) = (block for block in BLOCKS if block.info == "app.py")
    (desk.folder / "app.py").write_text(program.code)


def _is_checked_only(command: str) -> bool:
    """Whether a command of a shell block is checked instead of run."""
    words = shlex.split(command, comments=True)
    if words[0] == "heliograph" and words[1] in PARSED_ONLY:
        options_of(words[1:])
        return True
    if words[0].startswith("./scripts/"):
        assert os.access(ROOT / words[0], os.X_OK), command
        return True
    return False


def _is_ours_alone(command: str) -> bool:
    """Whether a command is one call of heliograph that needs no shell. `run` starts a program, so it gets one."""
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    said = list(words)
    return said[0] == "heliograph" and said[1] != "run" and not any(set(word) <= set("|;&<>()") for word in said)


def _run_heliograph(command: str, desk: Desk) -> str:
    """In this process, which has loaded everything already."""
    words = shlex.split(command, comments=True)[1:]
    # Keys would lock the running proxy, so these are made in a folder of their own. The doctor looks at the running proxy.
    apart = {"HELIOGRAPH_DATA": str(desk.folder / "keys")} if words[0] == "keys" else {}
    more = ["--listen", desk.proxy.url.removeprefix("http://")] if words[0] == "doctor" else []
    with chdir(desk.folder):
        result = CliRunner(env=desk.variables() | apart).invoke(main, [*words, *more])
    assert result.exit_code == 0, f"{command}\n{result.output}"
    return result.output


def _run(script: str, desk: Desk, *, through_proxy: bool = False) -> str:
    """What a shell prints on both outputs. A proxy on another port than the usual one has to be named."""
    if script in desk.said:
        return desk.said[script]
    address = desk.proxy.url.removeprefix("http://")
    asked, script = script, re.sub(r"\$\(heliograph env", f"$(heliograph env --listen {address}", script)
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=desk.folder,
        env=desk.variables(through_proxy=through_proxy),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    desk.said[asked] = done.stdout
    return done.stdout
