import os
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import orjson
import pyarrow.parquet as pq
import pytest

from addon.settling.parquet import arrow_schema, read_parts, read_rows, write_parquet
from addon.settling.settled_files import dump_line, row_fields
from addon.storage.folders import Folders, make_folder
from addon.storage.lake import Listing, duckdb_columns, visible_files
from addon.storage.record import SCHEMA_VERSION, TABLES, BodyRow, EventRow, RequestRow
from tests.storage.calls import events

DAY = date(2026, 11, 21)
SEGMENT = "20261121T120000-0123456789abcdef-000001"

FULL = RequestRow(
    request_id="0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee",
    started_at=datetime(2026, 11, 21, 12, 0, 0, 5, tzinfo=UTC),
    provider_name="openai",
    operation_name="chat",
    finish_reasons=("stop", "length"),
    is_stream=True,
    overhead_ms=1.5,
    input_tokens=12,
    cost_nanousd=2**62,
    properties={"feature": "sök", "empty": ""},
)
BARE = RequestRow(
    request_id="0199aaaa-bbbb-7ccc-8ddd-000000000000",
    started_at=datetime(2026, 11, 21, 11, 0, tzinfo=UTC),
    provider_name="openai",
    operation_name="chat",
)


def write(folders: Folders, name: str, *rows: RequestRow, day: date = DAY) -> Path:
    """A Parquet file of the lake."""
    target = folders.lake_day("requests", day) / f"{name}.parquet"
    write_parquet(target, "requests", read_parts([dump_line(row_fields(row)) for row in rows], "requests"))
    return target


def settled(folders: Folders, *rows: RequestRow) -> Path:
    path = folders.settled_file("requests", SEGMENT, DAY)
    make_folder(path.parent)
    path.write_bytes(b"".join(dump_line(row_fields(row) | {"_call": "c", "_bodies_end": 1}) for row in rows))
    return path


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_a_row_comes_back_from_parquet_as_it_was(folders: Folders) -> None:
    path = write(folders, SEGMENT, FULL, BARE)
    (bare, full) = pq.read_table(path).to_pylist()  # in order of started_at
    for row, expected in ((full, FULL), (bare, BARE)):
        maps = {name: dict(row[name]) for name in ("properties", "usage_units", "price_factors")}
        assert row | maps | {"finish_reasons": tuple(row["finish_reasons"])} == {
            name: getattr(expected, name) for name in duckdb_columns("requests")
        }


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_in_every_file_with_the_schemas_version(folders: Folders, table: str) -> None:
    body = BodyRow(request_id="a", started_at=FULL.started_at)
    rows: list[RequestRow | BodyRow | EventRow] = [FULL, body, *events("a")]
    row = dict(zip(TABLES, rows, strict=True))[table]
    path = folders.parquet(table, SEGMENT, DAY)
    write_parquet(path, table, read_parts([dump_line(row_fields(row))], table))
    schema = pq.read_schema(path)
    assert schema.equals(arrow_schema(table))
    assert schema.metadata[b"heliograph_schema_version"] == str(SCHEMA_VERSION).encode()


def test_duckdb_reads_the_same_rows_from_settled_lines_and_from_parquet(folders: Folders) -> None:
    lines, parquet = settled(folders, FULL, BARE), write(folders, SEGMENT, FULL, BARE)
    columns = duckdb_columns("requests")
    with duckdb.connect() as db:
        from_lines = db.read_json(str(lines), columns=columns, format="newline_delimited")
        from_parquet = db.read_parquet(str(parquet))
        assert from_lines.columns == from_parquet.columns == list(columns)
        assert [str(kind) for kind in from_lines.types] == [str(kind) for kind in from_parquet.types]
        both = "select * replace (epoch_us(started_at) as started_at) from {} order by all"
        assert db.sql(both.format("from_lines")).fetchall() == db.sql(both.format("from_parquet")).fetchall()


def test_settled_rows_are_hidden_once_their_parquet_exists(folders: Folders) -> None:
    lines = settled(folders, FULL)
    assert visible_files(folders.data, "requests").settled == [lines]
    parquet = write(folders, SEGMENT, FULL)
    listing = visible_files(folders.data, "requests")
    assert (listing.parquet, listing.settled) == ([parquet], [])


def test_settled_rows_stay_hidden_when_their_parquet_was_replaced(folders: Folders) -> None:
    settled(folders, FULL)
    merged = write(folders, "c-0", FULL)
    merged.with_suffix(".replaces").write_text(f"{SEGMENT}.parquet\n")
    listing = visible_files(folders.data, "requests")
    assert (listing.parquet, listing.settled) == ([merged], [])


def test_a_note_hides_files_only_once_its_own_file_is_there(folders: Folders) -> None:
    old = write(folders, SEGMENT, FULL)
    note = old.with_name("c-0.replaces")
    note.write_text(f"{old.name}\n")
    assert visible_files(folders.data, "requests").parquet == [old]
    merged = write(folders, "c-0", FULL)
    assert visible_files(folders.data, "requests").parquet == [merged]


def test_what_is_torn_or_foreign_is_named_and_not_read(folders: Folders) -> None:
    good = write(folders, SEGMENT, FULL)
    torn = good.with_name("20261121T120000-0123456789abcdef-000002.parquet")
    torn.write_bytes(good.read_bytes()[:-10])
    empty = good.with_name("empty.parquet")
    empty.touch()
    foreign = good.with_name("notes.txt")
    foreign.touch()
    strays = [folders.lake("requests") / name for name in ("date=yesterday", "date=20261121", "date=2026-W47-6")]
    for stray in strays:
        stray.mkdir()
    make_folder(folders.settled("requests"))
    other = folders.settled("requests") / "mine.jsonl"
    other.touch()
    good.with_name(".x.parquet.tmp").touch()  # being written
    listing = visible_files(folders.data, "requests")
    assert listing.parquet == [good]
    assert sorted(listing.foreign) == sorted([torn, empty, foreign, *strays, other])


def test_a_day_that_was_read_before_is_read_again_once_something_came_or_went(folders: Folders) -> None:
    first = write(folders, SEGMENT, FULL)

    def visible(changed_at: float) -> Listing:
        os.utime(first.parent, (changed_at, changed_at))  # a folder that changed just now is read each time
        found = visible_files(folders.data, "requests")
        assert visible_files(folders.data, "requests") == found
        return found

    assert visible(1000).parquet == [first]
    second = write(folders, f"{SEGMENT}x", BARE)
    assert visible_files(folders.data, "requests").parquet == [first, second]
    assert visible(2000).parquet == [first, second]
    second.write_bytes(b"torn")
    assert visible(3000).foreign == [second]
    second.write_bytes(first.read_bytes())  # mended in its place, which its folder does not tell
    assert visible(3000).parquet == [first, second]
    first.unlink()
    assert visible(4000).parquet == [second]


def test_an_empty_data_folder_has_no_files(folders: Folders) -> None:
    listing = visible_files(folders.data, "requests")
    assert (listing.parquet, listing.settled, listing.foreign) == ([], [], [])


def test_settled_lines_without_a_column_that_was_added_since_have_null_in_it() -> None:
    lines = [row_fields(replace(FULL, agent="codex")), row_fields(BARE)]
    del lines[1]["agent"], lines[1]["repriced"]
    table = read_rows([dump_line(line) for line in lines], "requests")
    told = dict(zip(table["request_id"].to_pylist(), table["agent"].to_pylist(), strict=True))
    assert told == {FULL.request_id: "codex", BARE.request_id: None}


@pytest.mark.parametrize("microsecond, told", [(0, "00.000000Z"), (5, "00.000005Z"), (120_000, "00.120000Z")])
def test_the_time_in_a_settled_line_always_has_microseconds(microsecond: int, told: str) -> None:
    row = replace(FULL, started_at=FULL.started_at.replace(microsecond=microsecond))
    assert row_fields(row)["started_at"] == f"2026-11-21T12:00:{told}"


def test_a_settled_line_is_json_with_a_time_in_utc(folders: Folders) -> None:
    row = orjson.loads(dump_line(row_fields(FULL)))
    assert row["started_at"] == "2026-11-21T12:00:00.000005Z"
    assert row["properties"] == {"feature": "sök", "empty": ""}
