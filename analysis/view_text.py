"""The SQL text of the views: over which files, with which columns. Reads sizes of files, and nothing else of them."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from addon.storage import summary, summary_by_day
from addon.storage.lake import Listing, duckdb_columns, time_column
from addon.storage.record import CALL_TABLES, EVENT_TABLES
from analysis.quoting import literal

GROUPED_VIEWS: Final = Path(__file__).with_name("views.sql").read_text(encoding="utf-8")  # `sessions`, `users`
EVENT_VIEWS: Final = Path(__file__).with_name("event_views.sql").read_text(encoding="utf-8")  # the newest of each

_MONEY: Final = ("cost_nanousd / 1e9 as cost_usd", "saved_nanousd / 1e9 as saved_usd")
# Only where there are any. DuckDB leaves the join out of questions that name no properties.
_WITH_CHANGES: Final = (
    "case when changed is null then properties else map_concat(properties, changed) end as properties"
)
_CHANGED: Final = """
left join (
    select request_id, map(list(name), list(value)) as changed from property_changes group by request_id
) using (request_id)"""

# DuckDB takes twice the longest line that it is told of in memory, for each of its threads and whatever there is to read.
# No line is longer than its file; a body is at most 16 MiB, but escaped as JSON it may grow sixfold, and a row holds three.
LEAST_LINE_BYTES, LONGEST_LINE_BYTES = 16 * 2**20, 512 * 2**20  # the first is DuckDB's own choice

_IN_PATTERNS: Final = re.compile(r"[*?\[]")

# Each kind of summary: its view, how the names of its files end, its columns.
SUMMARY_KINDS: Final[Sequence[tuple[str, str, Sequence[str]]]] = (
    ("lake_summaries", summary.WHOLE, summary.COLUMNS),
    ("lake_brief", summary.BRIEF, summary.BRIEF_COLUMNS),
    ("lake_hits", summary.HITS, summary.HITS_COLUMNS),
    ("lake_retried", summary.RETRIED, summary.RETRIED_COLUMNS),
    ("lake_times", summary.TIMES, summary.TIMES_COLUMNS),
    ("lake_sessions", summary.SESSIONS, summary_by_day.SESSIONS_COLUMNS),
    ("lake_day_times", summary.DAY_TIMES, summary.TIMES_COLUMNS),
)


def views(rows: Mapping[str, str], *, has_changes: bool, held: Collection[str] = ()) -> str:
    """All views, in the order that they need each other. `rows`: what `_rows` gave for each table; `held`: those of the calls
    that become tables in memory, under the names of their views."""
    views = [f"create or replace view all_{table} as\n{rows[table]};" for table in EVENT_TABLES]
    views.append(EVENT_VIEWS)
    for table in CALL_TABLES:
        columns = ["date"] if table == "bodies" else ["date", *_MONEY]
        names = [f'"{name}"' for name in duckdb_columns(table)]
        joined = ""
        if table == "requests" and has_changes:
            names[names.index('"properties"')] = _WITH_CHANGES
            joined = _CHANGED
        select = ", ".join([*names, *columns])
        made = "create table" if table in held else "create or replace view"
        views.append(f"{made} {table} as\nselect {select} from (\n{rows[table]}\n){joined};")
    return "\n\n".join([*views, GROUPED_VIEWS])


def summary_columns(*, has_changes: bool) -> frozenset[str]:
    """What the summaries can be asked for: a property that was set after the call is not in the summary of its file."""
    return frozenset(summary.COLUMNS) - ({"properties"} if has_changes else set())


def summary_views(
    calls: Listing, older: Mapping[Path, frozenset[str]], summaries: Mapping[Path, Path]
) -> dict[str, Callable[[], str]]:
    """What `calls_summed` (reports/summed.py) is made of: the summaries, the calls of their files, and all other calls. By name
    what gives the SQL: each is as long as a list of all files."""

    def rows(parquet: Iterable[Path], settled: Iterable[Path]) -> str:
        files = list(parquet)
        new = file_list(file for file in files if file not in older)
        return rows_of(
            "requests", new, file_list(settled), by_what_they_lack(files, older), longest_line=longest_line(calls)
        )

    others = [file for file in calls.parquet if file not in summaries]
    return {
        **{
            name: partial(_summary_rows, columns, summaries.values(), suffix) for name, suffix, columns in SUMMARY_KINDS
        },
        "lake_summarised": partial(rows, summaries, []),
        "lake_not_summarised": partial(rows, others, calls.settled),
    }


def _summary_rows(columns: Iterable[str], wholes: Collection[Path], suffix: str) -> str:
    """`suffix`: of the files of a kind."""
    files = _list_of(f"{str(whole).removesuffix(summary.WHOLE)}{suffix}" for whole in wholes) or "[]"
    hive = files.count("=") == len(wholes)  # as in `parquet_rows`
    date = "date" if hive else "cast(started_at as date) as date"
    options = "hive_partitioning = true, hive_types = {'date': DATE}" if hive else "hive_partitioning = false"
    return f"select {', '.join(columns)}, {date} from read_parquet({files}, {options})"


def by_what_they_lack(parquet: Iterable[Path], older: Mapping[Path, frozenset[str]]) -> dict[frozenset[str], str]:
    """Missing columns -> the expression that names the files without them."""
    groups: dict[frozenset[str], list[Path]] = {}
    for file in parquet:
        if file in older:
            groups.setdefault(older[file], []).append(file)
    return {lacking: file_list(files) or "[]" for lacking, files in groups.items()}


def rows_of(
    table: str, parquet: str | None, settled: str | None, older: Mapping[frozenset[str], str], *, longest_line: int
) -> str:
    """`select` of all rows of a table over DuckDB expressions that name the files; None: there are none. `older`: of Parquet
    files that lack these columns."""
    parts = [parquet_rows(table, files, without=lacking) for lacking, files in older.items()]
    if parquet:
        parts.append(parquet_rows(table, parquet))
    if settled:
        parts.append(settled_rows(table, settled, longest_line))
    return "\nunion all\n".join(parts or [no_rows(table)])


def parquet_rows(
    table: str, parquet: str, may_lack_columns: bool = False, without: frozenset[str] = frozenset()
) -> str:
    """`may_lack_columns`: it is not known which, as for a pattern; slower, because the folder's date is not read then.
    `without`: all of the files lack exactly these."""
    # The folder's date, so that a query by date opens only its files. DuckDB takes every folder with a "=" for a
    # column, though; with such a folder above the data the date is worked out instead.
    # (With a schema it refuses to read the folder's.)
    hive = parquet.count("=") == parquet.count(".parquet'") and not may_lack_columns  # one in each file's path
    date = "date" if hive else f"cast({time_column(table)} as date) as date"
    options = "hive_partitioning = true, hive_types = {'date': DATE}" if hive else "hive_partitioning = false"
    if may_lack_columns:
        options += f", schema = {_schema(table)}"
    names = ", ".join(
        f'cast(null as {kind}) as "{name}"' if name in without else f'"{name}"'
        for name, kind in duckdb_columns(table).items()
    )
    return f"select {names}, {date} from read_parquet({parquet}, {options})"


def _schema(table: str) -> str:
    """For `read_parquet`: what to read, and NULL for a column that a file does not have."""
    columns = (
        f"{literal(name)}: {{name: {literal(name)}, type: {literal(kind)}, default_value: null}}"
        for name, kind in duckdb_columns(table).items()
    )
    return f"map {{{', '.join(columns)}}}"


def settled_rows(table: str, settled: str, longest_line: int, where: str = "") -> str:
    """`where`: more conditions, on `filename` too."""
    time = time_column(table)
    typed = ", ".join(f"'{name}': '{kind}'" for name, kind in duckdb_columns(table).items())
    # A torn last line, or a line that is not ours, comes as a row of NULLs: ignore_errors does that.
    return (
        f"select {_names(table)}, cast({time} as date) as date from read_json({settled}, format = 'newline_delimited',"
        f" columns = {{{typed}}}, ignore_errors = true, maximum_object_size = {longest_line},"
        f" hive_partitioning = false{', filename = true' if where else ''})"
        f" where request_id is not null and {time} is not null{where}"
    )


def no_rows(table: str) -> str:
    nothing = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in duckdb_columns(table).items())
    return f"select {nothing}, cast(null as date) as date where false"


def _names(table: str) -> str:
    return ", ".join(f'"{name}"' for name in duckdb_columns(table))


def file_list(files: Iterable[Path]) -> str | None:
    return _list_of(map(str, files))


def _list_of(paths: Iterable[str]) -> str | None:
    quoted = [literal(_matching_itself(path)) for path in paths]
    return f"[{', '.join(quoted)}]" if quoted else None


def globs(data: Path, table: str) -> tuple[str, str, str]:
    """Patterns for Parquet files and settled lines, and the condition that keeps a call from counting twice."""
    parquet = literal(f"{pattern(data)}/lake/{table}/date=*/*.parquet")
    settled = literal(f"{pattern(data)}/settled/{table}/*.jsonl")
    # A settled file stays for some seconds beside the Parquet file made of it: <segment>.<date>.jsonl, <segment>.parquet.
    already = f"select parse_filename(file, true) from glob({parquet})"
    only_new = f" and regexp_replace(parse_filename(filename), '\\.[^.]*\\.jsonl$', '') not in ({already})"
    return parquet, settled, only_new


def pattern(path: Path) -> str:
    """The path as a pattern that matches only itself."""
    return _matching_itself(str(path))


def _matching_itself(path: str) -> str:
    return _IN_PATTERNS.sub(r"[\g<0>]", path)


def longest_line(listing: Listing) -> int:
    """Bytes that a settled line may have at most."""
    largest = max(map(size, listing.settled), default=0)
    return min(max(largest, LEAST_LINE_BYTES), LONGEST_LINE_BYTES)


def size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return -1
