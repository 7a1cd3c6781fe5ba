"""Every report on DuckDB and on a real Spark, over one lake: each cell is the same.

One session for the whole file, without code generation, which takes longer than these questions run.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from addon.commands.report import report
from addon.storage.lake import Listing
from addon.storage.record import EventRow, FeedbackRow, PropertyChangeRow, RequestRow, ScoreRow
from analysis.engines.asking import Spark, answered, told_under
from analysis.engines.spark_session import NoSpark, Session, SparkFailed
from analysis.lake import Connection, Lake
from analysis.reports import unpriced
from analysis.reports.asking import answer
from analysis.reports.question import Question
from analysis.reports.reading import read_question
from analysis.reports.report import REPORTS
from analysis.reports.shelf import read_shelf
from analysis.reports.zone import zone_of
from analysis.table import Table, fetch
from tests.analysis.writing import FIRST_DAY, made_up_rows, settle, tell, to_parquet

# `scripts/test --spark` installs both and sets the variable to a master: then nothing is skipped.
MUST_RUN = "HELIOGRAPH_TEST_SPARK" in os.environ
HAS_SPARK = find_spec("pyspark") is not None and shutil.which("java") is not None
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not HAS_SPARK and not MUST_RUN, reason="pyspark or Java is not installed; scripts/test --spark installs both"
    ),
]

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)  # a Monday: the rows are those of the week before
DIGITS = 12  # of a sum of doubles: the order of its parts is not fixed
CONF = {
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.executor.memory": "512m",
}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    try:
        session = Session(os.environ.get("HELIOGRAPH_TEST_SPARK", "local[2]"), CONF)
    except NoSpark as error:  # too little memory for a JVM
        if MUST_RUN:
            raise
        pytest.skip(str(error))
    yield session
    session.close()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Parquet and settled lines, a file that a merge replaced, retries, cache hits, equal calls, ratings, scores, changes."""
    data = tmp_path_factory.mktemp("data") / "with [brackets] and a=b"
    data.mkdir()
    rows = [_richer(number, row) for number, row in enumerate(made_up_rows(240))]
    original = {row.request_model: row.request_id for row in reversed(rows)}
    rows = [replace(row, cache_reference_id=row.cache_reference_id and original[row.request_model]) for row in rows]
    rows += [_old(row, day) for day in range(1, 12) for row in rows[:3]]  # a habit
    to_parquet(data, rows[:100], 1)
    to_parquet(data, rows[:100], 2)  # again: the first ones are replaced
    for table in ("requests", "bodies"):
        for folder in sorted((data / "lake" / table).iterdir()):
            for file in sorted(folder.glob("*-000002.parquet")):
                target = file.with_name("c-20261119T000000-00000000000000aa.parquet")
                file.rename(target)
                target.with_suffix(".replaces").write_text(file.name.replace("000002", "000001") + "\n")
    to_parquet(data, rows[100:200], 3)
    settle(data, rows[200:], 4)
    tell(data, list(_events(rows)), 5, parquet=True)
    tell(data, [PropertyChangeRow(request_id=rows[3].request_id, created_at=NOW, name="feature", value="late")], 6)
    return Lake(data)


def _richer(number: int, row: RequestRow) -> RequestRow:
    failed = json.dumps([{"host": "other.example", "started_ms": 3, "duration_ms": number}])
    return replace(
        row,
        client=f"agent-{number % 3}/1.{number % 2} (linux)",
        client_command=("python", "node")[number % 2],
        client_repository=(None, "shop", "site")[number % 3],
        session_path=(None, "/plan", "/plan/search", "/")[number % 4],
        cache_status=("hit", "miss", "coalesced", None, None)[number % 5],
        cache_reference_id=f"0199f000-0000-7000-8000-{number // 10:012x}" if number % 5 in (0, 2) else None,
        saved_nanousd=number * 1000 if number % 5 == 0 else None,
        attempts=2 if number % 7 == 0 else 1,
        failed_attempts=failed if number % 7 == 0 else None,
        fallback_index=number % 2 if number % 7 == 0 else None,
        request_bytes=number % 4,
        input_tokens=number % 2 if row.input_tokens is not None and number % 3 == 0 else row.input_tokens,
        cache_read_input_tokens=0 if number % 3 == 0 else None,
        properties={**row.properties, "it's": "a \\ b"} if number % 11 == 0 else row.properties,
    )


def _old(row: RequestRow, day: int) -> RequestRow:
    begun = row.started_at - timedelta(days=day)
    tokens = None if row.input_tokens is None else row.input_tokens % 7 + 1
    return replace(row, request_id=f"{row.request_id[:-6]}a{day:05x}", started_at=begun, input_tokens=tokens)


def _events(rows: list[RequestRow]) -> Iterator[EventRow]:
    for number, row in enumerate(rows):
        at = FIRST_DAY + timedelta(days=2, seconds=number)
        if number % 3 == 0:
            yield FeedbackRow(request_id=row.request_id, created_at=at, rating=number % 2 == 0)
        if number % 4 == 0:
            yield ScoreRow(request_id=row.request_id, created_at=at, name="helpful", value=number / 7)


def question(name: str, **asked: Any) -> Question:
    return read_question(name, now=NOW, zone=zone_of("Europe/Berlin"), **asked)


def on_spark(session: Session, lake: Lake, asked: Question) -> Table:
    with answered(Spark(session, lake), asked) as (connection, sql):
        return fetch(connection, sql)


def on_duckdb(lake: Lake, asked: Question) -> Table:
    return lake.ask(lambda connection: answer(connection, asked))


def rounded(table: Table) -> list[tuple[Any, ...]]:
    return [tuple(_rounded(value) for value in row) for row in table.rows]


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def check_same(session: Session, lake: Lake, asked: Question) -> Table:
    theirs, ours = on_spark(session, lake, asked), on_duckdb(lake, asked)
    assert theirs.columns == ours.columns
    assert rounded(theirs) == rounded(ours)
    return ours


# Without a row here nothing would be compared.
MAY_BE_EMPTY = ("tools",)  # the bodies of these calls have none


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_has_the_same_cells(session: Session, lake: Lake, name: str) -> None:
    found = check_same(session, lake, question(name, limit=1000))
    assert found.rows or name in MAY_BE_EMPTY


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("costs", {"by": "model,user,property:feature,week,month,hour", "where": "properties['feature'] is not null"}),
        ("models", {"every": "hour", "compare": "previous", "since": "2026-11-20", "until": "2026-11-21"}),
        ("errors", {"by": "user,is_stream"}),
        ("summary", {"where": "user = 'nobody'"}),  # of no calls there is a row, too
        ("latency", {"by": "is_stream", "limit": 0}),
    ],
)
def test_a_report_that_is_asked_otherwise_has_the_same_cells(
    session: Session, lake: Lake, name: str, asked: dict[str, Any]
) -> None:
    asked_question = question(name, **asked)
    theirs, ours = on_spark(session, lake, asked_question), on_duckdb(lake, asked_question)
    assert ours.rows
    assert theirs.columns == ours.columns
    assert sorted(map(repr, rounded(theirs))) == sorted(map(repr, rounded(ours)))  # equal ones may change places


def test_the_lines_under_a_report_are_the_same(session: Session, lake: Lake) -> None:
    asked = question("costs")

    def ours(connection: Connection) -> Any:
        answer(connection, asked)
        return unpriced.told_under(connection)

    with answered(Spark(session, lake), asked) as (connection, _):
        assert told_under(Spark(session, lake), connection, asked.scope) == lake.ask(ours)


def test_what_spark_refuses_is_told_in_a_line(session: Session) -> None:
    with pytest.raises(SparkFailed) as told:
        session.arrow("select nothing from nowhere")
    assert "nowhere" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_person_s_report_runs_on_spark(session: Session, lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text(
        "-- Mine?\nselect model, median(duration_ms) as middle, any_value(model) as any from calls"
        " group by model order by 1 limit 2"
    )
    asked = read_question("mine", shelf=read_shelf(tmp_path, tmp_path), now=NOW, zone=zone_of("UTC"))
    assert len(check_same(session, lake, asked).rows) == 2


class MergedWhileAsked(Lake):
    """A merge replaces each file right after it is listed for the first time."""

    def files(self) -> dict[str, Listing]:
        listed = super().files()
        for listing in listed.values():
            for file in listing.parquet:
                if not file.name.startswith("c-"):
                    file.rename(file.with_name("c-20261119T000000-00000000000000aa.parquet"))
        return listed


@pytest.mark.parametrize("name", ["costs", "cache"])  # `cache` reads calls outside of the window as well
def test_a_question_is_asked_again_when_a_merge_took_a_file_away(session: Session, tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    to_parquet(data, made_up_rows(60), 1)
    asked = question(name, where="is_stream")
    expected = on_duckdb(Lake(data), asked)

    assert rounded(on_spark(session, MergedWhileAsked(data), asked)) == rounded(expected)


def test_the_command_asks_spark(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    to_parquet(data, made_up_rows(60), 1)
    monkeypatch.setattr(session, "close", lambda: None)  # the one session of this file is used on
    words = ["costs", "--data", str(data), "--by", "model", "--since", "2026-11-01", "--until", "2026-12-01", "--json"]
    on_duckdb = CliRunner().invoke(report, words)
    done = CliRunner().invoke(report, [*words, "--engine", "spark", "--master", session.master])
    assert (done.exit_code, json.loads(done.stdout)) == (0, json.loads(on_duckdb.stdout))
