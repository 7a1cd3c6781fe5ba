"""The calls of a scope with their bodies, a piece at a time, so that any number of them fits into memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final

import pyarrow as pa

from addon.storage.lake import duckdb_columns
from analysis.exports.slices import days
from analysis.lake import Connection, Lake
from analysis.reports.scope import Scope, open_scope

# Rows without bodies that are in memory at once, about 100 MB. Each slice reads the bodies of its time once; merged bodies are
# sorted by session within hours, so that smaller slices would read the same bodies again and again.
SLICE_ROWS: Final = 100_000
BODIES_AT_ONCE: Final = 64  # a body may have 16 MB

ROW_COLUMNS: Final = (*duckdb_columns("requests"), "cost_usd", "saved_usd")
BODY_COLUMNS: Final = tuple(name for name in duckdb_columns("bodies") if name not in ("request_id", "started_at"))

Emit = Callable[[pa.Table], None]
_Key = tuple[str, datetime]  # ids may repeat, so a body belongs to the call that began when it did
_ROWS_NAMED: Final = ", ".join(ROW_COLUMNS)
_BODIES_NAMED: Final = ", ".join(BODY_COLUMNS)
_OF_SLICE: Final = "date = $day and started_at >= $since and started_at < $until"
_ROWS: Final = f"select {_ROWS_NAMED} from calls where {_OF_SLICE} order by started_at, request_id"
_BODIES: Final = f"""select request_id, started_at, {_BODIES_NAMED} from bodies
    where {_OF_SLICE} and request_id in (select unnest(cast($ids as varchar[])))"""


@dataclass(frozen=True, slots=True)
class Slice:
    """Calls of one day from `since`, inclusive, up to `until`, exclusive (UTC)."""

    day: date
    since: datetime
    until: datetime
    rows: int


def slices(connection: Connection, scope: Scope, most: int = SLICE_ROWS) -> list[Slice]:
    """The calls of a scope, oldest first, cut into pieces of about `most` rows."""
    return [piece for day, rows in days(connection, scope) for piece in _of_day(connection, day, rows, most)]


def _of_day(connection: Connection, day: date, rows: int, most: int) -> Iterator[Slice]:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = begin + timedelta(days=1)
    pieces = -(-rows // most)
    if pieces == 1:
        yield Slice(day, begin, end, rows)
        return
    shares = [number / pieces for number in range(1, pieces)]
    found = connection.execute(
        "select quantile_disc(epoch_us(started_at), cast($shares as double[])) from calls where date = $day",
        {"shares": shares, "day": day},
    ).fetchone()
    moments = [datetime.fromtimestamp(us / 1e6, UTC) for us in dict.fromkeys(found[0] if found else ())]
    bounds = [begin, *moments, end]
    for since, until in pairwise(bounds):
        if since < until:
            yield Slice(day, since, until, rows // pieces)


def schema(lake: Lake, scope: Scope, with_bodies: bool) -> pa.Schema:
    """Of the tables that `export` hands on. Raises BadCondition."""

    def ask(connection: Connection) -> pa.Schema:
        open_scope(connection, scope)
        rows = connection.sql(f"select {_ROWS_NAMED} from calls limit 0").to_arrow_table().schema
        bodies = connection.sql(f"select {_BODIES_NAMED} from bodies limit 0").to_arrow_table().schema
        return pa.schema([*rows, *(bodies if with_bodies else ())])

    return lake.ask(ask)


def export(lake: Lake, scope: Scope, pieces: Sequence[Slice], emit: Emit, *, with_bodies: bool) -> None:
    """Hands on all rows once, in tables of the columns of `schema`. Without bodies they are in order of time; with bodies only
    the slices are, as bodies come in the order in which they are stored.

    Each slice is a question of its own: files that are merged meanwhile cost no more than one of them.
    """
    for piece in pieces:
        _Export(scope, piece, emit, with_bodies).run(lake)


class _Export:
    """One slice. Asked again, it hands on only what it did not before."""

    def __init__(self, scope: Scope, piece: Slice, emit: Emit, with_bodies: bool) -> None:
        self._scope, self._piece, self._emit, self._with_bodies = scope, piece, emit, with_bodies
        self._rows: pa.Table | None = None
        self._left: dict[_Key, int] = {}  # rows that were not handed on yet

    def run(self, lake: Lake) -> None:
        lake.ask(self._ask)

    def _ask(self, connection: Connection) -> None:
        open_scope(connection, self._scope)
        if self._rows is None:
            self._rows = self._read_rows(connection)
            if not self._with_bodies:
                self._emit(self._rows)
                return
            self._left = dict(zip(_keys(self._rows), range(self._rows.num_rows), strict=True))
        self._join(connection, self._rows)

    def _read_rows(self, connection: Connection) -> pa.Table:
        return connection.sql(_ROWS, params=self._bounds()).to_arrow_table()

    def _join(self, connection: Connection, rows: pa.Table) -> None:
        """Not in SQL: DuckDB does not know how wide bodies are, and would hold all of them in memory for a join."""
        ids = [request_id for request_id, _ in self._left]
        reader = connection.sql(_BODIES, params={**self._bounds(), "ids": ids}).to_arrow_reader(BODIES_AT_ONCE)
        for batch in reader:
            bodies = pa.Table.from_batches([batch])
            places = [self._left.pop(key, None) for key in _keys(bodies)]
            found = bodies.filter(pa.array(place is not None for place in places))
            self._hand_on(_taken(rows, places), found.select(BODY_COLUMNS))
        without = _taken(rows, self._left.values())
        nothing = [pa.nulls(without.num_rows, reader.schema.field(name).type) for name in BODY_COLUMNS]
        self._left.clear()
        self._hand_on(without, pa.table(nothing, names=list(BODY_COLUMNS)))

    def _hand_on(self, rows: pa.Table, bodies: pa.Table) -> None:
        if rows.num_rows:
            self._emit(pa.table([*rows.columns, *bodies.columns], names=[*ROW_COLUMNS, *BODY_COLUMNS]))

    def _bounds(self) -> dict[str, object]:
        return {"day": self._piece.day, "since": self._piece.since, "until": self._piece.until}


def _taken(rows: pa.Table, places: Iterable[int | None]) -> pa.Table:
    return rows.take(pa.array([place for place in places if place is not None], pa.int64()))


def _keys(table: pa.Table) -> list[_Key]:
    return list(zip(table["request_id"].to_pylist(), table["started_at"].to_pylist(), strict=True))
