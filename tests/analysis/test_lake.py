"""The views: every row once, whatever files come, go or are broken; and nothing but the data folder can be reached."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Barrier

import duckdb
import pyarrow.parquet as pq
import pytest

from addon.settling.settled_files import SettledFile, row_fields
from addon.storage.folders import Folders
from addon.storage.lake import duckdb_columns
from addon.storage.record import ADDED_COLUMNS, FeedbackRow, RequestRow
from analysis.lake import Connection, Lake, connect, view_definitions
from analysis.table import NotAllowed, Table, fetch, fetch_user_sql
from tests.analysis.writing import body_of, made_up_rows, segment, settle, tell, to_parquet


def count(connection: Connection) -> int:
    return int(fetch(connection, "select count(*) from requests").rows[0][0])


def asking(sql: str) -> Callable[[Connection], Table]:
    return lambda connection: fetch_user_sql(connection, sql)


def test_every_row_comes_back_as_it_was_written(data: Path, rows: list[RequestRow]) -> None:
    with connect(data) as connection:
        found = list(fetch(connection, "from requests order by started_at").records())
    assert [row["request_id"] for row in found] == [row.request_id for row in rows]
    for written, read in zip(rows, found, strict=True):
        for name in duckdb_columns("requests"):
            expected = getattr(written, name)
            if isinstance(expected, datetime):
                expected = expected.replace(tzinfo=None)
            assert read[name] == (list(expected) if isinstance(expected, tuple) else expected), name
        assert read["date"] == written.started_at.date()
        cost = written.cost_nanousd
        assert read["cost_usd"] == (None if cost is None else pytest.approx(cost / 1e9, rel=1e-12))


def test_columns_stand_in_the_order_of_the_record_with_date_and_money_after_them(data: Path) -> None:
    with connect(data) as connection:
        columns = fetch(connection, "from requests limit 0").columns
        assert columns == (*duckdb_columns("requests"), "date", "cost_usd", "saved_usd")
        assert fetch(connection, "from bodies limit 0").columns == (*duckdb_columns("bodies"), "date")


def test_bodies_are_there_for_settled_and_for_parquet_rows(data: Path, rows: list[RequestRow]) -> None:
    with connect(data) as connection:
        found = fetch(connection, "select request_id, response_text from bodies order by request_id").rows
    assert found == [(row.request_id, "hello\nworld") for row in rows]


def test_sessions_and_users_add_up_to_their_calls(data: Path, rows: list[RequestRow]) -> None:
    with connect(data) as connection:
        sessions = {row["session_id"]: row for row in fetch(connection, "from sessions").records()}
        users = {row["user_id"]: row for row in fetch(connection, "from users").records()}
    assert set(sessions) == {row.session_id for row in rows if row.session_id}
    for session_id, session in sessions.items():
        calls = [row for row in rows if row.session_id == session_id]
        assert session["calls"] == len(calls)
        assert session["errors"] == sum(row.error_type is not None for row in calls)
        assert session["unpriced"] == sum(row.cost_nanousd is None for row in calls)
        starts = [int(row.started_at.timestamp() * 1000) for row in calls]
        ends = [start + (row.duration_ms or 0) for start, row in zip(starts, calls, strict=True)]
        assert session["duration_ms"] == max(ends) - min(starts)
    assert set(users) == {"ann", "bob"}
    assert users["ann"]["calls"] == sum(row.user_id == "ann" for row in rows)


def test_an_empty_folder_has_empty_views_with_all_columns(tmp_path: Path) -> None:
    with connect(tmp_path / "not-there") as connection:
        assert count(connection) == 0
        assert fetch(connection, "select sum(cost_usd), count(*) from sessions").rows == [(None, 0)]
        types = {row[0]: row[1] for row in fetch(connection, "describe requests").rows}
    assert types["started_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["properties"] == "MAP(VARCHAR, VARCHAR)"


def test_a_settled_file_beside_its_parquet_counts_once(tmp_path: Path) -> None:
    rows = made_up_rows(20)
    settle(tmp_path, rows, 1)
    to_parquet(tmp_path, rows, 1)
    with connect(tmp_path) as connection:
        assert count(connection) == 20


def test_a_file_that_vanishes_under_a_query_is_listed_anew(tmp_path: Path) -> None:
    rows = made_up_rows(20)
    to_parquet(tmp_path, rows[:10], 1)
    old = to_parquet(tmp_path, rows[10:], 2)
    asked = []

    def merged_meanwhile(connection: Connection) -> int:
        asked.append(connection)
        if len(asked) == 1:
            to_parquet(tmp_path, rows[10:], 3)
            for file in old:
                file.unlink()
        return count(connection)

    assert Lake(tmp_path).ask(merged_meanwhile) == 20
    assert len(asked) == 2


def test_torn_and_foreign_files_are_named_once_and_left_where_they_are(tmp_path: Path) -> None:
    rows = made_up_rows(20)
    (good, *_) = to_parquet(tmp_path, rows, 1)
    torn = good.with_name(f"{segment(2)}.parquet")
    torn.write_bytes(good.read_bytes()[:500])
    hollow = good.with_name(f"{segment(3)}.parquet")  # head and foot, and nothing that makes sense between
    hollow.write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    other = good.with_name(f"{segment(4)}.parquet")
    duckdb.sql(f"copy (select 1 as one) to '{other}'")
    note = Folders(tmp_path).settled("requests") / "note.txt"
    note.parent.mkdir(parents=True)
    note.write_text("hello")
    said: list[str] = []
    lake = Lake(tmp_path, said.append)
    here = len({row.started_at.date() for row in rows})
    assert here == 2
    assert lake.ask(count) == 20
    assert lake.ask(lambda connection: len(fetch(connection, "from requests").rows)) == 20
    for file in (torn, hollow, other, note):
        assert sum(str(file) in message for message in said) == 1, file
        assert file.exists()
    assert len(said) == 4


def without_added_columns(file: Path, table: str) -> None:
    """Makes of a Parquet file one as an earlier version wrote it."""
    pq.write_table(pq.ParquetFile(file).read().drop_columns(sorted(ADDED_COLUMNS[table])), file)


@pytest.mark.parametrize("old", [{0}, {1}, {0, 1}])
def test_a_file_of_an_earlier_version_has_null_where_columns_were_added(tmp_path: Path, old: set[int]) -> None:
    rows = [replace(row, failed_attempts="[]") for row in made_up_rows(20)]
    files = [*to_parquet(tmp_path, rows[:5], 1), *to_parquet(tmp_path, rows[5:10], 2)]
    settle(tmp_path, rows[10:], 3)
    for number in old:
        without_added_columns(files[number], "requests")
    lake = Lake(tmp_path, pytest.fail)
    asked = asking("select count(*), count(failed_attempts), count(request_model) from requests")
    assert lake.ask(asked).rows == [(20, 20 - 5 * len(old), 20)]
    assert lake.ask(asking("select count(*) from requests where failed_attempts is null")).rows == [(5 * len(old),)]
    with connect(tmp_path) as connection, duckdb.connect() as shell:
        assert count(connection) == 20
        shell.execute(view_definitions(tmp_path))
        assert shell.execute("select count(failed_attempts) from requests").fetchone() == (20 - 5 * len(old),)


def test_bodies_of_an_earlier_version_have_null_for_their_headers(tmp_path: Path) -> None:
    rows = made_up_rows(4)
    to_parquet(tmp_path, rows, 1)
    for file in Folders(tmp_path).lake("bodies").rglob("*.parquet"):
        without_added_columns(file, "bodies")
    found = Lake(tmp_path, pytest.fail).ask(asking("select response_text, response_headers from bodies limit 1"))
    assert found.rows == [("hello\nworld", None)]


def test_a_settled_line_that_is_not_a_row_is_skipped(tmp_path: Path) -> None:
    settle(tmp_path, made_up_rows(20)[:5], 1)
    (file,) = Folders(tmp_path).settled("requests").iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(
        b"".join([lines[0], b"\x00\xff nonsense\n", b"[1]\n", b'{"request_id": 5}\n', *lines[1:], b'{"req'])
    )
    assert Lake(tmp_path).ask(count) == 5


@pytest.mark.parametrize("name", ["plain", "it's [1] *?", "user_id=x", "date=1"])
def test_any_name_of_the_data_folder_works(tmp_path: Path, name: str) -> None:
    rows = made_up_rows(20)
    data = tmp_path / name
    to_parquet(data, rows[:10], 1)
    settle(data, rows[10:], 2)
    with connect(data) as connection:
        found = fetch(connection, "select user_id, date from requests order by started_at").rows
    assert found == [(row.user_id, row.started_at.date()) for row in rows]


def test_a_data_folder_behind_a_symbolic_link_works(tmp_path: Path) -> None:
    to_parquet(tmp_path / "real", made_up_rows(20), 1)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Lake(tmp_path / "link").ask(count) == 20


@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 1) to '{there}'",
        "copy (select 1) to '{data}/lake/x.csv'",
        "with x as (copy (select 1) to '{data}/lake/x.csv') select 1",
        "explain analyze with x as (copy (select 1) to '{data}/lake/x.csv') select 1",
        "explain /**/ analyze copy (select 1) to '{data}/lake/x.csv'",
        "from query('with x as (copy (select 1) to ''{data}/lake/x.csv'') select 1')",
        "copy requests from '{secret}'",
        "from read_csv('{secret}')",
        "from read_text('{secret}')",
        "from read_text('{data}/lake/../secret')",
        "from glob('{data}/*')",
        "from '{secret}'",
        "attach '{there}'",
        "attach '{data}/lake/x.db'",
        "install httpfs",
        "load httpfs",
        "from 'https://127.0.0.1:1/x.csv'",
        "export database '{there}'",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "pragma enable_profiling",
        "create table x as select 1",
        "drop view requests",
        "prepare x as copy (select 1) to '{there}'",
        "select 1; copy (select 1) to '{there}'",
        "",
    ],
)
def test_a_users_sql_reads_the_data_folder_and_nothing_else_and_writes_nothing(tmp_path: Path, statement: str) -> None:
    data = tmp_path / "data"
    to_parquet(data, made_up_rows(4), 1)
    (data / "secret").write_text("key")
    there = tmp_path / "there"
    before = sorted(data.rglob("*"))
    sql = statement.format(data=data, secret=data / "secret", there=there)
    with pytest.raises((duckdb.Error, NotAllowed)) as refused:
        Lake(data).ask(asking(sql))
    assert str(refused.value)
    assert not there.exists()
    assert sorted(data.rglob("*")) == before


@pytest.mark.parametrize(
    "statement",
    [
        "select count(*) from requests",
        "from requests limit 2;",
        "with x as (from requests) select count(*) from x -- a comment;",
        "describe requests",
        "show tables",
        "summarize requests",
        "explain select 1",
        "explain analyze select count(*) from requests",
        "from requests pivot (count(*) for provider_name in ('openai') group by user_id)",
        "values (1), (2)",
        "select list(started_at) as times, {'at': max(started_at)} as newest from requests",
    ],
)
def test_every_way_of_asking_is_allowed(data: Path, statement: str) -> None:
    assert Lake(data).ask(asking(statement)).rows


def test_a_message_shows_what_the_person_wrote(data: Path) -> None:
    with pytest.raises(duckdb.Error, match="select nix from requests"):
        Lake(data).ask(asking("select nix from requests"))


def test_the_printed_views_find_the_same_rows_in_any_duckdb(data: Path, rows: list[RequestRow], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    settle(copy, rows[:150], 1)  # still beside the Parquet file made of it
    with duckdb.connect() as plain:
        plain.execute(view_definitions(copy))
        assert plain.sql("select count(*), count(distinct request_id) from requests").fetchall() == [(400, 400)]
        assert plain.sql("select count(*) from bodies").fetchall() == [(400,)]
        assert plain.sql("select sum(calls) from users").fetchall() == [(sum(row.user_id is not None for row in rows),)]


def test_the_printed_views_of_an_empty_folder_are_empty(tmp_path: Path) -> None:
    with duckdb.connect() as plain:
        plain.execute(view_definitions(tmp_path))
        assert plain.sql("select count(*) from requests").fetchall() == [(0,)]


def test_short_lines_are_read_in_little_memory_however_many_threads_read(tmp_path: Path) -> None:
    rows = made_up_rows(60)
    for number in range(30):
        settle(tmp_path, rows[2 * number : 2 * number + 2], number)
    with duckdb.connect(config={"memory_limit": "1GB", "threads": 8, "temp_directory": ""}) as connection:
        connection.execute(view_definitions(tmp_path))
        assert count(connection) == 60
        assert fetch(connection, "select count(request_body) from bodies").rows == [(60,)]


def test_a_line_longer_than_duckdb_expects_is_read(tmp_path: Path) -> None:
    (row,) = made_up_rows(1)
    file = SettledFile(Folders(tmp_path), segment(1), row.started_at.date())
    file.append("call", row_fields(row), row_fields(replace(body_of(row), request_body="x" * 40 * 2**20)))
    file.close()
    assert Lake(tmp_path).ask(asking("select length(request_body) from bodies")).rows == [(40 * 2**20,)]


def test_the_printed_views_show_what_comes_to_a_table_that_was_empty(tmp_path: Path) -> None:
    text = view_definitions(tmp_path)
    rows = made_up_rows(20)
    settle(tmp_path, rows[:10], 1)
    tell(tmp_path, [FeedbackRow(request_id=rows[0].request_id, created_at=rows[0].started_at, rating=True)], 2)
    with duckdb.connect() as plain:
        plain.execute(text)
        assert plain.sql("select rating from feedback").fetchall() == [(True,)]
        assert plain.sql("select count(*) from requests").fetchall() == [(10,)]


def test_the_printed_views_hold_when_settled_lines_become_parquet(tmp_path: Path) -> None:
    rows = made_up_rows(20)
    settle(tmp_path, rows, 1)
    text = view_definitions(tmp_path)
    shutil.rmtree(tmp_path / "settled")
    to_parquet(tmp_path, rows, 1)
    with duckdb.connect() as plain:
        plain.execute(text)
        assert plain.sql("select count(*) from requests").fetchall() == [(20,)]


def test_a_pipe_among_the_settled_files_is_named_and_hangs_no_question(tmp_path: Path) -> None:
    settle(tmp_path, made_up_rows(5), 1)
    name = f"{segment(2)}.2026-11-01.jsonl"
    os.mkfifo(tmp_path / "settled" / "requests" / name)
    told: list[str] = []
    assert Lake(tmp_path, told.append).ask(count) == 5
    assert [line for line in told if name in line and "left out" in line]


@pytest.mark.parametrize("keeps", [False, True])
def test_questions_of_many_threads_find_older_and_torn_files_at_the_same_time(tmp_path: Path, keeps: bool) -> None:
    rows = made_up_rows(30)
    older, *_ = to_parquet(tmp_path, rows[:20], 1)
    *_, torn = to_parquet(tmp_path, rows[20:], 2)
    table = pq.read_table(older, partitioning=None)
    pq.write_table(table.drop_columns(["agent"]), older)
    lost = pq.read_metadata(torn).num_rows
    torn.write_bytes(b"PAR1" + b"x" * 100 + b"PAR1")
    lake, threads = Lake(tmp_path, lambda _: None, keeps=keeps), 8
    start = Barrier(threads)

    def count() -> int:
        start.wait()
        (found,) = lake.ask(
            lambda connection: connection.execute("select count(*), count(agent) from requests").fetchall()
        )
        return int(found[0])

    with ThreadPoolExecutor(threads) as pool:
        counts = [pool.submit(count) for _ in range(threads)]
    assert [each.result() for each in counts] == [len(rows) - lost] * threads


ENDLESS = "select count(*) from range(3000000) a, range(3000000) b where a.range * b.range % 7 = 3"


def ends_with_ctrl_c(folder: Path, question: str) -> None:
    """A program with this question, which Ctrl-C is sent to once it says that it begins, ends as by KeyboardInterrupt."""
    code = f"""
import pathlib
from analysis.lake import Lake
def question(connection):
{textwrap.indent(question, "    ")}
try:
    Lake(pathlib.Path({str(folder)!r})).ask(question)
except KeyboardInterrupt:
    print("ended")
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "it begins\n"
        process.send_signal(signal.SIGINT)
        try:
            assert process.communicate(timeout=60)[0] == "ended\n"
        finally:
            process.kill()


def test_ctrl_c_ends_a_question_as_it_ends_a_program(tmp_path: Path) -> None:
    ends_with_ctrl_c(tmp_path, f'print("it begins", flush=True)\nconnection.execute("{ENDLESS}")')


@pytest.mark.parametrize("statement", [ENDLESS, "select 1"])
def test_ctrl_c_is_not_lost_when_what_it_raised_is_dropped(tmp_path: Path, statement: str) -> None:
    """As by library code in C that looks for something in Python, and goes on without."""
    question = f"""
import time
try:
    print("it begins", flush=True)
    while True:
        time.sleep(60)
except KeyboardInterrupt:
    pass
connection.execute("{statement}")"""
    ends_with_ctrl_c(tmp_path, question.strip())
