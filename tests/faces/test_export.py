"""Exports: whole or not there, never in place of another file."""

import stat
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from addon.commands.sql import sql
from analysis.faces.export import write_new


def heliograph_sql(data: Path, target: Path, statement: str, *options: str) -> Result:
    return CliRunner().invoke(sql, ["--data", str(data), "--parquet", str(target), statement, *options])


def test_a_statement_becomes_a_parquet_file_with_its_types(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "calls.parquet"
    result = heliograph_sql(data, target, "from requests")
    assert result.exit_code == 0, result.output
    assert "400 rows" in result.stderr
    assert result.stdout == ""
    table = pq.read_table(target)
    assert table.num_rows == 400
    assert table.schema.field("started_at").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("cost_nanousd").type == pa.int64()
    assert table.schema.field("properties").type == pa.map_(pa.string(), pa.string())
    assert table.schema.field("reasoning_output_tokens").type == pa.int64()  # nothing is known of it in any row
    assert [file.name for file in tmp_path.iterdir()] == ["calls.parquet"]


def test_columns_with_the_same_name_are_told_apart(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "two.parquet"
    assert heliograph_sql(data, target, "select 1 as a, 'x' as a").exit_code == 0
    assert pq.read_table(target).to_pylist() == [{"a": 1, "a_2": "x"}]


@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_that_is_there_stays_as_it_was(data: Path, tmp_path: Path, is_link: bool) -> None:
    target = tmp_path / "mine.parquet"
    if is_link:
        target.symlink_to(tmp_path / "nowhere")
    else:
        target.write_text("mine")
    result = heliograph_sql(data, target, "select 1")
    assert result.exit_code == 2
    assert "exists already, and an export never overwrites" in result.stderr
    assert target.is_symlink() if is_link else target.read_text() == "mine"


@pytest.mark.parametrize(
    ("statement", "exit_code", "says"),
    [
        ("select union_value(a := 1)", 1, "Parquet has no such type; cast the column"),
        ("select error('no') from requests", 1, "no"),
        ("selct 1", 2, "syntax error"),
    ],
)
def test_a_statement_that_fails_leaves_no_file(
    data: Path, tmp_path: Path, statement: str, exit_code: int, says: str
) -> None:
    result = heliograph_sql(data, tmp_path / "x.parquet", statement)
    assert result.exit_code == exit_code
    assert says in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_and_two_formats_are_wrong_usage(data: Path, tmp_path: Path) -> None:
    result = heliograph_sql(data, tmp_path / "no" / "x.parquet", "select 1")
    assert (result.exit_code, "does not exist" in result.stderr) == (2, True)
    result = heliograph_sql(data, tmp_path / "x.parquet", "select 1", "--csv")
    assert (result.exit_code, "--csv and --parquet: choose one" in result.stderr) == (2, True)


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def half(file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_new(tmp_path / "x", half)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "x"

    def slow(file: IO[bytes]) -> None:
        file.write(b"ours")
        target.write_bytes(b"theirs")

    with pytest.raises(FileExistsError, match="never overwrites"):
        write_new(target, slow)
    assert target.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [target]


def test_others_may_read_the_file_as_the_umask_allows(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_new(tmp_path / "x", lambda file: None)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
