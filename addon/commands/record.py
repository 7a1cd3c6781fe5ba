"""`heliograph record`: a program's calls and their answers in one file, for `heliograph replay`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from addon.commands import environment
from addon.commands.options import (
    Failure,
    data_options,
    examples,
    project_option,
    read_settings,
    unwritable,
    upstream_options,
)
from addon.commands.run import command_line, run_through_proxy
from addon.commands.tables import calls_in_words, warn
from addon.config.settings import ConfigError
from addon.recordings.recording_file import RecordingError
from addon.recordings.tape import Tape, path_of, recording


def recording_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--base-url`, NAME and the program, of `record` and `replay`."""
    base_url = click.option(
        "--base-url",
        "by_base_url",
        is_flag=True,
        help="Also set OPENAI_BASE_URL, ANTHROPIC_BASE_URL and the like, for a program that ignores HTTPS_PROXY or calls a server on this machine.",
    )
    name = click.argument("name", metavar="NAME")
    program = click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND...")
    return base_url(name(program(command)))


@click.command(
    short_help="Record a program's calls in a file.",
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "heliograph record parcels -- python app.py", "heliograph record tests/cases/refund.jsonl -- node app.js"
    ),
)
@data_options
@upstream_options
@project_option
@recording_arguments
def record(
    data: Path,
    config: Path | None,
    upstreams: tuple[str, ...],
    upstream_timeout: float | None,
    project: str | None,
    by_base_url: bool,
    name: str,
    command: tuple[str, ...],
) -> None:
    """Run a program as `heliograph run` does, and keep its calls and their answers in recordings/NAME.jsonl, or in the file
    that NAME is the path of. Secrets are masked. Exits with the program's status.
    """
    command = program_of("record", name, command)
    settings = read_settings(data, config, upstreams, upstream_timeout)
    path = path_of(name)
    try:
        tape = recording(path)
        if settings.redact:
            warn(
                f"[redact] does not apply to recordings: keys are masked, all other words stay; read {path} before it is shared"
            )
        again = command_line("record", data, config, upstreams, project, [name], command)
        label = project or environment.project_name(Path.cwd())
        status = run_through_proxy(settings, command, label, by_base_url=by_base_url, again=again, tape=tape)
    except RecordingError as error:
        raise click.UsageError(str(error)) from error
    except ConfigError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise unwritable(data, error) from error
    sys.exit(saved(tape) or status)


def program_of(verb: str, name: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """The program, without the `--` before it. Wrong usage where there is none."""
    command = command[1:] if command[:1] == ("--",) else command
    if not command:
        raise click.UsageError(f"say which program to run, e.g. heliograph {verb} {name} -- python app.py")
    return command


def saved(tape: Tape) -> int:
    """Writes the recording, and says what is in it. 1 where that failed, else 0."""
    for what in tape.left_out if tape.records else ():
        warn(f"{what} cannot be recorded; it was answered with 426, after which agents use plain HTTP")
    try:
        tape.save()
    except OSError as error:
        warn(f"{tape.path}: {error.strerror}; nothing is recorded")
        return 1
    if tape.added:
        warn(f"{calls_in_words(tape.added)} recorded in {tape.path}")
    elif not tape.plays:
        warn(f"no call was recorded; {tape.path} is {'as it was' if tape.path.exists() else 'not made'}")
    return 0
