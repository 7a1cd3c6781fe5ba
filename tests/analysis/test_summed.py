"""Summaries against the scan: whatever is asked, the answer is that of the calls themselves."""

import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from addon.settling.merge import merge_day, merge_files
from addon.settling.summarise import summarise_all
from addon.storage import summary
from addon.storage.folders import Folders
from addon.storage.record import PropertyChangeRow, RequestRow
from analysis.dashboard.pages import run
from analysis.lake import Connection, Lake
from analysis.reports.asking import answer
from analysis.reports.question import Question
from analysis.reports.reading import read_question
from analysis.reports.report import REPORTS, load, load_internal
from analysis.reports.scope import Scope, open_scope, set_variables, words_of
from analysis.reports.unpriced import told_under
from analysis.reports.zone import zone_of
from analysis.summary_views import columns_of
from analysis.table import fetch
from tests.analysis.writing import FIRST_DAY, made_up_rows, settle, tell, to_parquet

NOW = FIRST_DAY + timedelta(days=2)
DAYS = (FIRST_DAY.date(), FIRST_DAY.date() + timedelta(days=1))
SUMMED = tuple(name for name in REPORTS if {"calls_summed", "calls_by_session"} & words_of(load(name).sql))


def alike(rows: list[RequestRow], seed: int) -> list[RequestRow]:
    """As many calls, each like one of the first ten in all but its id, time and numbers, within six short times."""
    dice = random.Random(seed)
    moments = [FIRST_DAY + timedelta(minutes=dice.randrange(2 * 24 * 60)) for _ in range(6)]
    return [_like(dice.choice(rows[:10]), row.request_id, dice.choice(moments), dice) for row in rows]


def _like(row: RequestRow, request_id: str, moment: datetime, dice: random.Random) -> RequestRow:
    return replace(
        row,
        request_id=request_id,
        started_at=min(moment + timedelta(seconds=dice.randrange(1500)), NOW - timedelta(seconds=1)),
        session_id=row.session_id and "one session",
        duration_ms=dice.randrange(9000),
        input_tokens=None if row.input_tokens is None else dice.randrange(2000),
        output_tokens=None if row.output_tokens is None else dice.randrange(500),
        cost_nanousd=None if row.cost_nanousd is None else dice.randrange(10**7),
        saved_nanousd=dice.choice([None, 5]) if row.cache_status else None,
    )


def merged(data: Path, rows: list[RequestRow]) -> None:
    """The rows as one merged file a day, with its summary."""
    to_parquet(data, rows[::2], 1)
    to_parquet(data, rows[1::2], 2)
    folders = Folders(data)
    for day in DAYS:
        merge_day(folders, "requests", day)
        for replaced in folders.lake_day("requests", day).glob("2*.parquet"):
            replaced.unlink()
    summarise_all(folders, least_bytes=0)


def summaries(data: Path) -> list[Path]:
    return sorted(summary.folder(data).glob("*/*.parquet"))


def ask(data: Path, question: Question) -> tuple[object, object, bool]:
    """The rows, the footer, and whether summaries were asked."""

    def asked(connection: Connection) -> tuple[object, object, bool]:
        table = answer(connection, question)
        views = connection.execute(
            "select sql from duckdb_views() where view_name in ('calls_summed', 'calls_by_session')"
        ).fetchall()
        return table, told_under(connection), any(_of_summaries(sql) for (sql,) in views)

    return Lake(data).ask(asked)


def _of_summaries(sql: str) -> bool:
    return any(f"lake_{kind}" in sql for kind in ("summaries", "brief", "sessions"))


def check(data: Path, question: Question, *, uses_summaries: bool = True) -> None:
    *with_them, used = ask(data, question)
    assert used == uses_summaries
    aside = data / "aside"
    shutil.move(summary.folder(data), aside)
    try:
        *without, _ = ask(data, question)
    finally:
        shutil.move(aside, summary.folder(data))
    assert with_them == without


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("summed")
    merged(data, alike(made_up_rows(600), 1))
    assert len(summaries(data)) == 2
    return data


def asked(name: str, *, tz: str = "UTC", **words: Any) -> Question:
    return read_question(name, now=NOW, zone=zone_of(tz), limit=0, **words)


@pytest.mark.parametrize("name", SUMMED)
@pytest.mark.parametrize("since", ["2026-11-19", "2026-11-19T23:52:13Z", "2026-11-20"])
def test_every_report_that_sums_says_the_same_over_summaries(lake: Path, name: str, since: str) -> None:
    check(lake, asked(name, since=since, until="2026-11-20T21:01:00Z"))


@pytest.mark.parametrize("name", [name for name in REPORTS if load(name).can_compare])
def test_every_report_that_can_be_compared_is(lake: Path, name: str) -> None:
    question = asked(name, since="2026-11-20", until="2026-11-21", compare="previous")
    assert Lake(lake).ask(lambda connection: answer(connection, question)).columns


# What a percentile out of summaries may differ by: its time is rounded by less than 1 %, and it is not interpolated between
# two calls. So these groups have hundreds of calls.
LEAST_CALLS, MOST_APART = 200, 0.03


@pytest.fixture(scope="module")
def timed_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls of one hour, with and without a price, errors and hits among them."""
    data, dice = tmp_path_factory.mktemp("timed"), random.Random(5)
    rows = [
        replace(
            row,
            started_at=FIRST_DAY + timedelta(seconds=dice.randrange(3600)),
            time_to_first_token_ms=dice.choice([None, dice.randrange(20, 900)]) if row.is_stream else None,
        )
        for row in alike(made_up_rows(3000, 5), 5)
    ]
    merged(data, rows)
    return data


@pytest.mark.parametrize("name", ["latency", "throughput"])
@pytest.mark.parametrize(
    "words",
    [
        {},
        {"by": "provider,operation"},
        {"every": "day", "by": "model"},
        {"by": "day", "where": "provider = 'openai'"},
        {"since": "2026-11-19T00:10:00Z", "until": "2026-11-19T01:01:00Z"},
        {"tz": "America/New_York", "every": "week", "by": "model", "since": "2026-11-18"},
    ],
)
def test_percentiles_out_of_summaries_are_close_and_all_else_is_the_same(
    timed_lake: Path, name: str, words: dict[str, str]
) -> None:
    question = asked(name, **{"since": "2026-11-19", "until": "2026-11-20", **words})
    out_of_summaries, of_calls = both(timed_lake, question)
    assert len(out_of_summaries) == len(of_calls) > 0
    compared = 0
    for rounded, exact in zip(out_of_summaries, of_calls, strict=True):
        for column, value in exact.items():
            if column.endswith("_ms"):
                assert (rounded[column] is None) == (value is None), column
                if value is not None and exact["calls"] >= LEAST_CALLS:
                    compared += 1
                    assert rounded[column] == pytest.approx(value, rel=MOST_APART), column
            else:
                assert rounded[column] == value, column
    assert compared


@pytest.mark.parametrize(
    "words", [{"by": "user"}, {"by": "hour"}, {"where": "error_type is null"}, {"tz": "Asia/Kathmandu", "every": "day"}]
)
def test_percentiles_of_other_groups_are_those_of_the_calls(timed_lake: Path, words: dict[str, str]) -> None:
    out_of_summaries, of_calls = both(timed_lake, asked("latency", since="2026-11-19", until="2026-11-20", **words))
    assert out_of_summaries == of_calls


@pytest.mark.parametrize("words", [{}, {"by": "model"}, {"by": "date,model"}, {"every": "day", "by": "user"}])
@pytest.mark.parametrize("most", [1, 5])
def test_percentiles_of_the_groups_that_are_shown_are_those_among_all_groups(
    lake: Path, words: dict[str, str], most: int
) -> None:
    everything = asked("throughput", since="2026-11-19", until="2026-11-21", **words)
    assert any(row["first_token_p50_ms"] for row in _records(lake, everything)[:5])
    assert _records(lake, replace(everything, limit=most)) == _newest(_records(lake, everything), most)


def _newest(rows: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Those that a limit leaves, still the newest last."""
    time = next((name for name in ("hour", "day", "date") if name in rows[0]), None)
    if time is None:
        return rows[:most]
    return sorted(sorted(rows, key=lambda row: row[time], reverse=True)[:most], key=lambda row: row[time])


@pytest.mark.parametrize("ms", [0, 1, 199, 200, 201, 250, 999, 10_000, 123_456, 86_400_000])
def test_a_time_is_rounded_by_less_than_one_percent(tmp_path: Path, ms: int) -> None:
    row = replace(made_up_rows(1)[0], error_type=None, cache_status=None, duration_ms=ms, time_to_first_token_ms=None)
    merged(tmp_path, [replace(row, request_id=f"{number:08x}{row.request_id[8:]}") for number in range(4)])
    ((p50,),) = {(row["p50_ms"],) for row in both(tmp_path, asked("latency", since="2026-11-19"))[0]}
    assert p50 == ms if ms < 200 else abs(p50 - ms) < ms / 100


def both(data: Path, question: Question) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of a report that asks `calls_timed`: as it is, and of the calls alone."""
    assert summaries(data)
    of_calls = replace(question, where=f"({question.where or 'true'}) and request_id is not null")
    return _records(data, question), _records(data, of_calls)


def _records(data: Path, question: Question) -> list[dict[str, Any]]:
    return Lake(data).ask(lambda connection: list(answer(connection, question).records()))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("costs", {"by": "model,user,property:feature", "tz": "Asia/Kathmandu"}),
        ("costs", {"every": "hour", "tz": "America/New_York"}),
        ("models", {"where": "model = 'gpt-4o' and \"user\" is null or properties['feature'] = 'chat'"}),
        ("models", {"where": "error_type is null", "compare": "previous"}),
        ("sessions", {"where": "status = 429 and date = '2026-11-20'"}),
        ("users", {"by": "is_stream,attempts", "every": "week"}),
    ],
)
def test_groups_and_conditions(lake: Path, name: str, words: dict[str, str]) -> None:
    check(lake, asked(name, since="2026-11-19T05:00:00Z", **words))


@pytest.mark.parametrize(
    "words",
    [
        {"where": "duration_ms > 4000"},
        {"where": "cost_nanousd is null"},
        {"where": "started_at > '2026-11-20'"},
        {"where": "request_id in (select request_id from bodies)"},
        {"by": "session_path"},
    ],
)
def test_what_summaries_do_not_know_is_asked_of_the_calls(lake: Path, words: dict[str, str]) -> None:
    check(lake, asked("costs", since="2026-11-19", **words), uses_summaries=False)


def test_a_window_shorter_than_a_quarter_of_an_hour_is_asked_of_the_calls(lake: Path) -> None:
    check(lake, asked("costs", since="2026-11-19T05:01:00Z", until="2026-11-19T05:09:00Z"), uses_summaries=False)


@pytest.mark.parametrize("seed", range(2))
def test_random_lakes_with_late_rows_and_missing_summaries(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    merged(tmp_path, alike(made_up_rows(400, seed), seed))
    late = [replace(row, request_id=f"1{row.request_id[1:]}") for row in alike(made_up_rows(30, seed + 100), seed)]
    to_parquet(tmp_path, late[:15], 3)
    settle(tmp_path, late[15:], 4)
    if seed % 2:
        dice.choice(summaries(tmp_path)).unlink()
    for name in SUMMED:
        since = (FIRST_DAY + timedelta(seconds=dice.randrange(86_400))).isoformat()
        check(tmp_path, asked(name, since=since), uses_summaries=True)


def hits_of(rows: list[RequestRow], *originals: RequestRow) -> list[RequestRow]:
    """As many hits on the second day, each of one of the originals."""
    return [
        replace(
            row,
            request_id=f"5{row.request_id[1:]}",
            started_at=FIRST_DAY + timedelta(hours=30),
            cache_status="hit",
            cache_reference_id=originals[number % len(originals)].request_id,
            duration_ms=number,
        )
        for number, row in enumerate(rows)
    ]


def saved(data: Path, **words: Any) -> tuple[list[dict[str, Any]], bool]:
    """The report on the cache, and whether summaries say how much time it saved."""

    def asked_of(connection: Connection) -> tuple[list[dict[str, Any]], bool]:
        table = answer(connection, asked("cache", since="2026-11-19", **words))
        ((sql,),) = connection.execute("select sql from duckdb_views() where view_name = 'calls_saved'").fetchall()
        return list(table.records()), "lake_summaries" in sql

    return Lake(data).ask(asked_of)


def original(row: RequestRow, began_at: datetime) -> RequestRow:
    """A call with an id that tells when it was made."""
    digits = f"{int(began_at.timestamp() * 1000):012x}"
    return replace(
        row,
        request_id=f"{digits[:8]}-{digits[8:]}-7000-8000-{row.request_id[-12:]}",
        started_at=began_at,
        duration_ms=5000,
        cache_status="miss",
    )


def test_summaries_know_what_hits_saved(tmp_path: Path) -> None:
    rows = alike(made_up_rows(400), 1)
    one = original(rows[0], FIRST_DAY + timedelta(hours=29))
    of_the_day_before = original(rows[1], FIRST_DAY + timedelta(hours=2))
    merged(tmp_path, [*rows, one, of_the_day_before, *hits_of(rows[:90], one, of_the_day_before)])
    found, out_of_summaries = saved(tmp_path)
    assert out_of_summaries
    assert sum(row["saved_ms"] or 0 for row in found) == 90 * 5000 - sum(range(90))
    for words in ({"by": "user,day"}, {"where": "user is not null"}, {"since": "2026-11-20T06:00:13Z"}):
        check(tmp_path, asked("cache", **({"since": "2026-11-19"} | words)))
    late = [replace(row, request_id=f"6{row.request_id[1:]}") for row in hits_of(rows[:7], one)]
    settle(tmp_path, late, 4)
    found, out_of_summaries = saved(tmp_path)
    assert out_of_summaries
    assert sum(row["saved_ms"] or 0 for row in found) == 97 * 5000 - sum(range(90)) - sum(range(7))


def test_what_hits_saved_is_looked_up_where_a_call_was_stored_after_the_summary(tmp_path: Path) -> None:
    rows = alike(made_up_rows(400), 1)
    late = original(rows[0], FIRST_DAY + timedelta(hours=2))
    merged(tmp_path, [*rows, *hits_of(rows[:90], late)])
    assert saved(tmp_path)[0][0]["saved_ms"] is None
    settle(tmp_path, [late], 4)
    found, out_of_summaries = saved(tmp_path)
    assert not out_of_summaries
    assert sum(row["saved_ms"] or 0 for row in found) == 90 * 5000 - sum(range(90))


def top_hits(data: Path, **words: Any) -> tuple[list[dict[str, Any]], bool]:
    """The report on hits, and whether it was answered out of summaries."""

    def asked_of(connection: Connection) -> tuple[list[dict[str, Any]], bool]:
        table = answer(connection, asked("cache-hits", **({"since": "2026-11-19"} | words)))
        ((sql,),) = connection.execute("select sql from duckdb_views() where view_name = 'calls_hit'").fetchall()
        return list(table.records()), "lake_hits" in sql

    return Lake(data).ask(asked_of)


def test_the_most_frequent_hits_are_the_same_over_summaries(tmp_path: Path) -> None:
    rows = alike(made_up_rows(400), 1)
    one = original(rows[0], FIRST_DAY + timedelta(hours=29))
    of_the_day_before = original(rows[1], FIRST_DAY + timedelta(hours=2))
    stored_later = original(rows[2], FIRST_DAY + timedelta(hours=3))
    merged(tmp_path, [*rows, one, of_the_day_before, *hits_of(rows[:90], one, of_the_day_before, stored_later)])
    settle(
        tmp_path,
        [stored_later, *(replace(row, request_id=f"6{row.request_id[1:]}") for row in hits_of(rows[:7], one))],
        4,
    )
    asked_for: list[dict[str, Any]] = [
        {},
        {"where": "user is not null and model <> ''"},
        {"where": "day = date '2026-11-20'", "tz": "Asia/Kathmandu"},
        {"since": "2026-11-20T06:00:00.000001Z"},
        {"until": "2026-11-20T06:00:00Z"},
        {"where": "status = 200"},
    ]
    out_of_summaries = [top_hits(tmp_path, **words) for words in asked_for]
    shutil.move(summary.folder(tmp_path), tmp_path / "aside")
    assert [rows for rows, _ in out_of_summaries] == [top_hits(tmp_path, **words)[0] for words in asked_for]
    assert [used for _, used in out_of_summaries] == [True] * 5 + [False]
    by_id = {row["request_id"]: row for row in out_of_summaries[0][0]}
    assert by_id[one.request_id]["hits"] == 37
    assert by_id[stored_later.request_id]["saved_ms"] == 30 * 5000 - sum(range(2, 90, 3))


RETRIED = {
    "a.example": '[{"host":"a.example","started_ms":0,"duration_ms":40}]',
    "b.example": '[{"host":"a.example","started_ms":0,"duration_ms":40},{"host":"b.example","started_ms":90,"duration_ms":7}]',
}


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"by": "model"},
        {"by": "user,host"},
        {"every": "day", "by": "provider"},
        {"where": "status = 200 and host <> 'c.example'"},
        {"where": "host = 'b.example'", "by": "session,property:feature"},
        {"since": "2026-11-19T05:07:13.5Z", "until": "2026-11-20T23:00:00Z"},
        {"tz": "Asia/Kathmandu", "by": "day"},
        {"where": "duration_ms > 3000"},
    ],
)
def test_what_retries_saved_is_the_same_over_summaries(tmp_path: Path, words: dict[str, str]) -> None:
    dice = random.Random(3)

    def tried(row: RequestRow) -> RequestRow:
        host = dice.choice(["a.example", "b.example"])
        if dice.random() < 0.7:
            return replace(row, host=host, attempts=dice.choice([0, 1, 1, 1]))
        failed = dice.choice([None, RETRIED[host]])
        return replace(
            row, host=host, attempts=dice.choice([2, 3]), failed_attempts=failed, fallback_index=dice.choice([None, 0])
        )

    merged(tmp_path, [tried(row) for row in alike(made_up_rows(1500), 1)])
    settle(
        tmp_path, [tried(replace(row, request_id=f"6{row.request_id[1:]}")) for row in alike(made_up_rows(40), 2)], 4
    )
    question = asked("retries", **({"since": "2026-11-19"} | words))
    out_of_summaries = _records(tmp_path, question)
    shutil.move(summary.folder(tmp_path), tmp_path / "aside")
    of_calls = _records(tmp_path, question)
    assert len(out_of_summaries) == len(of_calls) > 0
    for rounded, exact in zip(out_of_summaries, of_calls, strict=True):
        p50, exact_p50 = rounded.pop("p50_ms"), exact.pop("p50_ms")
        assert rounded == exact
        assert (p50 is None) == (exact_p50 is None)
        if exact["calls"] > 2 * LEAST_CALLS:
            assert p50 == pytest.approx(exact_p50, rel=MOST_APART)


@pytest.mark.parametrize(
    ("name", "words", "uses_brief"),
    [
        ("costs", {}, True),
        ("models", {"where": "provider = 'openai' and error is null"}, True),
        ("changes", {}, True),
        ("costs", {"by": "model,status", "every": "day"}, True),
        ("costs", {"by": "user"}, False),
        ("costs", {"where": "session is not null"}, False),
        ("costs", {"tz": "Asia/Kathmandu"}, False),
        ("users", {}, False),
    ],
)
def test_what_is_in_the_brief_summaries_is_asked_of_them(
    lake: Path, name: str, words: dict[str, str], uses_brief: bool
) -> None:
    question = asked(name, since="2026-11-20" if name == "changes" else "2026-11-19", **words)
    check(lake, question)
    assert ("lake_brief" in view(lake, question, "calls_summed")) == uses_brief


def view(data: Path, question: Question, name: str) -> str:
    """The SQL of a view of its scope."""

    def sql_of(connection: Connection) -> str:
        open_scope(connection, question.scope, question.views)
        ((sql,),) = connection.execute(
            "select sql from duckdb_views() where view_name = $name", {"name": name}
        ).fetchall()
        return str(sql)

    return Lake(data).ask(sql_of)


@pytest.mark.parametrize(
    ("name", "words", "uses_sessions"),
    [
        ("users", {}, True),
        ("sessions", {}, True),
        ("anomalies", {}, True),
        ("tree", {}, True),
        ("users", {"since": "2026-11-19T05:07:13.5Z"}, True),  # the first day is cut, and its first quarter of an hour
        ("tree", {"since": "2026-11-19T05:07:13.5Z"}, True),
        ("sessions", {"by": "user,session,day"}, True),
        ("sessions", {"tz": "Asia/Kathmandu"}, True),
        ("users", {"since": "2026-11-20T00:00:01Z"}, False),
        ("users", {"every": "day", "tz": "Asia/Kathmandu"}, False),
        ("users", {"every": "hour"}, False),
        ("users", {"by": "model"}, False),
        ("users", {"where": "session is not null"}, False),
        ("tree", {"where": "session is not null"}, True),
        ("tree", {"where": "model <> ''"}, False),
    ],
)
def test_users_and_sessions_are_asked_of_the_summaries_of_sessions(
    lake: Path, name: str, words: dict[str, str], uses_sessions: bool
) -> None:
    question = asked(name, **({"since": "2026-11-19"} | words))
    check(lake, question)
    asked_of = "calls_by_session" if name == "tree" else "calls_summed"
    assert ("lake_sessions" in view(lake, question, asked_of)) == uses_sessions


@pytest.mark.parametrize("since", ["2026-11-19", "2026-11-19T05:07:13.5Z", "2026-11-20T00:00:01Z"])
def test_the_input_that_was_not_read_from_a_cache_is_the_same_over_summaries(tmp_path: Path, since: str) -> None:
    dice = random.Random(9)
    rows = [
        replace(
            row,
            session_id=dice.choice(["one", "another"]),
            cache_read_input_tokens=dice.randrange(1000) if row.user_id else None,
            cache_status=dice.choice([None, "hit"]),
        )
        for row in alike(made_up_rows(3000, 9), 9)
    ]
    merged(tmp_path, rows)
    question = asked("prompt-cache", since=since)

    def sums(connection: Connection) -> object:
        open_scope(connection, question.scope, question.views)
        set_variables(connection, {"most": 9})
        return fetch(connection, load_internal("prompt_cache_sessions").sql).rows

    assert ("lake_sessions" in view(tmp_path, question, "calls_by_session")) == (since < "2026-11-20")
    out_of_summaries = Lake(tmp_path).ask(sums)
    shutil.move(summary.folder(tmp_path), tmp_path / "aside")
    assert out_of_summaries
    assert out_of_summaries == Lake(tmp_path).ask(sums)


def test_a_merge_of_late_rows_makes_a_new_summary_and_removes_the_old(tmp_path: Path) -> None:
    merged(tmp_path, alike(made_up_rows(400), 1))
    before = summaries(tmp_path)
    folders, day = Folders(tmp_path), DAYS[0]
    late = [replace(row, request_id=f"1{row.request_id[1:]}") for row in alike(made_up_rows(60, 5), 1)]
    to_parquet(tmp_path, [row for row in late if row.started_at.date() == day], 3)
    names = sorted(file.name for file in folders.lake_day("requests", day).glob("*.parquet"))
    merge_files(folders, "requests", day, names)
    check(tmp_path, asked("costs", since="2026-11-19"))  # the summary of the replaced file counts no more
    for name in names:
        (folders.lake_day("requests", day) / name).unlink()
    seen: list[tuple[int, int]] = []
    assert summarise_all(folders, least_bytes=0, seen=lambda days, of: seen.append((days, of))) == 1
    assert seen == [(1, 2), (2, 2)]
    assert len(summaries(tmp_path)) == 2
    assert len(set(before) & set(summaries(tmp_path))) == 1, "that of the other day"
    check(tmp_path, asked("costs", since="2026-11-19"))


def test_a_property_that_was_set_after_the_call_is_not_in_summaries(tmp_path: Path) -> None:
    rows = alike(made_up_rows(300), 1)
    merged(tmp_path, rows)
    change = PropertyChangeRow(
        request_id=rows[0].request_id, created_at=datetime(2026, 11, 20, tzinfo=UTC), name="feature", value="new"
    )
    tell(tmp_path, [change], 9)
    check(tmp_path, asked("properties", since="2026-11-19"), uses_summaries=False)
    check(tmp_path, asked("costs", by="property:feature", since="2026-11-19"), uses_summaries=False)
    check(tmp_path, asked("costs", since="2026-11-19"))


@pytest.mark.parametrize("content", [b"", b"PAR1 half of it", b"PAR1 damaged PAR1"])
def test_a_summary_that_was_half_copied_is_left_out(tmp_path: Path, content: bytes) -> None:
    merged(tmp_path, alike(made_up_rows(300), 1))
    expected = ask(tmp_path, asked("users", since="2026-11-19"))
    summary.sessions_of(summaries(tmp_path)[0]).write_bytes(content)
    assert ask(tmp_path, asked("users", since="2026-11-19")) == expected
    summaries(tmp_path)[0].write_bytes(content)
    assert ask(tmp_path, asked("users", since="2026-11-19")) == expected


def test_calls_that_are_all_different_get_no_summary(tmp_path: Path) -> None:
    rows = [replace(row, user_id=f"user-{number}") for number, row in enumerate(made_up_rows(100))]
    merged(tmp_path, rows)
    assert not summaries(tmp_path)
    assert len(list(summary.folder(tmp_path).glob("*/*.none"))) == 2, "it is not tried again"
    assert summarise_all(Folders(tmp_path), least_bytes=0) == 0


def test_a_summary_goes_with_its_file(tmp_path: Path) -> None:
    merged(tmp_path, alike(made_up_rows(300), 1))
    shutil.rmtree(Folders(tmp_path).lake_day("requests", date(2026, 11, 19)))
    summarise_all(Folders(tmp_path), least_bytes=0)
    assert [file.parent.name for file in summaries(tmp_path)] == ["date=2026-11-20"]


def test_the_columns_of_summaries_can_be_asked_for(lake: Path) -> None:
    assert Lake(lake).ask(columns_of) == frozenset(summary.COLUMNS)


def test_views_over_summaries_are_made_when_they_are_asked_and_once_for_all_threads(lake: Path) -> None:
    question = asked("models", since="2026-11-19", until="2026-11-21")

    def models(of: Lake) -> list[dict[str, Any]]:
        return of.ask(lambda connection: list(answer(connection, question).records()))

    def made(connection: Connection) -> set[str]:
        views = connection.execute("select view_name from duckdb_views() where view_name like 'lake%'").fetchall()
        return {name for (name,) in views}

    kept = Lake(lake, keeps=True)
    assert kept.ask(made) == set()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: models(kept), range(12)))
    assert answers == [models(Lake(lake))] * 12
    assert kept.ask(made) == {"lake_brief", "lake_not_summarised"}


@pytest.mark.parametrize(
    ("name", "by", "groups"),
    [
        ("overview_totals", (), ("user_id", "cache_status")),
        ("overview_over_time", ('"day" as at', '"model" as series'), ("day", "model")),
        ("overview_property_tops", (), ("properties",)),
        ("requests_summary", (), ()),
        ("property_names", (), ("properties",)),
    ],
)
def test_the_dashboards_sums_say_the_same_over_summaries(
    lake: Path, name: str, by: tuple[str, ...], groups: tuple[str, ...]
) -> None:
    window = asked("costs", since="2026-11-19", until="2026-11-20T21:01:00Z").window

    def numbers(connection: Connection, told: tuple[str, ...] | None) -> tuple[bool, list[tuple[object, ...]]]:
        open_scope(connection, Scope(window, groups=told))
        ((sql,),) = connection.execute("select sql from duckdb_views() where view_name = 'calls_summed'").fetchall()
        rows = run(connection, name, {"typed": "", "most": 100, "names": ["feature", "environment"]}, by).rows
        return "lake_summaries" in sql, sorted(rows, key=str)

    def both(connection: Connection) -> None:
        used, over_summaries = numbers(connection, groups)
        scanned, over_calls = numbers(connection, None)
        assert (used, scanned) == (True, False)
        assert over_summaries == over_calls
        assert over_calls

    Lake(lake).ask(both)
