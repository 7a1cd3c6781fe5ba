"""`heliograph export requests`: every row once, in each format, never in place of another file."""

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from addon.commands.export import export
from addon.settling.parquet import read_parts, write_parquet
from addon.settling.settled_files import dump_line, row_fields
from addon.storage.folders import Folders
from addon.storage.record import BodyRow, RequestRow
from analysis.exports import rows as rows_module
from analysis.lake import Lake
from analysis.reports.scope import Scope
from analysis.reports.window import EVER
from tests.analysis.writing import FIRST_DAY, made_up_rows, segment, settle, to_parquet

SINCE = ("--since", "1970-01-01", "--tz", "UTC")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 calls over two days, 300 of them in Parquet."""
    folder = tmp_path_factory.mktemp("data")
    made = made_up_rows(400)
    to_parquet(folder, made[:300], 1)
    settle(folder, made[300:], 2)
    return folder


def export_requests(data: Path, *options: object) -> Result:
    return CliRunner().invoke(export, ["requests", "--data", str(data), *SINCE, *map(str, options)])


def test_json_lines_have_every_row_in_order_of_time(data: Path) -> None:
    result = export_requests(data)
    assert result.exit_code == 0, result.output
    told = [json.loads(line) for line in result.stdout.splitlines()]
    made = made_up_rows(400)
    assert [row["request_id"] for row in told] == [row.request_id for row in made]
    assert told[0]["started_at"] == "2026-11-19T00:00:00Z"
    assert told[7]["properties"] == made[7].properties
    assert told[7]["finish_reasons"] == ["stop"]
    assert {row["cost_nanousd"] for row in told} >= {None, 0}  # not known is null, free is 0
    assert "400 calls since 1970-01-01" in result.stderr
    assert "request_body" not in told[0]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_bodies_stand_beside_their_rows(data: Path, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"calls.{ending}"
    result = export_requests(data, "--bodies", "-o", target)
    assert result.exit_code == 0, result.output
    assert f"{target}: 400 calls" in result.stderr
    assert result.stdout == ""
    if ending == "csv":
        records: Sequence[dict[str, object]] = list(csv.DictReader(io.StringIO(target.read_text())))
    elif ending == "jsonl":
        records = [json.loads(line) for line in target.read_text().splitlines()]
    else:
        records = pq.read_table(target).to_pylist()
    assert sorted(str(row["request_id"]) for row in records) == [row.request_id for row in made_up_rows(400)]
    assert {row["request_body"] for row in records} == {'{"messages": []}'}
    assert {row["response_text"] for row in records} == {"hello\nworld"}
    assert [file.name for file in tmp_path.iterdir()] == [target.name]


def test_parquet_keeps_types_and_zones(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "calls.parquet"
    assert export_requests(data, "--bodies", "-o", target).exit_code == 0
    schema = pq.read_schema(target)
    assert schema.field("started_at").type.unit == "us"
    assert schema.field("started_at").type.tz in ("UTC", "Etc/UTC")
    assert schema.field("properties").type == pa.map_(pa.string(), pa.string())
    assert schema.field("finish_reasons").type == pa.list_(pa.field("l", pa.string()))
    assert schema.field("reasoning_output_tokens").type == pa.int64()


def test_only_calls_that_fit_are_written(data: Path) -> None:
    result = export_requests(data, "--where", "properties['feature'] = 'chat' and status = 200")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    wanted = [row for row in made_up_rows(400) if row.properties.get("feature") == "chat" and row.status == 200]
    assert [row["request_id"] for row in told] == [row.request_id for row in wanted]


def test_a_call_without_kept_bodies_is_written_without_them(tmp_path: Path) -> None:
    rows = made_up_rows(3)
    to_parquet(tmp_path, rows, 1)
    for file in Folders(tmp_path).lake("bodies").glob("*/*.parquet"):
        file.unlink()
    result = export_requests(tmp_path, "--bodies")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["request_id"] for row in told] == [row.request_id for row in rows]
    assert {row["request_body"] for row in told} == {None}


def test_a_body_belongs_to_the_call_that_began_when_it_did(tmp_path: Path) -> None:
    """The id is the caller's, and may repeat."""
    first, second = made_up_rows(2)
    second = dataclasses.replace(second, request_id=first.request_id, started_at=FIRST_DAY.replace(hour=5))
    _write(tmp_path, [first, second], ["one", "two"])
    result = export_requests(tmp_path, "--bodies")
    told = {row["started_at"]: row["request_body"] for row in map(json.loads, result.stdout.splitlines())}
    assert told == {"2026-11-19T00:00:00Z": "one", "2026-11-19T05:00:00Z": "two"}


def test_a_day_of_many_calls_is_read_in_slices(data: Path) -> None:
    scope = Scope(EVER)
    lake = Lake(data)
    pieces = lake.ask(lambda connection: rows_module.slices(connection, scope, most=30))
    assert len(pieces) == 14  # 200 calls a day
    for with_bodies in (False, True):
        tables: list[pa.Table] = []
        rows_module.export(lake, scope, pieces, tables.append, with_bodies=with_bodies)
        ids = [request_id for table in tables for request_id in table["request_id"].to_pylist()]
        assert sorted(ids) == [row.request_id for row in made_up_rows(400)]


def test_calls_of_one_moment_are_one_slice(tmp_path: Path) -> None:
    same = [dataclasses.replace(row, started_at=FIRST_DAY) for row in made_up_rows(20)]
    to_parquet(tmp_path, same, 1)
    pieces = Lake(tmp_path).ask(lambda connection: rows_module.slices(connection, Scope(EVER), most=5))
    tables: list[pa.Table] = []
    rows_module.export(Lake(tmp_path), Scope(EVER), pieces, tables.append, with_bodies=True)
    assert sum(table.num_rows for table in tables) == 20


def test_csv_holds_no_formulas(tmp_path: Path) -> None:
    """Bodies, users and properties may come from anybody, and a spreadsheet runs what begins like a formula."""
    texts = ['=HYPERLINK("http://x.example")', "+1+cmd", "-2+3", "@SUM(A1)", "\tx", "-5", "+49.30", "- a list", "plain"]
    rows = [
        dataclasses.replace(row, user_id=text, started_at=row.started_at.replace(microsecond=number))
        for number, (row, text) in enumerate(zip(made_up_rows(len(texts)), texts, strict=True))
    ]
    to_parquet(tmp_path, rows, 1)
    result = export_requests(tmp_path, "--format", "csv")
    users = [row["user_id"] for row in csv.DictReader(io.StringIO(result.stdout, newline=""))]
    assert users == [text if text in ("-5", "+49.30", "plain") else f"'{text}" for text in texts]
    kept = [json.loads(line)["user_id"] for line in export_requests(tmp_path).stdout.splitlines()]
    assert kept == texts


def test_words_that_are_not_unicode_are_written(tmp_path: Path) -> None:
    _write(tmp_path, made_up_rows(1), ["caf\u00e9 \U0001f600"])
    assert "café 😀" in export_requests(tmp_path, "--bodies").stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-o", "calls.txt"), "name a .csv, .jsonl or .parquet file, or give --format"),
        (("-o", "no-such-folder/calls.csv"), "the folder no-such-folder does not exist"),
        (("--where", "modle = 'x'"), "there is no column 'modle'"),
        (("--where", "status = 'two'"), "is not a condition"),
        (("--since", "yesterdya"), "is not a time"),
        (("--format", "xlsx"), "'xlsx' is not one of"),
    ],
)
def test_wrong_inputs_are_wrong_usage(data: Path, options: tuple[str, ...], says: str) -> None:
    result = export_requests(data, *options)
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr
    assert result.stdout == ""


def test_a_file_that_is_there_stays_as_it_was(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.csv"
    target.write_text("mine")
    result = export_requests(data, "-o", target)
    assert result.exit_code == 2
    assert "exists already, and an export never overwrites" in result.stderr
    assert target.read_text() == "mine"


def test_where_nothing_fits_it_says_how_to_look_further_back(data: Path) -> None:
    result = export_requests(data, "--where", "user_id = 'nobody'")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no calls that fit since 1970-01-01; --since 365d looks further back" in result.stderr


def _write(data: Path, rows: Sequence[RequestRow], request_bodies: Sequence[str]) -> None:
    """As one day's Parquet files, with these bodies."""
    bodies = [
        BodyRow(request_id=row.request_id, started_at=row.started_at, request_body=body)
        for row, body in zip(rows, request_bodies, strict=True)
    ]
    day = datetime(2026, 11, 19, tzinfo=UTC).date()
    for table, records in (("requests", rows), ("bodies", bodies)):
        target = Folders(data).parquet(table, segment(1), day)
        write_parquet(target, table, read_parts([dump_line(row_fields(record)) for record in records], table))
