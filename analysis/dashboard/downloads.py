"""What a part shows as a file: CSV, JSON lines, Parquet, or the SQL text that asks for it."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from analysis.dashboard.pages import Site, sql_text
from analysis.dashboard.view import View
from analysis.faces.render import write_csv, write_json_lines
from analysis.quoting import literal
from analysis.reports.grouping import with_columns
from analysis.reports.scope import Scope, printed_scope
from analysis.table import Table

MOST_ROWS: Final = 100_000  # of one file; `heliograph report --parquet` and `heliograph sql` have no bound
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
    kind = kind_of(view)
    if kind is None:
        return None
    text = sql_text(name)
    if kind == "sql":
        sql = with_columns(text, by) if by else text
        return sql_file(name, sql, view.scope(property_names), {"most": MOST_ROWS, **variables})
    limited: dict[str, Any] = {"most": MOST_ROWS, **variables}
    return table_file(name, kind, await site.table(view, name, by, property_names, **limited))


def kind_of(view: View) -> str | None:
    """Which file the option `as` asks for; None: none, the part is to be shown."""
    kind = view.options.get("as")
    return kind if kind in KINDS else None


def table_file(name: str, kind: str, table: Table) -> Response:
    content, media_type = _CONTENT[kind](table)
    return _file(content, name, kind, media_type)


def sql_file(name: str, sql: str, scope: Scope, variables: Mapping[str, object]) -> Response:
    """Runs in `duckdb -init views.sql`; `heliograph sql --views` makes that file."""
    sets = "".join(f"set variable {each} = {_literal(value)};\n" for each, value in variables.items())
    head = "-- heliograph sql --views > views.sql; duckdb -init views.sql"
    text = f"{head}\n{printed_scope(scope)}\n{sets}\n{sql};\n"
    return _file(text.encode(), name, "sql", "application/sql")


def _literal(value: object) -> str:
    return "null" if value is None else str(value) if isinstance(value, int | float) else literal(str(value))


def _csv(table: Table) -> tuple[bytes, str]:
    out = io.StringIO()
    write_csv(table.columns, table.rows, out)
    return out.getvalue().encode(errors="replace"), "text/csv; charset=utf-8"


def _json_lines(table: Table) -> tuple[bytes, str]:
    out = io.StringIO()
    write_json_lines(table.columns, table.rows, out)
    return out.getvalue().encode(errors="replace"), "application/x-ndjson"


def _parquet(table: Table) -> tuple[bytes, str]:
    import pyarrow as pa  # a tenth of the start of the API's process, and numpy with it
    import pyarrow.parquet as pq

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
