"""An export's file as records, whichever way it is written: CSV, JSON, JSON lines, Parquet; gzip is undone.

What a file is shows in its first bytes, never in its name. JSON is taken out of its envelopes: a page's `data`, the
`results` of each day in it, Cost Explorer's `ResultsByTime` and `Groups`; what an envelope says beside them is in each of
its records.
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

from analysis.billing.line import Record

_ENVELOPES: Final = ("data", "results", "ResultsByTime", "Groups")
_SEPARATORS: Final = re.compile(r"[\s./]+")
_ROWS_AT_ONCE: Final = 5000
_DELIMITERS: Final = ",;\t"


class WrongFile(ValueError):
    """A file that no records can be read from, or half of one. The message names it and says what was expected."""


@dataclass(frozen=True, slots=True)
class Records:
    """`columns`: the names in any record. `rows`: (where in the file, record), to be read once. `goes_on`: a page of more."""

    columns: frozenset[str]
    rows: Iterable[tuple[str, Record]]
    goes_on: bool = False


def read_records(path: Path) -> Records:
    """Raises WrongFile or OSError."""
    with path.open("rb") as file:
        begin = file.read(4)
    if begin == b"PAR1":
        return _parquet(path)
    if begin[:2] == b"PK":
        raise WrongFile(f"{path}: a zip archive; unpack it and give the files in it")
    text = _text(path, begin[:2] == b"\x1f\x8b")
    head = text.read(64).lstrip()
    text.seek(0)
    if not head:
        raise WrongFile(f"{path}: empty; expected a header and lines, or JSON")
    return _json(path, text) if head[0] in "{[" else _csv(path, text)


def _text(path: Path, is_gzip: bool) -> IO[str]:
    """The whole file in memory: what cannot be read to its end must not be taken in part."""
    try:
        content = gzip.decompress(path.read_bytes()) if is_gzip else path.read_bytes()
    except (EOFError, gzip.BadGzipFile) as error:
        raise WrongFile(f"{path}: a gzip file that is cut or damaged") from error
    try:
        return io.StringIO(content.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise WrongFile(f"{path}: not UTF-8 text, nor Parquet; expected CSV, JSON or Parquet") from error


def _csv(path: Path, file: IO[str]) -> Records:
    first = file.readline()
    delimiter = max(_DELIMITERS, key=first.count)
    file.seek(0)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        header = [column_name(cell) for cell in next(reader)]
    except csv.Error as error:
        raise WrongFile(f"{path}: line 1: {error}: the file is cut or damaged") from error

    def rows() -> Iterator[tuple[str, Record]]:
        try:
            for cells in reader:
                if not cells:
                    continue
                where = f"line {reader.line_num}"
                if len(cells) != len(header):
                    raise WrongFile(
                        f"{path}: {where} has {len(cells)} of {len(header)} columns: the file is cut or damaged; export it again"
                    )
                yield where, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise WrongFile(f"{path}: line {reader.line_num}: {error}: the file is cut or damaged") from error

    return Records(frozenset(header), rows())


def _json(path: Path, file: IO[str]) -> Records:
    content = file.read()
    try:
        documents = [_loads(content)]
    except ValueError as error:
        documents = _lines(path, content, error)
    try:
        records = [record for document in documents for record in _records(document, {})]
    except RecursionError as error:
        raise WrongFile(f"{path}: JSON nested too deeply for an export") from error
    goes_on = any(isinstance(each, Mapping) and bool(each.get("has_more")) for each in documents)
    columns = frozenset(name for record in records for name in record)
    return Records(columns, ((f"record {number}", record) for number, record in enumerate(records, 1)), goes_on)


def _lines(path: Path, content: str, whole: ValueError) -> list[Any]:
    """The documents of a file with one a line."""
    lines = [(number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    documents = []
    for number, line in lines:
        try:
            documents.append(_loads(line))
        except (ValueError, RecursionError) as error:
            if not documents:  # it was meant as one document
                raise WrongFile(f"{path}: not whole JSON: {whole}; the file is cut or damaged") from whole
            raise WrongFile(f"{path}: line {number} is not whole JSON: {error}; the file is cut or damaged") from error
    return documents


def _loads(content: str) -> Any:
    """Numbers with a fraction as exact decimals."""
    try:
        return json.loads(content, parse_float=Decimal)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _records(value: Any, around: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The innermost objects of the envelopes, each with what its envelopes say."""
    if isinstance(value, list):
        for each in value:
            yield from _records(each, around)
        return
    if not isinstance(value, Mapping):
        return
    inside = [name for name in _ENVELOPES if isinstance(value.get(name), list)]
    own = {**around, **_flat({name: each for name, each in value.items() if name not in inside})}
    if not inside:
        yield own
    for name in inside:
        yield from _records(value[name], own)


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"usage": {"amount": 1}}` as `usage_amount`. Lists stay as they are."""
    flat: dict[str, Any] = {}
    for name, each in value.items():
        column = prefix + column_name(name)
        flat |= _flat(each, f"{column}_") if isinstance(each, Mapping) else {column: each}
    return flat


def _parquet(path: Path) -> Records:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise WrongFile(f"{path}: Parquet that cannot be read: cut or damaged") from error
    names = [column_name(name) for name in file.schema_arrow.names]

    def rows() -> Iterator[tuple[str, Record]]:
        number = 0
        try:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                for row in batch.rename_columns(names).to_pylist():
                    number += 1
                    yield f"row {number}", row
        except (pa.ArrowException, OSError) as error:
            raise WrongFile(f"{path}: Parquet that cannot be read: cut or damaged") from error

    return Records(frozenset(names), rows())


def column_name(written: str) -> str:
    """`lineItem/UsageType` as `lineitem_usagetype`, `service.description` as `service_description`."""
    return _SEPARATORS.sub("_", written.strip().lower())
