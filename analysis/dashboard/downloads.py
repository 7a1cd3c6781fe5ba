"""What a part shows as a file: CSV, JSON lines, Parquet, or the SQL text that asks for it."""

import io
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from starlette.responses import Response

from analysis.dashboard.pages import Site, sql_text
from analysis.dashboard.view import View
from analysis.faces.render import json_object, write_csv
from analysis.reports.grouping import with_columns
from analysis.reports.scope import printed_scope
from analysis.table import Table

MOST_ROWS: Final = 100_000  # of one file; `heliograph report --export` and `heliograph sql` have no bound
KINDS: Final = ("csv", "jsonl", "parquet", "sql")


async def download(
    site: Site,
    view: View,
    name: str,
    by: Sequence[str] = (),
    property_names: Sequence[str] = (),
    **variables: object,
) -> Response | None:
    """The file that the option `as` asks for; None: it asks for none, the part is to be shown. Arguments as of
    `Site.table`."""
    kind = view.options.get("as")
    if kind not in KINDS:
        return None
    if kind == "sql":
        return _file(_sql(view, name, by, property_names, variables).encode(), name, "sql", "application/sql")
    table = await site.table(view, name, by, property_names, **{"most": MOST_ROWS, **variables})
    content, media_type = _CONTENT[kind](table)
    return _file(content, name, kind, media_type)


def _sql(view: View, name: str, by: Sequence[str], property_names: Sequence[str], variables: dict[str, object]) -> str:
    """Runs in `duckdb -init views.sql`; `heliograph sql --views` makes that file."""
    text = sql_text(name)
    sets = "".join(
        f"set variable {each} = {_literal(value)};\n" for each, value in {"most": MOST_ROWS, **variables}.items()
    )
    scope = printed_scope(view.scope(property_names))
    return f"-- heliograph sql --views > views.sql; duckdb -init views.sql\n{scope}\n{sets}\n{with_columns(text, by) if by else text};\n"


def _literal(value: object) -> str:
    return (
        "null"
        if value is None
        else str(value)
        if isinstance(value, int | float)
        else "'" + str(value).replace("'", "''") + "'"
    )


def _csv(table: Table) -> tuple[bytes, str]:
    out = io.StringIO()
    write_csv(table.columns, table.rows, out)
    return out.getvalue().encode(errors="replace"), "text/csv; charset=utf-8"


def _json_lines(table: Table) -> tuple[bytes, str]:
    return "".join(f"{json_object(record)}\n" for record in table.records()).encode(
        errors="replace"
    ), "application/x-ndjson"


def _parquet(table: Table) -> tuple[bytes, str]:
    columns: dict[str, list[Any]] = {name: [] for name in next(table.records(), dict.fromkeys(table.columns))}
    for record in table.records():
        for name, value in record.items():
            columns[name].append(list(value.items()) if isinstance(value, dict) else value)
    arrays = {
        name: pa.array(values, pa.map_(pa.string(), pa.string())) if _is_map(values) else pa.array(values)
        for name, values in columns.items()
    }
    out = io.BytesIO()
    pq.write_table(pa.table(arrays), out, compression="zstd")
    return out.getvalue(), "application/vnd.apache.parquet"


def _is_map(values: Sequence[Any]) -> bool:
    return any(isinstance(value, list) and value and isinstance(value[0], tuple) for value in values)


def _file(content: bytes, name: str, kind: str, media_type: str) -> Response:
    disposition = f'attachment; filename="heliograph-{name.replace("_", "-")}.{kind}"'
    return Response(content, media_type=media_type, headers={"content-disposition": disposition})


_CONTENT: Final[dict[str, Callable[[Table], tuple[bytes, str]]]] = {
    "csv": _csv,
    "jsonl": _json_lines,
    "parquet": _parquet,
}
