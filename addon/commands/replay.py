"""`heliograph replay`: a program's calls answered from a recording, without a network."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from addon.commands import environment
from addon.commands.options import Failure, data_options, examples, read_settings, unwritable, upstream_options
from addon.commands.record import program_of, recording_arguments, saved
from addon.commands.run import command_line, run_through_proxy
from addon.commands.tables import warn
from addon.config.settings import ConfigError, Settings
from addon.recordings.recording_file import RecordingError
from addon.recordings.tape import Tape, path_of, replaying


@click.command(
    short_help="Answer a program's calls from a recording.",
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "heliograph replay parcels -- python app.py",
        "heliograph replay --strict --speed 0 parcels -- pytest tests/agent",
        "heliograph replay --record-missing parcels -- python app.py",
    ),
)
@data_options
@upstream_options
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="N",
    help="How many times faster than recorded; 0: without waiting.",
)
@click.option("--strict", is_flag=True, help="Each recorded call once and in the recorded order, or exit 1.")
@click.option("--record-missing", is_flag=True, help="Send calls that are not in the recording, and add them to it.")
@recording_arguments
@click.pass_context
def replay(
    context: click.Context,
    data: Path,
    config: Path | None,
    upstreams: tuple[str, ...],
    upstream_timeout: float | None,
    speed: float,
    strict: bool,
    record_missing: bool,
    by_base_url: bool,
    name: str,
    command: tuple[str, ...],
) -> None:
    """Run a program whose calls are answered from recordings/NAME.jsonl, or from the file that NAME is the path of. Nothing is
    sent anywhere. Exits with the program's status, with --strict also 1 where calls and recording differ.

    The rows of replayed calls are in a folder that is removed afterwards, unless --data names one.
    """
    command = program_of("replay", name, command)
    if strict and record_missing:
        raise click.UsageError(
            "--strict and --record-missing: a call that is not in the recording is either wrong or added"
        )
    settings = read_settings(data, config, upstreams, upstream_timeout)
    try:
        tape = replaying(path_of(name), speed=speed, is_strict=strict, records_missing=record_missing)
    except RecordingError as error:
        raise click.UsageError(str(error)) from error
    more = [*(["--strict"] if strict else []), *(["--record-missing"] if record_missing else []), name]
    again = command_line("replay", data, config, upstreams, None, more, command)
    is_kept = context.get_parameter_source("data") is click.core.ParameterSource.COMMANDLINE
    try:
        if is_kept or record_missing:  # what is sent costs money: its rows are kept
            status = _run(settings, command, tape, by_base_url, again)
        else:
            with tempfile.TemporaryDirectory(prefix="heliograph-replay-") as folder:
                status = _run(replace(settings, data=Path(folder)), command, tape, by_base_url, again)
    except ConfigError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise unwritable(data, error) from error
    failed = saved(tape) or _tell(tape)
    sys.exit(status or failed)


def _run(settings: Settings, command: tuple[str, ...], tape: Tape, by_base_url: bool, again: str) -> int:
    """The program's status."""
    if not tape.records:  # nobody is told of calls that were not made, and no other proxy is asked
        settings = settings.offline()
    label = environment.project_name(Path.cwd())
    return run_through_proxy(settings, command, label, by_base_url=by_base_url, again=again, tape=tape)


def _tell(tape: Tape) -> int:
    """Says how it went. 1 where a strict replay failed, else 0."""
    of = f" of {len(tape.recorded)} recorded calls" if tape.recorded else " calls"
    warn(f"{len(tape.recorded) - len(tape.unused())}{of} replayed from {tape.path}; {_sent(tape)}")
    for what in () if tape.records else tape.left_out:
        warn(f"{what}: not in the recording; answered with an error")
    problems = tape.problems
    if tape.is_strict:
        for problem in problems:
            warn(problem)
        return 1 if problems else 0
    if problems:
        warn(f"{len(problems)} calls had no answer in it; record again, or add them with --record-missing")
    return 0


def _sent(tape: Tape) -> str:
    return f"{tape.added} sent and added" if tape.records else "nothing was sent"
