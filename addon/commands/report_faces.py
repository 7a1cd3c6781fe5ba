"""What a report or a statement becomes beside a table: a Parquet file, a picture, a page, a table that is renewed."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from addon.commands.options import Failure

if TYPE_CHECKING:
    import pyarrow as pa

_FILE = click.Path(dir_okay=False, path_type=Path)


def parquet_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--parquet FILE`. To be put below `style_options`."""

    @functools.wraps(command)
    def checked(*given: Any, parquet: Path | None, style: str, **named: Any) -> Any:
        if parquet and style != "table":
            raise click.UsageError(f"--parquet and --{style}: choose one")
        if parquet:
            refuse(parquet)
        return command(*given, parquet=parquet, style=style, **named)

    return click.option("--parquet", type=_FILE, metavar="FILE", help="Write a new Parquet file, types kept.")(checked)


def refuse(target: Path) -> None:
    """Wrong usage for a file that is there already, or whose folder is not."""
    from analysis.faces.export import refuse_existing

    try:
        refuse_existing(target)
    except FileExistsError as error:
        raise click.UsageError(str(error)) from error
    if not target.parent.is_dir():
        raise click.UsageError(f"{target}: the folder {target.parent} does not exist")


def export_parquet(target: Path, reader: "pa.RecordBatchReader") -> None:
    """Writes the file and says so on stderr."""
    import pyarrow as pa

    from analysis.faces.export import write_parquet

    try:
        rows = write_parquet(target, reader.schema, reader)
    except pa.ArrowNotImplementedError as error:
        raise Failure(f"{error}: Parquet has no such type; cast the column, e.g. to varchar") from error
    except FileExistsError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise unwritable(target, error) from error
    said(target, f"{rows:,} {'row' if rows == 1 else 'rows'}")


def said(target: Path, what: str) -> None:
    click.echo(f"heliograph: {target}: {what}", err=True)


def unwritable(target: Path, error: OSError) -> Failure:
    return Failure(f"{target}: {error.strerror or error}")
