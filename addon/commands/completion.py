"""`heliograph completion`: commands, options and names are completed by bash, zsh and fish, as click makes it."""

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

from addon.commands.files import replace_file, write_if_different
from addon.commands.options import Failure, examples

SHELLS: Final = ("bash", "zsh", "fish")
_BEGIN, _END = "# >>> heliograph completion >>>", "# <<< heliograph completion <<<"
_BLOCK: Final = re.compile(rf"\n?{_BEGIN}\n.*?{_END}\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Places:
    """Where a shell's script is, and the file that loads it; None: the shell finds the script by itself."""

    script: Path
    startup: Path | None


def places(shell: str, home: Path, environ: Mapping[str, str]) -> Places:
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    if shell == "fish":
        return Places(config / "fish" / "completions" / "heliograph.fish", None)
    script = config / "heliograph" / f"completion.{shell}"
    if shell == "zsh":
        return Places(script, Path(environ.get("ZDOTDIR") or home) / ".zshrc")
    return Places(script, home / ".bashrc")


def with_block(text: str, script: Path, shell: str) -> str:
    """The start-up file with the lines that load the script: at their place, or at the end."""
    # zsh knows completion only after compinit.
    begin = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n" if shell == "zsh" else ""
    path = shlex.quote(str(script))
    block = f"{_BEGIN}\n{begin}[ -r {path} ] && . {path}\n{_END}\n"
    if found := _BLOCK.search(text):
        return text[: found.start()] + ("\n" if found[0].startswith("\n") else "") + block + text[found.end() :]
    return text + ("\n" if text and not text.endswith("\n") else "") + ("\n" if text else "") + block


def without_block(text: str) -> str:
    return _BLOCK.sub("", text)


_shell_argument = click.argument("shell", required=False, type=click.Choice(SHELLS))


@click.group(
    short_help="Complete commands and options in a shell.",
    epilog=examples("heliograph completion install", "heliograph completion show zsh"),
)
def completion() -> None:
    """Have bash, zsh or fish complete commands, options and names of reports."""


@completion.command(
    short_help="Switch completion on.",
    epilog=examples("heliograph completion install", "heliograph completion install fish"),
)
@_shell_argument
def install(shell: str | None) -> None:
    """Write the script of a shell, by default of yours, and have its start-up file load it. Says which files it changed."""
    chosen = _chosen(shell)
    where = places(chosen, Path.home(), os.environ)
    try:
        told = [where.script] if write_if_different(where.script, _script(chosen).encode()) else []
        if where.startup:
            before = where.startup.read_text(encoding="utf-8") if where.startup.exists() else ""
            if (after := with_block(before, where.script, chosen)) != before:
                replace_file(where.startup, after.encode(), 0o644)
                told.append(where.startup)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"completion of {chosen} cannot be installed: {error}") from error
    changed = f"changed {' and '.join(map(str, told))}; open a new shell" if told else "nothing to change"
    click.echo(f"heliograph: completion of {chosen} is installed: {changed}", err=True)


@completion.command(
    short_help="Switch completion off.",
    epilog=examples("heliograph completion uninstall", "heliograph completion uninstall bash"),
)
@_shell_argument
def uninstall(shell: str | None) -> None:
    """Remove what `install` wrote."""
    chosen = _chosen(shell)
    where = places(chosen, Path.home(), os.environ)
    told = []
    try:
        if where.script.exists():
            where.script.unlink()
            told.append(where.script)
        if where.startup and where.startup.exists():
            before = where.startup.read_text(encoding="utf-8")
            if (after := without_block(before)) != before:
                replace_file(where.startup, after.encode())
                told.append(where.startup)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"completion of {chosen} cannot be removed: {error}") from error
    changed = f"changed {' and '.join(map(str, told))}" if told else "nothing to remove"
    click.echo(f"heliograph: completion of {chosen} is off: {changed}", err=True)


@completion.command(
    short_help="Print the script of a shell.",
    epilog=examples("heliograph completion show bash", "heliograph completion show zsh"),
)
@_shell_argument
def show(shell: str | None) -> None:
    """Print the script, and change nothing."""
    click.echo(_script(_chosen(shell)))


def _chosen(shell: str | None) -> str:
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        told = f"$SHELL is {name}" if name else "$SHELL is not set"
        raise click.UsageError(f"{told}; name a shell: {', '.join(SHELLS)}")
    return name


def _script(shell: str) -> str:
    from addon.commands.cli import main

    made = get_completion_class(shell)
    assert made, f"click completes for {shell}"
    return made(main, {}, "heliograph", "_HELIOGRAPH_COMPLETE").source()
