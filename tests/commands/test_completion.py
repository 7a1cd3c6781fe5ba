"""`heliograph completion`: scripts that the shells accept, and start-up files that stay as they were otherwise."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main
from addon.commands.completion import SHELLS, Places, places, with_block, without_block


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def heliograph(home: Path, *arguments: str, shell: str = "/bin/bash") -> Result:
    variables = {"HOME": str(home), "XDG_CONFIG_HOME": "", "ZDOTDIR": "", "SHELL": shell}
    return CliRunner(env=variables).invoke(main, ["completion", *arguments])


def place(shell: str, home: Path) -> Places:
    return places(shell, home, {})


@pytest.mark.parametrize("shell", SHELLS)
def test_install_says_what_it_changed_and_changes_nothing_the_second_time(home: Path, shell: str) -> None:
    where = place(shell, home)
    first = heliograph(home, "install", shell=f"/usr/bin/{shell}")
    assert first.exit_code == 0, first.output
    assert all(str(file) in first.stderr for file in (where.script, where.startup) if file)
    before = {file: file.read_bytes() for file in (where.script, where.startup) if file}
    again = heliograph(home, "install", shell=f"/usr/bin/{shell}")
    assert (again.exit_code, "nothing to change" in again.stderr) == (0, True)
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_accepts_its_script_and_knows_the_command(home: Path, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} on this machine")
    heliograph(home, "install", shell)
    where = place(shell, home)
    asked = {
        "bash": f". {where.startup}; complete -p heliograph",
        "zsh": f". {where.startup}; print -r -- $_comps[heliograph]",
        "fish": f"source {where.script}; complete -c heliograph",
    }
    variables = os.environ | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    done = subprocess.run([program, "-c", asked[shell]], capture_output=True, text=True, env=variables, timeout=60)
    assert "heliograph" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("heliograph rep", "report"),
        ("heliograph report sum", "summary"),
        ("heliograph budgets --js", "--json"),
        ("heliograph keys re", "remove"),
        ("heliograph completion install z", "zsh"),
    ],
)
def test_what_is_typed_is_completed(typed: str, offered: str) -> None:
    words = typed.split(" ")
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1), "_HELIOGRAPH_COMPLETE": "bash_complete"}
    program = str(Path(sys.executable).with_name("heliograph"))
    done = subprocess.run([program], capture_output=True, text=True, env=os.environ | asked, timeout=60)
    assert f"plain,{offered}" in done.stdout.splitlines(), done.stderr


def test_a_start_up_file_keeps_everything_else(home: Path) -> None:
    real = home / "dotfiles" / "bashrc"
    real.parent.mkdir()
    real.write_text("alias ll='ls -l'\n# no newline at the end")
    real.chmod(0o640)
    startup = home / ".bashrc"
    startup.symlink_to(real)
    heliograph(home, "install", "bash")
    assert startup.is_symlink(), "a link stays a link"
    assert real.read_text().startswith("alias ll='ls -l'\n# no newline at the end\n\n# >>> heliograph completion >>>\n")
    assert real.stat().st_mode & 0o777 == 0o640
    done = heliograph(home, "uninstall", "bash")
    assert str(startup) in done.stderr
    assert real.read_text() == "alias ll='ls -l'\n# no newline at the end\n"
    assert not place("bash", home).script.exists()
    assert "nothing to remove" in heliograph(home, "uninstall", "bash").stderr


@pytest.mark.parametrize("text", ["", "a\n", "a", "a\n\n"])
def test_the_lines_are_added_once_and_replaced_in_place(text: str) -> None:
    first = with_block(text, Path("/old/script"), "zsh")
    assert with_block(first, Path("/old/script"), "zsh") == first
    moved = with_block(first + "after\n", Path("/it's/new"), "zsh")
    assert "/old/" not in moved
    assert moved.endswith("<<<\nafter\n")
    assert without_block(first).rstrip("\n") == text.rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "shell", "says"),
    [
        (("install",), "/bin/tcsh", "$SHELL is tcsh; name a shell: bash, zsh, fish"),
        (("install",), "", "$SHELL is not set; name a shell"),
        (("show", "powershell"), "/bin/bash", "'powershell' is not one of 'bash', 'zsh', 'fish'"),
        (("instal",), "/bin/bash", "No such command 'instal'"),
    ],
)
def test_wrong_usage_is_exit_2_and_writes_nothing(
    home: Path, arguments: tuple[str, ...], shell: str, says: str
) -> None:
    done = heliograph(home, *arguments, shell=shell)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr
    assert list(home.iterdir()) == []


def test_a_start_up_file_that_cannot_be_read_is_left_alone(home: Path) -> None:
    (home / ".bashrc").write_bytes(b"\xff\xfe")
    done = heliograph(home, "install", "bash")
    assert done.exit_code == 1
    assert (home / ".bashrc").read_bytes() == b"\xff\xfe"
