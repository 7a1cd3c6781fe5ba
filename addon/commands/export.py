"""`heliograph export`: the stored calls in the forms that other tools read."""

from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click

from addon.commands.export_fine_tuning import fine_tuning
from addon.commands.export_har import har
from addon.commands.export_options import (
    open_lake,
    output_option,
    question_mistakes,
    say,
    say_if_nothing,
    scope_options,
    write_output,
)
from addon.commands.export_otlp import otlp
from addon.commands.options import data_options, examples
from addon.commands.progress import progress_bar
from addon.commands.tables import calls_in_words

if TYPE_CHECKING:
    from analysis.reports.scope import Scope

FORMATS: Final = ("csv", "jsonl", "parquet")


@click.group(
    short_help="Write calls for other tools.",
    epilog=examples(
        "heliograph export requests -o calls.csv --since 7d", "heliograph export requests --bodies -o calls.parquet"
    ),
)
def export() -> None:
    """Write calls in the forms that other tools read. The data folder is only read."""


export.add_command(fine_tuning)
export.add_command(otlp)
export.add_command(har)


@export.command(
    short_help="Rows, with bodies if asked for, as CSV, JSON lines or Parquet.",
    epilog=examples(
        "heliograph export requests -o calls.csv",
        "heliograph export requests --bodies -o calls.parquet --since last-month --until this-month",
        "heliograph export requests --bodies --where \"properties['feature'] = 'chat'\" -o chat.jsonl",
        "heliograph export requests --format csv | head",
    ),
)
@output_option("A new .csv, .jsonl or .parquet file.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Default: by the file's name, else jsonl.")
@click.option("--bodies", "with_bodies", is_flag=True, help="With what was sent and answered, and kept headers.")
@scope_options
@data_options
def requests(
    target: Path | None, kind: str | None, with_bodies: bool, scope: "Scope", data: Path, config: Path | None
) -> None:
    """Write a row for each call, with all columns of `requests`, and with --bodies those of `bodies`.

    Times are UTC; --tz is the zone of --since and --until. Calls are in order of time; with --bodies only about.
    In CSV, text that begins like a formula has a ' before it; JSON lines and Parquet have every text as it is.
    """
    import pyarrow as pa

    from analysis.exports import rows
    from analysis.exports.row_files import WRITERS

    chosen = _kind(target, kind)
    lake = open_lake(data, config)
    count = 0

    def write(file: IO[bytes]) -> None:
        nonlocal count
        with question_mistakes(scope), progress_bar() as progress:
            schema = rows.schema(lake, scope, with_bodies)
            pieces = lake.ask(lambda connection: rows.slices(connection, scope))
            bar = progress.add_task("calls", total=sum(piece.rows for piece in pieces))
            with WRITERS[chosen](file, schema) as emit:

                def take(table: pa.Table) -> None:
                    nonlocal count
                    emit(table)
                    count += table.num_rows
                    progress.advance(bar, table.num_rows)

                rows.export(lake, scope, pieces, take, with_bodies=with_bodies)

    write_output(target, write)
    say(target, f"{calls_in_words(count)} {scope.window}")
    say_if_nothing(lake, data, scope, count)


def _kind(target: Path | None, kind: str | None) -> str:
    """The format of a file: as --format says, else by its name."""
    ending = target.suffix.lower().removeprefix(".") if target else FORMATS[1]
    if kind is None and ending not in FORMATS:
        raise click.UsageError(f"-o {target}: name a .csv, .jsonl or .parquet file, or give --format")
    return kind or ending
