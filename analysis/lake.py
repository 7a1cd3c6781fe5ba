"""The data folder as SQL: one DuckDB connection in memory with the views of DESIGN, over Parquet and settled lines.

Views: `requests` and `bodies` (columns of `addon/storage/record.py`, `requests` also `date`, `cost_usd`, `saved_usd`),
`sessions` and `users`; `messages` and `conversations` (message_views.py); `feedback`, `scores` and `property_changes`, where the newest counts, and `all_feedback`,
`all_scores`, `all_property_changes` with what was said before. They name their files one by one: files come and go while the proxy runs, and only
`visible_files` knows which of them count. The connection can read the lake and the settled lines, and nothing else.
"""

import copy
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from addon.objects.stand_in import url_of
from addon.storage import summary
from addon.storage.folders import refuse_unsafe
from addon.storage.lake import Listing, visible_files
from addon.storage.record import CALL_TABLES, TABLES
from analysis import ctrl_c, message_views
from analysis.lake_files import damaged, damaged_summaries, irregular, older_files, unreadable
from analysis.quoting import literal
from analysis.shared_views import SharedViews, share
from analysis.summary_views import SummaryViews, offer, offered
from analysis.view_text import (
    by_what_they_lack,
    file_list,
    globs,
    longest_line,
    no_rows,
    parquet_rows,
    pattern,
    rows_of,
    settled_rows,
    size,
    summary_columns,
    summary_views,
    views,
)

if TYPE_CHECKING:
    from analysis.bucket import Bucket
    from analysis.released_files import ReleasedFiles

Connection = duckdb.DuckDBPyConnection
type _Listed = tuple[dict[str, Listing], Mapping[Path, Path]]  # files of each table; of `requests` file -> summary

# A merge replaces files about once a minute at most; five lost races in a row have another cause.
ATTEMPTS: Final = 5
# Of one table, compressed: some 40,000 calls, 20 MB in memory. Bodies may be a hundred times as large as their files.
HELD_BYTES: Final = 2 * 2**20
_NEVER_HELD: Final = "bodies"
LISTED_FOR_S: Final = 0.1  # the parts of a page ask within this time; listing the folder takes 5 to 30 ms
_HELD: Final = "held_"
# Values, as the sessions that a report shows, that DuckDB looks for in a file's statistics before it reads the file; it would stop at 50.
_MOST_LOOKED_FOR: Final = 128


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
        self,
        data: Path,
        warn: Callable[[str], None] | None = None,
        memory: str | None = None,
        *,
        keeps: bool = False,
        released: "ReleasedFiles | None" = None,
        has_summaries: bool = True,
    ) -> None:
        """`memory`: what one connection may take, as DuckDB writes it ("1GB", "20%"); None: DuckDB's own choice, 80%.
        `keeps`: questions share a database, and so that memory, as long as the files are the same ones: saves 40 ms each.
        `released`: files of this folder that are in a bucket only, to be read, too; None: they are left out.
        `has_summaries`: False where no question asks a view that is made of them: finding those of 120 days takes 20 ms."""
        self._data, self._memory = data.absolute(), memory
        self._keeps, self._keeping = keeps, threading.Lock()
        self._has_summaries = has_summaries
        # That the folder stands for, or that has its released files; None: all files are in the folder.
        self._bucket = released.bucket if released else _bucket_of(self._data)
        self._released = released
        self._days: tuple[date, date] | None = None  # None: all
        # The files it names, a connection to the database, and the views that questions have made there.
        self._kept: tuple[object, Connection, SharedViews] | None = None
        self._listed: tuple[float, _Listed] | None = None  # when the listing began, of a lake that keeps
        self._had_calls: bool | None = None  # files with calls, for the last question; None: nothing was asked
        self._warn = warn or _to_stderr
        self._named: set[Path] = set()  # torn or foreign, already told
        # Columns that older files lack, as far as a question came upon them. Never changed in place: threads read it.
        self._older: Mapping[Path, frozenset[str]] = {}

    def ask[T](self, question: Callable[[Connection], T]) -> T:
        """What `question` answers on a fresh connection. It may be asked again, so it must not have other effects. Raises
        NotOurs, as all that reads the folder.

        The views `messages` and `conversations` are there for `table.fetch` and `table.fetch_user_sql` alone."""
        for attempt in range(1, ATTEMPTS + 1):
            (listings, summaries), known = self._recent() if attempt == 1 else self._list(), self._older
            files = [file for listing in listings.values() for file in (*listing.settled, *listing.parquet)]
            self._had_calls = listings["requests"].has_rows
            longest = [longest_line(listing) for listing in listings.values()]
            try:
                with (
                    ctrl_c.as_keyboard_interrupt(),
                    self._open(listings, known, summaries) as connection,
                    ctrl_c.interrupts(connection),
                ):
                    return question(connection)
            except duckdb.Error as error:
                if stopped := message_views.python_error(error):
                    raise stopped from error
                self._raise_trouble(error)
                parts = [part for path in summaries.values() for part in summary.parts(path)]
                # Decided by looking at the files, not by the words of the message: those change with each DuckDB.
                vanished = any(not file.exists() for file in (*files, *parts))
                grown = longest != [longest_line(listing) for listing in listings.values()]
                # Another thread may have found the same meanwhile: what counts is what this attempt did not know.
                broken, lacking = unreadable(listings), older_files(listings)
                self._raise_trouble(error)
                self._name(broken)
                older = lacking.keys() - known.keys()
                self._older = {**self._older, **lacking}
                torn = any(file in self._named for file in files)
                if not torn and not older and not isinstance(error, STATEMENT_ERRORS):
                    broken = [*damaged(listings), *damaged_summaries(summaries.values())]
                    self._raise_trouble(error)
                    self._name(broken)
                    torn = any(file in self._named for file in (*files, *parts))
                if not (vanished or grown or torn or older) or attempt == ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _raise_trouble(self, error: duckdb.Error) -> None:
        """Where a store did not answer, nothing is wrong with its files."""
        if self._bucket and (trouble := self._bucket.trouble):
            self._bucket.trouble = None
            raise trouble from error

    def _open(
        self, listings: dict[str, Listing], older: Mapping[Path, frozenset[str]], summaries: Mapping[Path, Path]
    ) -> Connection:
        """A connection with variables and temporary views of its own. Settled files that only grew are the same files: they
        are read when a question asks for them."""
        if not self._keeps:
            return _connect(self._data, listings, self._memory, older, summaries, bucket=self._bucket)
        files = [(listing.parquet, listing.settled, longest_line(listing)) for listing in listings.values()]
        with self._keeping:
            if self._kept is None or self._kept[0] != (files, older, summaries) or self._kept[2].is_full:
                connection = _connect(
                    self._data, listings, self._memory, older, summaries, holds=True, bucket=self._bucket
                )
                self._kept = (files, older, summaries), connection, SharedViews()
            cursor = self._kept[1].cursor()
            share(cursor, self._kept[2])
            if of_summaries := offered(self._kept[1]):
                offer(cursor, of_summaries)
            return cursor

    def files(self) -> dict[str, Listing]:
        """The files of each table that count now, without torn and foreign ones. Raises NotOurs, StoreTrouble."""
        return self._list()[0]

    def of_days(self, first: date, last: date) -> "Lake":
        """The same folder with the calls of these days alone, without summaries: files of other days are not opened. It keeps
        nothing."""
        lake = copy.copy(self)
        lake._days, lake._keeps, lake._listed, lake._has_summaries = (first, last), False, None, False
        return lake

    def connect(self) -> Connection:
        """A connection of its own with all views, to be closed by the caller; they are of this moment."""
        listings, _ = self._list()
        connection = _connect(self._data, listings, self._memory, older_files(listings), {}, bucket=self._bucket)
        message_views.add(connection)
        return connection

    def is_empty(self) -> bool:
        """Whether there is no file with calls at all. Where the last question found some, the files are not listed again:
        that takes 20 ms."""
        return not self._had_calls and not self._list()[0]["requests"].has_rows

    def fingerprint(self) -> frozenset[tuple[str, int]]:
        """Changes when calls were added: names and sizes of the files with requests."""
        listing = self._list()[0]["requests"]
        return frozenset((str(file), size(file)) for file in (*listing.settled, *listing.parquet))

    def all_files(self) -> frozenset[tuple[str, int]]:
        """Changes when rows of any table were added: names and sizes of all files. Raises NotOurs."""
        files = (file for listing in self._list()[0].values() for file in (*listing.settled, *listing.parquet))
        return frozenset((str(file), size(file)) for file in files)

    def _recent(self) -> _Listed:
        """What was listed a moment ago, so that the parts of a page share a listing. It is never older than what `all_files`
        said last."""
        listed = self._listed
        return listed[1] if listed and time.monotonic() - listed[0] < LISTED_FOR_S else self._list()

    def _list(self) -> _Listed:
        begun = time.monotonic()
        found = self._list_now()
        if self._keeps and (self._listed is None or self._listed[0] < begun):
            self._listed = begun, found
        return found

    def _list_now(self) -> _Listed:
        """The files of each table, and of `requests` file -> summary. Raises NotOurs for a folder that others can write to:
        what they plant in it must not be read."""
        refuse_unsafe(self._data)
        if self._bucket and not self._released:
            return self._listed_there(self._bucket)
        listings = self._released.beside(self._listed_here, self._days) if self._released else self._listed_here()
        for listing in listings.values():
            self._name((file, "not a file of ours") for file in listing.foreign)
            # A pipe or a device would hang the question that opens it.
            self._name((file, "not a regular file") for file in irregular(listing))
        listings = {table: _without(listing, self._named) for table, listing in listings.items()}
        summarised = listings["requests"].parquet if self._has_summaries else []
        return listings, self._good(summary.found(self._data, summarised))

    def _listed_here(self) -> dict[str, Listing]:
        # What was said of a call may be of any later day.
        return {
            table: visible_files(self._data, table, self._days if table in CALL_TABLES else None) for table in TABLES
        }

    def _listed_there(self, bucket: "Bucket") -> tuple[dict[str, Listing], Mapping[Path, Path]]:
        listings, summaries = bucket.listings(self._days)
        files = [file for listing in listings.values() for file in listing.parquet]
        self._name((file, f"is no longer in {bucket.url}") for file in files if not file.exists())
        listings = {table: _without(listing, self._named) for table, listing in listings.items()}
        return listings, self._good({file: path for file, path in summaries.items() if file not in self._named})

    def _good(self, summaries: Mapping[Path, Path]) -> Mapping[Path, Path]:
        """Those that can be read."""
        if not self._named:
            return summaries
        return {file: path for file, path in summaries.items() if self._named.isdisjoint(summary.parts(path))}

    def _name(self, files: Iterable[tuple[Path, str]]) -> None:
        """Tells of files that are left out from now on."""
        for file, why in files:
            if file not in self._named:
                self._named.add(file)
                self._warn(f"{file}: {why}; left out, not deleted")


def connect(data: Path) -> Connection:
    """The views over `data` as it is now, read-only and confined; close it when done. `Lake.ask` also survives merges."""
    return Lake(data).connect()


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
        parquet, settled, only_new = globs(data.absolute(), table)
        parts = {
            f"heliograph_{table}_parquet": (parquet, parquet_rows(table, parquet, has_older)),
            f"heliograph_{table}_settled": (
                settled,
                settled_rows(table, settled, longest_line(listing), only_new),
            ),
        }
        for name, (files, sql) in parts.items():
            either = f"case when count(*) > 0 then {literal(sql)} else {literal(no_rows(table))} end"
            settings.append(f"set variable {name} = (select {either} from glob({files}));")
        rows[table] = "\nunion all\n".join(f"from query(getvariable('{name}'))" for name in parts)
    return "\n\n".join(
        [
            "-- The views of heliograph for any DuckDB: heliograph sql --views > views.sql; duckdb -init views.sql\n"
            "-- While a day is being merged (a minute, after it ended) its calls may count twice here; `heliograph sql` knows better.\n"
            "-- The views messages and conversations are made in Python, so they are not here: heliograph sql 'from messages'\n"
            "set TimeZone = 'UTC';",
            *settings,
            views(rows, has_changes=True),
        ]
    )


def _bucket_of(data: Path) -> "Bucket | None":
    """As `bucket_of`. A folder that is one needs nothing of buckets: 10 ms to import."""
    if not url_of(data):
        return None
    from analysis.bucket import bucket_of

    return bucket_of(data)


def _connect(
    data: Path,
    listings: dict[str, Listing],
    memory: str | None,
    older: Mapping[Path, frozenset[str]],
    summaries: Mapping[Path, Path],
    *,
    holds: bool = False,
    bucket: "Bucket | None" = None,
) -> Connection:
    """`older`: the columns that some Parquet files lack. `summaries`: by file of `requests`. `holds`: small tables are read
    into memory now."""
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False, "temp_directory": ""}
    )
    try:
        connection.execute(
            "set TimeZone = 'UTC'; set parquet_metadata_cache = true;"
            f" set dynamic_or_filter_threshold = {_MOST_LOOKED_FOR}"
        )
        if memory:
            connection.execute(f"set memory_limit = {literal(memory)}")
        if bucket:
            bucket.register(connection)
        rows = {table: _rows(table, listing, older) for table, listing in listings.items()}
        changes = listings["property_changes"]
        has_changes = bool(changes.parquet or changes.settled)
        small = {table for table, listing in listings.items() if holds and _is_small(table, listing)}
        # Where all that the view is made of is in memory, it is a table: a level of 60 columns less in each plan.
        held = {"requests"} if "requests" in small and not (listings["requests"].settled or changes.settled) else set()
        for table in small - held:
            rows[table] = _hold(connection, table, listings[table], older)
        connection.execute(views(rows, has_changes=has_changes, held=held))
        if summaries:
            made_when_asked = summary_views(listings["requests"], older, summaries)
            offer(connection, SummaryViews(summary_columns(has_changes=has_changes), made_when_asked))
        _confine(connection, data, bucket)
    except BaseException:
        connection.close()
        raise
    return connection


def _rows(table: str, listing: Listing, older: Mapping[Path, frozenset[str]]) -> str:
    return rows_of(
        table,
        file_list(file for file in listing.parquet if file not in older),
        file_list(listing.settled),
        by_what_they_lack(listing.parquet, older),
        longest_line=longest_line(listing),
    )


def _is_small(table: str, listing: Listing) -> bool:
    """Whether its Parquet files are read into memory."""
    return table != _NEVER_HELD and bool(listing.parquet) and sum(map(size, listing.parquet)) <= HELD_BYTES


def _hold(connection: Connection, table: str, listing: Listing, older: Mapping[Path, frozenset[str]]) -> str:
    """Reads the Parquet files of a table into memory, which are never written again; `select` of all its rows. Opening
    a file for each day takes most of the time of a question over few calls: 5 in place of 35 ms over 30 days."""
    stored = _rows(table, replace(listing, settled=[]), older)
    connection.execute(f"create table {_HELD}{table} as {stored}")
    newer = f"\nunion all\n{_rows(table, replace(listing, parquet=[]), older)}" if listing.settled else ""
    return f"select * from {_HELD}{table}{newer}"


def _confine(connection: Connection, data: Path, bucket: "Bucket | None") -> None:
    """From here on SQL reads the lake and the settled lines only, and cannot undo that. Writing: see `fetch_user_sql`."""
    folders = [
        str(place / "") + "/" for name in ("lake", "settled") for place in (data / name, (data / name).resolve())
    ]
    # A folder with a "*" in its name is asked for as a pattern and then opened by its name: both must be allowed.
    allowed = dict.fromkeys([*folders, *(pattern(Path(folder)) + "/" for folder in folders)])
    if bucket:
        allowed[bucket.folder] = None
    connection.execute(f"set allowed_directories = [{', '.join(literal(folder) for folder in allowed)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _without(listing: Listing, left_out: set[Path]) -> Listing:
    return Listing(
        parquet=[file for file in listing.parquet if file not in left_out],
        settled=[file for file in listing.settled if file not in left_out],
        foreign=listing.foreign,
    )


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)
