"""What the commands of `heliograph export` share: which calls they take, where they write, and how they fail."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from addon.commands.options import Failure, read_settings
from addon.commands.report_faces import refuse, said, unwritable
from addon.commands.tables import read_zone, say_if_empty, settle, tz_option, warn

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor
    from analysis.lake import Lake
    from analysis.reports.scope import Scope

STDOUT: Final = "-"
# DuckDB's share of the memory. Rows are written as they come.
MEMORY: Final = "1GiB"


def scope_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--since`, `--until`, `--where` and `--tz` as one argument, `scope`."""

    @functools.wraps(command)
    def with_scope(
        *given: Any, since: str | None, until: str | None, where: str | None, tz: str | None, **named: Any
    ) -> Any:
        return command(*given, scope=_scope(since, until, where, tz), **named)

    options = (
        click.option(
            "--since", metavar="TIME", help="From: 30m, 24h, 7d, last-month, 2026-11, an ISO time, ... Default: 30d."
        ),
        click.option("--until", metavar="TIME", help="Up to, exclusive; written like --since. Default: now."),
        click.option(
            "--where",
            metavar="CONDITION",
            help='Only calls that fit: SQL over columns, the names of --by of reports and properties, e.g. "model ='
            " 'gpt-5'\".",
        ),
        tz_option,
    )
    for option in reversed(options):
        with_scope = option(with_scope)
    return with_scope


def _scope(since: str | None, until: str | None, where: str | None, tz: str | None) -> "Scope":
    from analysis.reports.scope import Scope, check_condition
    from analysis.reports.window import parse_window

    zone = read_zone(tz)
    try:
        if where is not None:
            check_condition(where)
        # Without an end, calls that begin while it runs would be in some slices and not in others.
        now = datetime.now(UTC)
        window = parse_window(since, until, now, zone)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return Scope(window, where)


def output_option(help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`-o FILE` as the argument `target`; None: standard output."""
    return click.option(
        "-o",
        "--output",
        "target",
        default=STDOUT,
        metavar="FILE",
        type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
        callback=lambda context, parameter, value: None if str(value) == STDOUT else _new(value),
        help=f"{help} Never replaces a file. Default: -, standard output.",
    )


def _new(target: Path) -> Path:
    refuse(target)
    return target


def open_lake(data: Path, config: Path | None) -> "Lake":
    """With the calls that a stopped proxy left."""
    from analysis.lake import Lake

    settle(data, config)
    return Lake(data, warn, memory=MEMORY)


def say_if_nothing(lake: "Lake", data: Path, scope: "Scope", count: int) -> None:
    """Where nothing was exported, how to find some."""
    if not count and not say_if_empty(lake, data):
        fit = " that fit" if scope.where else ""
        warn(f"no calls{fit} {scope.window}; --since 365d looks further back")


@contextmanager
def question_mistakes(scope: "Scope") -> Iterator[None]:
    """What goes wrong in a question, as wrong usage or failure."""
    import duckdb

    from analysis.reports.scope import OF_THE_SQL, BadCondition

    try:
        yield
    except BadCondition as error:
        raise click.UsageError(str(error)) from error
    except (MemoryError, duckdb.OutOfMemoryException) as error:
        raise Failure("this needs more memory than there is; take less time with --since and --until") from error
    except duckdb.Error as error:  # not of the files: Lake.ask leaves out what is broken
        if scope.where is not None and isinstance(error, OF_THE_SQL):
            raise click.UsageError(str(BadCondition(scope.where, error))) from error
        raise Failure(str(error)) from error


def write_output(target: Path | None, write: Callable[[IO[bytes]], None]) -> None:
    """Into a new file, whole or not at all, or to standard output."""
    from analysis.faces.export import write_new

    try:
        if target is None:
            write(sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            write_new(target, write)
    except FileExistsError as error:
        raise click.UsageError(str(error)) from error
    except BrokenPipeError:  # `| head`: click ends the command quietly
        raise
    except OSError as error:
        raise unwritable(target or Path("standard output"), error) from error


def redactor_for(data: Path, config: Path | None) -> "Redactor":
    """By the rules of [redact], else with the usual patterns; its key is that of the data folder."""
    from addon.redaction.key import redactor_of
    from addon.redaction.rules import Rules

    try:
        found = redactor_of(read_settings(data, config).redact or Rules(), data)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise Failure(f"the key of pseudonyms: {error}") from error
    assert found
    return found


def say(target: Path | None, what: str) -> None:
    """The last line, on stderr."""
    if target is None:
        warn(what)
    else:
        said(target, what)
