"""`heliograph redact`: shows what [redact] makes of a text."""

import sys
from pathlib import Path
from typing import BinaryIO

import click

from addon.commands.options import Failure, data_options, examples, read_settings
from addon.storage.folders import refuse_unsafe


@click.command(
    short_help="Show what [redact] makes of a text.",
    epilog=examples("echo 'to ann@example.org' | heliograph redact", "heliograph redact --user ann@example.org"),
)
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--user", metavar="ID", help="In place of a text: the user id, as rows have it.")
@data_options
def redact(file: BinaryIO, user: str | None, data: Path, config: Path | None) -> None:
    """Print FILE (`-` or nothing: standard input) as it would be stored by the section [redact] of the settings; without that
    section, as by its defaults.

    A pseudonym is the same as in the rows of this data folder, so that the calls of somebody can be found.
    """
    from addon.redaction.key import redactor_of
    from addon.redaction.rules import Rules

    refuse_unsafe(data)
    rules = read_settings(data, config).redact
    try:
        redactor = redactor_of(rules or Rules(), data)
    except (OSError, ValueError) as error:
        raise Failure(f"[redact]: {error}") from error
    assert redactor
    if user is not None:
        click.echo(redactor.user(user))
        return
    found = redactor.body(file.read())
    sys.stdout.buffer.write(found or b"")
