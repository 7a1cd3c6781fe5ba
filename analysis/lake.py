"""The data folder as SQL: one DuckDB connection in memory with the views of DESIGN, over Parquet and settled lines.

Views: `requests` and `bodies` (columns of `addon/storage/record.py`, `requests` also `date`, `cost_usd`, `saved_usd`),
`sessions` and `users`; `messages` and `conversations` (message_views.py); `feedback`, `scores` and `property_changes`, where the newest counts, and `all_feedback`,
`all_scores`, `all_property_changes` with what was said before. They name their files one by one: files come and go while the proxy runs, and only
`visible_files` knows which of them count. The connection can read the lake and the settled lines, and nothing else.
"""

import contextlib
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import duckdb

from addon.storage.folders import refuse_unsafe
from addon.storage.lake import Listing, duckdb_columns, time_column, visible_files
from addon.storage.record import ADDED_COLUMNS, CALL_TABLES, EVENT_TABLES, TABLES
from analysis import message_views

Connection = duckdb.DuckDBPyConnection

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

# A merge replaces files about once a minute at most; five lost races in a row have another cause.
ATTEMPTS: Final = 5


# Errors of the statement or of its bounds: no reason to read every value of every file.
STATEMENT_ERRORS: Final = (
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.PermissionException,
    duckdb.InterruptException,
    duckdb.OutOfMemoryException,
)


class Lake:
    """Asks the data folder. Files that vanish are listed anew, torn and foreign ones are named once and left out."""

    def __init__(
        self, data: Path, warn: Callable[[str], None] | None = None, memory: str | None = None, *, keeps: bool = False
    ) -> None:
        """`memory`: what one connection may take, as DuckDB writes it ("1GB", "20%"); None: DuckDB's own choice, 80%.
        `keeps`: questions share a database, and so that memory, as long as the files are the same ones: saves 40 ms each."""
        self._data, self._memory = data.absolute(), memory
        self._keeps, self._keeping = keeps, threading.Lock()
        self._kept: tuple[object, Connection] | None = None  # the files it names, and a connection to the database
        self._warn = warn or _to_stderr
        self._named: set[Path] = set()  # torn or foreign, already told
        self._older: dict[
            Path, frozenset[str]
        ] = {}  # columns that older files lack, as far as a question came upon them

    def ask[T](self, question: Callable[[Connection], T]) -> T:
        """What `question` answers on a fresh connection. It may be asked again, so it must not have other effects. Raises
        NotOurs, as all that reads the folder.

        The views `messages` and `conversations` are there for `table.fetch` and `table.fetch_user_sql` alone."""
        for attempt in range(1, ATTEMPTS + 1):
            listings = self._list()
            files = [file for listing in listings.values() for file in (*listing.settled, *listing.parquet)]
            longest = [_longest_line(listing) for listing in listings.values()]
            try:
                with self._open(listings) as connection:
                    return question(connection)
            except duckdb.Error as error:
                if stopped := message_views.python_error(error):
                    raise stopped from error
                # Decided by looking at the files, not by the words of the message: those change with each DuckDB.
                vanished = any(not file.exists() for file in files)
                grown = longest != [_longest_line(listing) for listing in listings.values()]
                torn = self._name(unreadable(listings))
                lacking = older_files(listings)
                older = lacking.keys() - self._older.keys()
                self._older |= lacking
                if not torn and not older and not isinstance(error, STATEMENT_ERRORS):
                    torn = self._name(damaged(listings))
                if not (vanished or grown or torn or older) or attempt == ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _open(self, listings: dict[str, Listing]) -> Connection:
        """A connection with variables and temporary views of its own. Settled files that only grew are the same files: they
        are read when a question asks for them."""
        if not self._keeps:
            return _connect(self._data, listings, self._memory, self._older)
        files = [(listing.parquet, listing.settled, _longest_line(listing)) for listing in listings.values()]
        with self._keeping:
            if self._kept is None or self._kept[0] != (files, self._older):
                self._kept = (files, dict(self._older)), _connect(self._data, listings, self._memory, self._older)
            return self._kept[1].cursor()

    def connect(self) -> Connection:
        """A connection of its own with all views, to be closed by the caller; they are of this moment."""
        listings = self._list()
        connection = _connect(self._data, listings, self._memory, older_files(listings))
        message_views.add(connection)
        return connection

    def is_empty(self) -> bool:
        """Whether there is no file with calls at all."""
        listing = self._list()["requests"]
        return not listing.parquet and not listing.settled

    def fingerprint(self) -> frozenset[tuple[str, int]]:
        """Changes when calls were added: names and sizes of the files with requests."""
        listing = self._list()["requests"]
        return frozenset((str(file), _size(file)) for file in (*listing.settled, *listing.parquet))

    def _list(self) -> dict[str, Listing]:
        """Raises NotOurs for a folder that others can write to: what they plant in it must not be read."""
        refuse_unsafe(self._data)
        listings = {table: visible_files(self._data, table) for table in TABLES}
        for listing in listings.values():
            self._name((file, "not a file of ours") for file in listing.foreign)
            # A pipe or a device would hang the question that opens it.
            self._name((file, "not a regular file") for file in _irregular(listing))
        return {table: _without(listing, self._named) for table, listing in listings.items()}

    def _name(self, files: Iterable[tuple[Path, str]]) -> bool:
        """Tells of files that are left out from now on. Whether there was a new one."""
        found = False
        for file, why in files:
            if file not in self._named:
                self._named.add(file)
                self._warn(f"{file}: {why}; left out, not deleted")
                found = True
        return found


def connect(data: Path) -> Connection:
    """The views over `data` as it is now, read-only and confined; close it when done. `Lake.ask` also survives merges."""
    return Lake(data).connect()


def unreadable(listings: dict[str, Listing]) -> list[tuple[Path, str]]:
    """Files that break a query, found by opening every footer: slow, so only after a query failed."""
    found: list[tuple[Path, str]] = []
    with duckdb.connect() as connection:
        for table, listing in listings.items():
            needed = set(duckdb_columns(table)) - ADDED_COLUMNS.get(table, frozenset())
            for file in listing.parquet:
                try:
                    rows = connection.execute("select name from parquet_schema(?)", [_pattern(file)]).fetchall()
                except duckdb.Error as error:
                    if file.exists():
                        found.append((file, str(error).partition("\n")[0]))
                    continue
                if missing := needed - {name for (name,) in rows}:
                    found.append((file, f"has no column {', '.join(sorted(missing))}"))
    for listing in listings.values():
        for file in listing.settled:
            try:
                file.open("rb").close()
            except FileNotFoundError:
                continue  # settled into Parquet meanwhile
            except OSError as error:
                found.append((file, str(error.strerror)))
    return found


def older_files(listings: dict[str, Listing]) -> dict[Path, frozenset[str]]:
    """Parquet files that lack columns which were added later, and these; found by opening every footer: slow, as
    `unreadable` is."""
    found: dict[Path, frozenset[str]] = {}
    with duckdb.connect() as connection:
        for table, added in ADDED_COLUMNS.items():
            for file in listings[table].parquet:
                with contextlib.suppress(duckdb.Error):  # `unreadable` names it
                    rows = connection.execute("select name from parquet_schema(?)", [_pattern(file)]).fetchall()
                    if lacking := added - {name for (name,) in rows}:
                        found[file] = lacking
    return found


def damaged(listings: dict[str, Listing]) -> list[tuple[Path, str]]:
    """Files with a good footer and bad contents, or lines that break DuckDB's reader: found by reading every value, so
    only after a query failed and `unreadable` found nothing."""
    found: list[tuple[Path, str]] = []
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for table, listing in listings.items():
            names = ", ".join(f'"{name}"' for name in duckdb_columns(table))
            for file in (*listing.parquet, *listing.settled):
                as_parquet = _file_list([file]) if file.suffix == ".parquet" else None
                as_lines = None if as_parquet else _file_list([file])
                rows = (
                    _parquet_rows(table, as_parquet, may_lack_columns=True)
                    if as_parquet
                    else _rows(table, None, as_lines, {}, longest_line=_longest_line(listing))
                )
                try:
                    connection.execute(f"select bit_xor(hash({names}, date)) from ({rows})").fetchall()
                except duckdb.OutOfMemoryException:
                    continue  # says nothing of the file
                except duckdb.Error as error:
                    if file.exists():
                        found.append((file, str(error).partition("\n")[0]))
    return found


def view_definitions(data: Path) -> str:
    """The views as SQL text with globs, for `duckdb -init`. They find new files by themselves, but know no merge notes.

    A pattern without a file is an error to DuckDB, so whether there are files is asked each time the text is run: a table
    that is empty today may have rows tomorrow, and settled lines become Parquet.
    """
    listings = {table: visible_files(data.absolute(), table) for table in TABLES}
    has_older = bool(older_files(listings))
    settings: list[str] = []
    rows: dict[str, str] = {}
    for table, listing in listings.items():
        parquet, settled, only_new = _globs(data.absolute(), table)
        parts = {
            f"heliograph_{table}_parquet": (parquet, _parquet_rows(table, parquet, has_older)),
            f"heliograph_{table}_settled": (
                settled,
                _settled_rows(table, settled, _longest_line(listing), only_new),
            ),
        }
        for name, (files, sql) in parts.items():
            either = f"case when count(*) > 0 then {_text(sql)} else {_text(_no_rows(table))} end"
            settings.append(f"set variable {name} = (select {either} from glob({files}));")
        rows[table] = "\nunion all\n".join(f"from query(getvariable('{name}'))" for name in parts)
    return "\n\n".join(
        [
            "-- The views of heliograph for any DuckDB: heliograph sql --views > views.sql; duckdb -init views.sql\n"
            "-- While a day is being merged (a minute, after it ended) its calls may count twice here; `heliograph sql` knows better.\n"
            "-- The views messages and conversations are made in Python, so they are not here: heliograph sql 'from messages'\n"
            "set TimeZone = 'UTC';",
            *settings,
            _views(rows, has_changes=True),
        ]
    )


def _connect(
    data: Path, listings: dict[str, Listing], memory: str | None, older: Mapping[Path, frozenset[str]]
) -> Connection:
    """`older`: the columns that some Parquet files lack."""
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False, "temp_directory": ""}
    )
    try:
        connection.execute("set TimeZone = 'UTC'")
        if memory:
            connection.execute(f"set memory_limit = {_text(memory)}")
        rows = {
            table: _rows(
                table,
                _file_list(file for file in listing.parquet if file not in older),
                _file_list(listing.settled),
                _by_what_they_lack(listing.parquet, older),
                longest_line=_longest_line(listing),
            )
            for table, listing in listings.items()
        }
        changes = listings["property_changes"]
        connection.execute(_views(rows, has_changes=bool(changes.parquet or changes.settled)))
        _confine(connection, data)
    except BaseException:
        connection.close()
        raise
    return connection


def _confine(connection: Connection, data: Path) -> None:
    """From here on SQL reads the lake and the settled lines only, and cannot undo that. Writing: see `fetch_user_sql`."""
    folders = [
        str(place / "") + "/" for name in ("lake", "settled") for place in (data / name, (data / name).resolve())
    ]
    # A folder with a "*" in its name is asked for as a pattern and then opened by its name: both must be allowed.
    allowed = dict.fromkeys([*folders, *(_pattern(Path(folder)) + "/" for folder in folders)])
    connection.execute(f"set allowed_directories = [{', '.join(_text(folder) for folder in allowed)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _views(rows: Mapping[str, str], *, has_changes: bool) -> str:
    """All views, in the order that they need each other. `rows`: what `_rows` gave for each table."""
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
        views.append(f"create or replace view {table} as\nselect {select} from (\n{rows[table]}\n){joined};")
    return "\n\n".join([*views, GROUPED_VIEWS])


def _by_what_they_lack(parquet: Iterable[Path], older: Mapping[Path, frozenset[str]]) -> dict[frozenset[str], str]:
    """Missing columns -> the expression that names the files without them."""
    groups: dict[frozenset[str], list[Path]] = {}
    for file in parquet:
        if file in older:
            groups.setdefault(older[file], []).append(file)
    return {lacking: _file_list(files) or "[]" for lacking, files in groups.items()}


def _rows(
    table: str, parquet: str | None, settled: str | None, older: Mapping[frozenset[str], str], *, longest_line: int
) -> str:
    """`select` of all rows of a table over DuckDB expressions that name the files; None: there are none. `older`: of Parquet
    files that lack these columns."""
    parts = [_parquet_rows(table, files, without=lacking) for lacking, files in older.items()]
    if parquet:
        parts.append(_parquet_rows(table, parquet))
    if settled:
        parts.append(_settled_rows(table, settled, longest_line))
    return "\nunion all\n".join(parts or [_no_rows(table)])


def _parquet_rows(
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
        f"{_text(name)}: {{name: {_text(name)}, type: {_text(kind)}, default_value: null}}"
        for name, kind in duckdb_columns(table).items()
    )
    return f"map {{{', '.join(columns)}}}"


def _settled_rows(table: str, settled: str, longest_line: int, where: str = "") -> str:
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


def _no_rows(table: str) -> str:
    nothing = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in duckdb_columns(table).items())
    return f"select {nothing}, cast(null as date) as date where false"


def _names(table: str) -> str:
    return ", ".join(f'"{name}"' for name in duckdb_columns(table))


def _file_list(files: Iterable[Path]) -> str | None:
    quoted = [_text(_pattern(file)) for file in files]
    return f"[{', '.join(quoted)}]" if quoted else None


def _globs(data: Path, table: str) -> tuple[str, str, str]:
    """Patterns for Parquet files and settled lines, and the condition that keeps a call from counting twice."""
    parquet = _text(f"{_pattern(data)}/lake/{table}/date=*/*.parquet")
    settled = _text(f"{_pattern(data)}/settled/{table}/*.jsonl")
    # A settled file stays for some seconds beside the Parquet file made of it: <segment>.<date>.jsonl, <segment>.parquet.
    already = f"select parse_filename(file, true) from glob({parquet})"
    only_new = f" and regexp_replace(parse_filename(filename), '\\.[^.]*\\.jsonl$', '') not in ({already})"
    return parquet, settled, only_new


def _without(listing: Listing, left_out: set[Path]) -> Listing:
    return Listing(
        parquet=[file for file in listing.parquet if file not in left_out],
        settled=[file for file in listing.settled if file not in left_out],
        foreign=listing.foreign,
    )


def _pattern(path: Path) -> str:
    """The path as a pattern that matches only itself."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(path))


def _text(value: str) -> str:
    """An SQL text literal."""
    return "'" + value.replace("'", "''") + "'"


def _longest_line(listing: Listing) -> int:
    """Bytes that a settled line may have at most."""
    largest = max(map(_size, listing.settled), default=0)
    return min(max(largest, LEAST_LINE_BYTES), LONGEST_LINE_BYTES)


def _irregular(listing: Listing) -> Iterator[Path]:
    for file in (*listing.settled, *listing.parquet):
        try:
            if not stat.S_ISREG(file.stat().st_mode):
                yield file
        except OSError:
            continue  # vanished: the question that opens it will find out


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return -1


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)
