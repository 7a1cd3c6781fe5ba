"""Files that a report is exported to: whole or not there, and never in place of another file."""

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.table import unique

_NO_LINKS: Final = (OSError, NotImplementedError)  # file systems without hard links: FAT, some network shares


def refuse_existing(target: Path) -> None:
    """Raises FileExistsError. Asked before the question too, so that nobody waits for an answer that cannot be kept."""
    if os.path.lexists(target):
        raise FileExistsError(
            f"{target} exists already, and an export never overwrites; name another file or remove it"
        )


def write_new(target: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Writes a file under another name and gives it its own when it is whole. Raises FileExistsError and OSError."""
    refuse_existing(target)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        _give_name(part, target)
    finally:
        part.unlink(missing_ok=True)


def _give_name(part: Path, target: Path) -> None:
    """A hard link fails where the name is taken meanwhile; a rename would replace that file."""
    try:
        target.hardlink_to(part)
    except FileExistsError:
        refuse_existing(target)
        raise
    except _NO_LINKS:
        refuse_existing(target)
        part.rename(target)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_parquet(target: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """The rows as they come, with their types; a name that repeats gets _2, _3. Returns how many rows.

    Raises FileExistsError, OSError and pa.ArrowException.
    """
    rows = 0
    names = unique(schema.names)
    named = pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])

    def write(file: IO[bytes]) -> None:
        nonlocal rows
        with parquet_writer(file, named) as writer:
            for batch in batches:
                writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=named))
                rows += batch.num_rows

    write_new(target, write)
    return rows


def parquet_writer(file: IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    """Compressed, into a file that need not be seekable."""
    options: dict[str, Any] = {"compression": "zstd"}
    return pq.ParquetWriter(file, schema, **options)
