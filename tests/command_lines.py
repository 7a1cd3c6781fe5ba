"""Command lines that documents name: they must be ours."""

from typing import Any

import click

from addon.commands.cli import main


def options_of(words: list[str]) -> dict[str, Any]:
    """The options of one command line of heliograph, read and not run. Fails where a command or an option does not exist."""
    command: click.Command | None = main
    while isinstance(command, click.Group):
        name, *words = words
        command = command.get_command(click.Context(command), name)
        assert command, f"there is no command {name}"
    assert command
    return command.make_context(command.name, list(words)).params
